"""BGR for RGB, compared with the verification set: if images are redder than blue, images with exchanged channels are bluer by as much.

Skin, wood and earth make photographs redder than blue, most of all in the middle. Skies make them bluer above than below. Grey or artificial images
may lack this; then the check says that it cannot judge. It also finds nothing where both sets have their channels in the wrong order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding
from toolkit.samples.lints import Input, Judged, Real, Side, Values, thinned

LOOKS_AT = "input"
CODES = ("swapped-channels",)
_MOST_VALUES = 4096


@dataclass(frozen=True)
class Limits:
    """`evidence`: squared distance, in standard errors, that separates two sets. `times`: how much closer, squared, the exchanged images must be.

    `samples`: how many of each set the standard errors need. `factor`: ranges that differ by more mean that the sets were prepared differently.
    """

    evidence: float
    times: float
    samples: float
    factor: float


def applies(one: Input) -> str | None:
    """Return why an input has no red and no blue; None for one that has."""
    axis = one.channels_axis
    return None if axis is not None and one.shape[axis] == 3 else "no image of three channels"


def measure(values: Values, one: Input) -> Real:
    """Return (5): three differences, first channel minus last, in units of the image's deviation; minimum; maximum. NaN for a single colour.

    The three differences are of the whole image, of its upper half minus its lower half, and of its middle minus the whole.
    """
    planes = values if one.channels_axis == 0 else np.moveaxis(values, 2, 0)
    extremes = float(values.min()), float(values.max())
    unit = float(thinned(values.ravel(), _MOST_VALUES).std(dtype=np.float64))
    if unit == 0:
        return np.array([np.nan, np.nan, np.nan, *extremes])
    difference = planes[0] - planes[2]
    height, width = difference.shape
    quarter = difference[height // 4 : height - height // 4, width // 4 : width - width // 4]
    parts = (difference, difference[: height // 2], difference[height - height // 2 :], quarter)
    whole, upper, lower, middle = (part.mean(dtype=np.float64) for part in parts)
    return np.array([whole / unit, (upper - lower) / unit, (middle - whole) / unit, *extremes])


def judge(one: Input, calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return a warning where calibration is much more like the verification set with red and blue exchanged; a text where the check cannot judge."""
    if one.split:
        return "both sets are drawn from one: channels that they share in the wrong order cannot be told from them"
    ours, theirs = (side.rows[~np.isnan(side.rows).any(axis=1)] for side in (calibration, verification))
    if min(len(ours), len(theirs)) < limits.samples:
        return f"fewer than {limits.samples:g} samples that vary in one of the sets"
    widths = [rows[:, 4].max() - rows[:, 3].min() for rows in (ours, theirs)]
    if max(widths) > limits.factor * min(widths):
        return "the sets differ in scale: channels are compared when that is mended"
    return _compared(ours[:, :3], theirs[:, :3], limits)


def _compared(ours: Real, theirs: Real, limits: Limits) -> Judged:
    errors = np.cov(ours.T) / len(ours) + np.cov(theirs.T) / len(theirs)
    inverse = np.linalg.pinv(errors)

    def squared(difference: Real) -> float:
        return float(difference @ inverse @ difference)

    mean, other = ours.mean(axis=0), theirs.mean(axis=0)
    if squared(2 * other) < limits.evidence:
        return f"red and blue differ too little in the verification set ({squared(2 * other):.0f}; {limits.evidence:g} would do) to tell"
    as_given, exchanged = squared(mean - other), squared(mean + other)
    if as_given < limits.evidence or as_given < limits.times * exchanged:
        return []
    message = (
        "the first and the last channel have probably changed places: the first minus the last is"
        f" {np.sqrt(as_given):.0f} standard errors from that of the verification set, and {np.sqrt(exchanged):.0f} with them exchanged"
    )
    fix = 'color = "rgb" (or "bgr", as the model was trained) under [preprocess] of both sets; OpenCV reads BGR'
    return [Finding("swapped-channels", "warning", message, fix, facts={"as_given": as_given, "exchanged": exchanged})]
