"""TFLite models with tflite-runtime, the wheel that Raspberry Pi boards have installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.engines.loaded import Loaded, RunOptions

FORMATS = ("tflite",)
ENVIRONMENT = "tflite_runtime"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run with tflite-runtime's interpreter."""
    from importlib.metadata import version

    from tflite_runtime import interpreter

    from toolkit.engines.tflite import interpreter as tflite

    return tflite.load(interpreter, f"tflite-runtime {version('tflite-runtime')}", model, options)
