"""Tensors by name: dtypes, shapes and scales."""
