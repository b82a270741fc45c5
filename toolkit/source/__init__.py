"""The original model: what kind it is, how it is loaded, and what it answers."""
