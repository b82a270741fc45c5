"""Weights float16, activations float32 (or float16 where a delegate computes so): half the size."""

from __future__ import annotations

from typing import Any

WEIGHTS = "float16"
CALIBRATED = False
INTEGER = False
INPUT_DTYPES = ("float32",)


def configure(converter: Any, representative: Any) -> None:
    """Ask for float16 weights."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
