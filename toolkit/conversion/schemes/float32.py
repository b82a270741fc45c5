"""Weights and activations float32: no quantization."""

WEIGHTS = "float32"
ACTIVATIONS = "float32"
CALIBRATED = False
INPUT_DTYPES = ("float32",)
QUANTIZERS: dict[str, dict[str, object]] = {}
