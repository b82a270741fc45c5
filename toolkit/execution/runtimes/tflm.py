"""TFLite models with TFLite Micro's interpreter and its reference kernels, the runtime of microcontrollers, on this machine's processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.engines.loaded import Loaded, RunOptions, Tapped

FORMATS = ("tflite",)
ENVIRONMENT = "tflite_micro"
STANDS_IN = "on this machine's processor, not on the board's"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run with TFLite Micro."""
    from toolkit.engines.tflite import micro

    return micro.load(model, options)


def tap(model: Path, options: RunOptions) -> Tapped:
    """Return the model on the same kernels, with readable intermediate tensors."""
    from toolkit.engines.tflite import micro

    return micro.tap(model, options)


def unread(model: Path) -> tuple[str, ...]:
    """Return the names of the float32 tensors that `tap` cannot show."""
    from toolkit.engines.tflite import taps

    return taps.unread(model)
