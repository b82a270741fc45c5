"""TFLite models with LiteRT (ai-edge-litert): XNNPACK kernels by default, as in an Android or Linux app."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from toolkit.engines.loaded import Extremes, Loaded, RunOptions, Tapped
from toolkit.engines.tflite import interpreter as tflite
from toolkit.engines.tflite import taps

FORMATS = ("tflite",)
ENVIRONMENT = "litert"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run with ai-edge-litert's interpreter."""
    from ai_edge_litert import interpreter

    return tflite.load(interpreter, f"ai-edge-litert {version('ai-edge-litert')}", model, options)


def tap(model: Path, options: RunOptions) -> Tapped:
    """Return the model on the same kernels, with readable intermediate tensors."""
    from ai_edge_litert import interpreter

    return taps.tap(interpreter, f"ai-edge-litert {version('ai-edge-litert')}", model, options)


def extremes(model: Path, options: RunOptions, *, values: bool) -> Extremes:
    """Return the model on the same kernels, with the extremes of its intermediate tensors."""
    from ai_edge_litert import interpreter

    return taps.extremes(interpreter, f"ai-edge-litert {version('ai-edge-litert')}", model, options, values=values)


def unread(model: Path) -> tuple[str, ...]:
    """Return the names of the float32 tensors that `tap` cannot show."""
    return taps.unread(model)
