"""Finds the operator or layer that is off, and the layers to keep in float because of it."""
