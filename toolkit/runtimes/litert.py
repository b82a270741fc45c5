"""TFLite models with LiteRT (ai-edge-litert): XNNPACK kernels by default, as in an Android or Linux app."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from toolkit.runtimes import Loaded
from toolkit.worker import tflite

FORMATS = ("tflite",)


def load(model: Path, options: dict[str, Any]) -> Loaded:
    """Return the model ready to run with ai-edge-litert's interpreter."""
    from ai_edge_litert import interpreter

    return tflite.load(interpreter, f"ai-edge-litert {version('ai-edge-litert')}", model, options)
