"""The distance between a constant of an artifact and its counterpart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.engines.tflite.constants import Values
from toolkit.weights.rows import DeviationRow, plain_number

_ROUNDING = 1e-3  # of a step: the rounding of float32 when a value is divided by its step


@dataclass(frozen=True, slots=True)
class ConstantDeviation:
    """How far the values of one constant are off.

    `sqnr_db` is that of all values, infinity without an error. `error` is the part of the error beyond half a step, as a share of the constant's size
    (both Euclidean norms). `within` is the share of values within half a step. `steps` is the largest error in steps, among values inside the stored
    range. `clipped` is the share of values outside of it, which lie at its end. `steps`, `within` and `clipped` are None where the artifact has no
    steps. `channel` is the worst channel along `axis`; None for a constant of one channel, and where all values are equal.
    """

    sqnr_db: float
    error: float
    within: float | None
    steps: float | None
    clipped: float | None
    channel: int | None

    def to_json(self) -> DeviationRow:
        """Return plain JSON; numbers that are not finite are "inf", "-inf" or "nan"."""
        return {
            "sqnr_db": plain_number(self.sqnr_db),
            "error": plain_number(self.error),
            "within": None if self.within is None else plain_number(self.within),
            "steps": None if self.steps is None else plain_number(self.steps),
            "clipped": None if self.clipped is None else plain_number(self.clipped),
            "channel": self.channel,
        }


def deviation(ours: Values, theirs: np.ndarray, axis: int) -> ConstantDeviation:
    """Return the distance of `ours` from the real numbers `theirs`, float64, of the same shape; `axis` is that of its channels."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(ours.real - theirs)
    size = float(np.linalg.norm(theirs))
    worst = _worst_channel(apart, axis)
    held = np.broadcast_to(ours.step, apart.shape)
    if not ours.step.any():
        return ConstantDeviation(
            _decibels(size, float(np.linalg.norm(apart))),
            _share(float(np.linalg.norm(apart)), size),
            None,
            None,
            None,
            worst,
        )
    beyond = apart > held * (0.5 + _ROUNDING)
    at_end = np.zeros(apart.shape, bool)
    if ours.ends is not None:
        low, high = _lowest(ours), ours.ends[1]
        at_end = beyond & (
            ((ours.stored <= low) & (theirs < ours.real)) | ((ours.stored >= high) & (theirs > ours.real))
        )
    counted = apart[~at_end] / np.where(held > 0, held, np.inf)[~at_end]
    left = np.where(beyond, apart - held / 2, 0.0)
    return ConstantDeviation(
        sqnr_db=_decibels(size, float(np.linalg.norm(apart))),
        error=_share(float(np.linalg.norm(left)), size),
        within=1.0 - float(beyond.mean()),
        steps=float(counted.max(initial=0.0)),
        clipped=float(at_end.mean()),
        channel=worst if beyond.any() else None,
    )


def _lowest(values: Values) -> int:
    """Return the least number that is stored on purpose: symmetric quantization does not use the last negative one."""
    assert values.ends is not None
    low, high = values.ends
    return -high if low < 0 and values.stored.min(initial=0) >= -high else low


def _worst_channel(apart: np.ndarray, axis: int) -> int | None:
    if apart.ndim == 0 or apart.shape[axis] < 2 or not apart.any():
        return None
    return int(np.linalg.norm(np.moveaxis(apart, axis, 0).reshape(apart.shape[axis], -1), axis=1).argmax())


def _share(part: float, whole: float) -> float:
    if part == 0:
        return 0.0
    return float(part / whole) if whole > 0 else float("inf")


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return float("inf")
    if not np.isfinite(noise):
        return float("nan") if np.isnan(noise) else float("-inf")
    return float(20 * np.log10(signal / noise)) if signal > 0 else float("-inf")
