"""Constants: samples with a single value, and channels and features that are the same in all samples.

The draw refuses a whole set or a whole input that never changes (`toolkit.samples.draw`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding
from toolkit.samples.lints import Input, Judged, Real, Side, Values

LOOKS_AT = "input"
CODES = ("blank-samples", "constant-feature")
_MOST_FEATURES = 1024  # of a tabular sample; a longer sample is one feature
_LISTED = 8


@dataclass(frozen=True)
class Limits:
    """`blank`: share of samples that may hold a single value. `chance`: below this probability, a varying feature is not constant by coincidence."""

    blank: float
    chance: float


def applies(one: Input) -> str | None:
    """Return why a single number cannot be blank; None for other inputs."""
    return "a sample is a single number" if one.size == 1 else None


def measure(values: Values, one: Input) -> Real:
    """Return (2 f): the smallest and the largest value of each of f features: columns of a table, channels of an image, else all values as one."""
    if len(one.shape) == 1 and one.size <= _MOST_FEATURES:
        return np.concatenate([values, values]).astype(np.float64)
    if one.channels_axis is None:
        return np.array([values.min(), values.max()], np.float64)
    planes = np.moveaxis(values, one.channels_axis, 0)
    return np.array([plane.min() for plane in planes] + [plane.max() for plane in planes], np.float64)


def judge(one: Input, calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return warnings for many blank samples, and for features that are constant in calibration only."""
    return [*_blank(calibration, verification, limits), *_still(one, calibration, verification, limits)]


def _lows_and_highs(side: Side) -> tuple[Real, Real]:
    lows, highs = np.split(side.rows, 2, axis=1)
    return lows, highs


def _blanks(side: Side) -> float:
    lows, highs = _lows_and_highs(side)
    return float((lows.min(axis=1) == highs.max(axis=1)).mean())


def _blank(calibration: Side, verification: Side, limits: Limits) -> list[Finding]:
    share, there = _blanks(calibration), _blanks(verification)
    if share <= max(limits.blank, there):
        return []
    message = f"{share:.0%} of the samples are one single value all over; in the verification set {there:.0%}"
    fix = "leave them out: they come from a lens cap, a dead microphone or a failed decode"
    return [Finding("blank-samples", "warning", message, fix, facts={"share": share, "verification_share": there})]


def _still(one: Input, calibration: Side, verification: Side, limits: Limits) -> list[Finding]:
    """If a feature differs from its constant in a share p of the other set, it is constant by chance in (1 - p) ** n of all sets of n."""
    lows, highs = _lows_and_highs(calibration)
    still = np.flatnonzero(lows.min(axis=0) == highs.max(axis=0))
    if not len(still):
        return []
    value = lows[0, still]
    other_lows, other_highs = _lows_and_highs(verification)
    differs = ((other_lows[:, still] != value) | (other_highs[:, still] != value)).mean(axis=0)
    stuck = still[(1 - differs) ** len(lows) < limits.chance]
    if not len(stuck):
        return []
    what = "channels" if one.channels_axis is not None else "features"
    listed = ", ".join(map(str, stuck[:_LISTED])) + (", …" if len(stuck) > _LISTED else "")
    message = f"{len(stuck)} of {lows.shape[1]} {what} ({listed}) never change, and do in the verification set"
    fix = f"look at how these {what} are read: a column that was filled with a default, a channel that is empty"
    return [Finding("constant-feature", "warning", message, fix, facts={"features": [int(index) for index in stuck]})]
