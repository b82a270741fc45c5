"""TFLite models with TFLite Micro's interpreter and its reference kernels, the runtime of microcontrollers, on this machine's processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.engines.loaded import Loaded, RunOptions, Tapped
    from toolkit.engines.tflite.micro_arena import ArenaProbe

FORMATS = ("tflite",)
ENVIRONMENT = "tflite_micro"
STANDS_IN = "on this machine's processor, not on the board's"

LOOKS_UP_USED = True
LACKS_DTYPES = ("string", "complex64", "complex128", "variant")
# QuantizeMultiplierGreaterThanOne aborts unless beta * scale * 2^(31 - 5) is above 1: preprocess_softmax_scaling, kScaledDiffIntegerBits = 5.
LEAST_SOFTMAX_STEP = 2.0**-26
ARENA_STEP_BYTES = 16  # MicroArenaBufferAlignment: every buffer in an arena begins at a multiple


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


def arena(model: Path, signature: str | None, arena_bytes: int | None) -> ArenaProbe:
    """Return what came of one call in an arena of so many bytes; None for one that is large enough for any purpose."""
    from toolkit.engines.tflite import micro_arena

    return micro_arena.probe(model, signature, arena_bytes)
