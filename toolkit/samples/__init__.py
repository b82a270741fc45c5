"""Samples: which there are, how they are read and prepared, and what is wrong with them."""
