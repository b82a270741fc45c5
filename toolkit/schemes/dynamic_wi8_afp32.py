"""Weights int8, activations float32 outside and int8 with a scale found anew at each call inside ("dynamic range")."""

from __future__ import annotations

from typing import Any

WEIGHTS = "int8"
CALIBRATED = False
INTEGER = False
INPUT_DTYPES = ("float32",)


def configure(converter: Any, representative: Any) -> None:
    """Ask for dynamic-range quantization; the converter leaves tensors under 1024 elements in float."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
