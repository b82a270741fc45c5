"""TFLite models with tflite-runtime, the wheel that Raspberry Pi boards have installed."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.engines.tflite import interpreter as tflite

FORMATS = ("tflite",)
ENVIRONMENT = "tflite_runtime"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run with tflite-runtime's interpreter."""
    from tflite_runtime import interpreter

    return tflite.load(interpreter, f"tflite-runtime {version('tflite-runtime')}", model, options)
