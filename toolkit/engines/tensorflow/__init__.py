"""Readers of TensorFlow's own files, and its devices."""
