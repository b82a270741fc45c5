"""TFLite models with LiteRT (ai-edge-litert): XNNPACK kernels by default, as in an Android or Linux app."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.engines.loaded import Extremes, Loaded, RunOptions, Tapped

FORMATS = ("tflite",)
ENVIRONMENT = "litert"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run with ai-edge-litert's interpreter."""
    from ai_edge_litert import interpreter

    from toolkit.engines.tflite import interpreter as tflite

    return tflite.load(interpreter, _engine(), model, options)


def tap(model: Path, options: RunOptions) -> Tapped:
    """Return the model on the same kernels, with readable intermediate tensors."""
    from ai_edge_litert import interpreter

    from toolkit.engines.tflite import taps

    return taps.tap(interpreter, _engine(), model, options)


def extremes(model: Path, options: RunOptions, *, values: bool) -> Extremes:
    """Return the model on the same kernels, with the extremes of its intermediate tensors."""
    from ai_edge_litert import interpreter

    from toolkit.engines.tflite import taps

    return taps.extremes(interpreter, _engine(), model, options, values=values)


def unread(model: Path) -> tuple[str, ...]:
    """Return the names of the float32 tensors that `tap` cannot show."""
    from toolkit.engines.tflite import taps

    return taps.unread(model)


def _engine() -> str:
    from importlib.metadata import version

    return f"ai-edge-litert {version('ai-edge-litert')}"
