"""Quantization experiments: schemes, estimators, sets and targets in one table."""
