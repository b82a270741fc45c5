"""The original model: its kind, how it is loaded, and its outputs."""
