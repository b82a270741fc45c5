"""Saturation: values pile up at the ends of the range, as after a clipped sensor, an overdriven microphone or a cast to uint8.

Values of a white page and of a silent second pile up as well. So the check asks whether calibration has more of this than the verification set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding
from toolkit.samples.lints import Input, Judged, Real, Side, Values

LOOKS_AT = "input"
CODES = ("saturated-samples", "pile-up")
_FEWEST_VALUES = 64  # with fewer numbers, one at an end is a large share


@dataclass(frozen=True)
class Limits:
    """`excess`: how much larger a share of values at an end may be than in the verification set; `errors`: by how many standard errors it is larger.

    `share`: if this share of values or more is at an end other than zero, an info is given.
    """

    excess: float
    errors: float
    share: float


def applies(one: Input) -> str | None:
    """Return why values at the ends of the range mean nothing for this input; None for other inputs."""
    if one.size < _FEWEST_VALUES:
        return f"a sample has {one.size} values: of fewer than {_FEWEST_VALUES}, some are always at an end"
    return (
        None
        if one.dtype.startswith("float") or one.channels_axis is not None
        else "whole numbers may be names of things"
    )


def measure(values: Values, one: Input) -> Real:
    """Return (4): minimum, maximum, and the shares of values that are equal to these."""
    low, high = values.min(), values.max()
    shares = [np.count_nonzero(values == end) / values.size for end in (low, high)]
    return np.array([low, high, *shares], np.float64)


def _at_end(side: Side, end: int) -> tuple[float, Real]:
    """Return the lowest (0) or the highest (1) value of a set, and for each sample the share of values that are equal to it."""
    reached = side.rows[:, end]
    value = reached.max() if end else reached.min()
    return float(value), np.where(reached == value, side.rows[:, 2 + end], 0.0)


def judge(one: Input, calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return a warning where calibration is clipped more than verification, an info where both have many values at an end."""
    return [found for end in (0, 1) for found in _judge_end(end, calibration, verification, limits)]


def _judge_end(end: int, calibration: Side, verification: Side, limits: Limits) -> list[Finding]:
    value, ours = _at_end(calibration, end)
    _, theirs = _at_end(verification, end)
    share, other = float(ours.mean()), float(theirs.mean())
    error = float(np.hypot(ours.std() / np.sqrt(len(ours)), theirs.std() / np.sqrt(len(theirs))))
    which = ("lowest", "highest")[end]
    numbers = {"value": value, "share": share, "verification_share": other}
    message = f"{share:.0%} of all values are exactly the {which}, {value:.4g}; in the verification set {other:.0%}"
    if share - other > max(limits.excess, limits.errors * error):
        fix = "look for a clipped sensor or recording, or a cast that cut off what it could not hold, in the calibration set"
        return [Finding("saturated-samples", "warning", message, fix, facts=numbers)]
    if share >= limits.share and value != 0:
        fix = "nothing, if that is a white background or full scale; else see how the samples were recorded"
        return [Finding("pile-up", "info", message, fix, facts=numbers)]
    return []
