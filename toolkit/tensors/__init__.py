"""Tensors by name: dtypes, shapes and scales, and what an output ends with."""
