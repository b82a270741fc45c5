"""Weights and activations float32: no quantization."""

from __future__ import annotations

from typing import Any

WEIGHTS = "float32"
CALIBRATED = False
INTEGER = False
INPUT_DTYPES = ("float32",)


def configure(converter: Any, representative: Any) -> None:
    """Leave the converter at its defaults."""
