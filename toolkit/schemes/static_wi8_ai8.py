"""Weights int8 per channel, activations int8 with scales fixed from a representative dataset."""

from __future__ import annotations

from typing import Any

WEIGHTS = "int8"
CALIBRATED = True
INTEGER = True
INPUT_DTYPES = ("float32", "int8", "uint8")


def configure(converter: Any, representative: Any) -> None:
    """Ask for int8 kernels, and float ones where there is no int8 kernel (which the file is then searched for)."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
