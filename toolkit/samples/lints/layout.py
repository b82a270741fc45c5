"""Wrong layout: images with channels first that were reshaped, not transposed, to channels last; or the other way round.

In channels last, the pixel below is W * C values away; in channels first it is W values away. Neighbours are more alike in the layout that the image
really has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding, Severity
from toolkit.samples.lints import Input, Judged, Real, Side, Values

LOOKS_AT = "input"
CODES = ("wrong-layout",)
_SMALLEST = 16  # pixels a side: in smaller images, neighbours differ as much as other pixels
_MOST_VALUES = 1 << 16


@dataclass(frozen=True)
class Limits:
    """`samples`: share that is smoother in the other layout. `ratio`: how much smoother their median is, as a ratio of mean squared differences."""

    samples: float
    ratio: float


def applies(one: Input) -> str | None:
    """Return why both layouts of a sample are the same or cannot be distinguished; None for other inputs."""
    axis = one.channels_axis
    if axis is None:
        return "no image: three axes, of which the last or the first has up to four channels"
    if one.shape[axis] == 1:
        return "one channel: both layouts are the same"
    smallest = min(np.delete(one.shape, axis))
    return None if smallest >= _SMALLEST else f"{smallest} pixels a side are too few to tell; {_SMALLEST} would do"


def measure(values: Values, one: Input) -> Real:
    """Return the natural logarithm of a ratio: the mean squared difference to the pixel below in the declared layout, over that in the other."""
    last = one.channels_axis == 2
    width = one.shape[1] if last else one.shape[2]
    channels = one.shape[2] if last else one.shape[0]
    own, other = (width * channels, width) if last else (width, width * channels)
    flat = values.ravel()
    start = max(0, (flat.size - _MOST_VALUES) // 2)
    block = flat[start : start + max(_MOST_VALUES, 4 * width * channels)]
    rough = [float(np.square(block[lag:] - block[:-lag]).mean(dtype=np.float64)) for lag in (own, other)]
    return np.array([np.log(rough[0] / rough[1]) if min(rough) > 0 else np.nan])


def _mistaken(side: Side, limits: Limits) -> tuple[bool, float]:
    """Return whether a set has the other layout, and the median ratio of roughness."""
    ratios = side.rows[~np.isnan(side.rows)]
    if not len(ratios):
        return False, float("nan")
    middle = float(np.exp(np.median(ratios)))
    return bool((ratios > 0).mean() >= limits.samples and middle >= limits.ratio), middle


def judge(one: Input, calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return an error where only calibration has the other layout, a warning where both sets have it."""
    mistaken, ratio = _mistaken(calibration, limits)
    other_mistaken, other_ratio = _mistaken(verification, limits)
    if not mistaken:
        return []
    declared, found = (
        ("channels last", "channels first") if one.channels_axis == 2 else ("channels first", "channels last")
    )
    message = (
        f"samples of shape {list(one.shape)} are {ratio:.1f} times smoother read as {found} than as {declared}"
        f" (the verification set: {other_ratio:.1f} times): reshaped where they should have been transposed"
    )
    order = "(1, 2, 0)" if one.channels_axis == 2 else "(2, 0, 1)"
    fix = f"give them as they are with the right shape and use numpy.transpose(image, {order})" + (
        ', or layout = "nchw" under [preprocess]' if one.channels_axis == 0 else ""
    )
    severity: Severity = "warning" if other_mistaken else "error"
    return [Finding("wrong-layout", severity, message, fix, facts={"ratio": ratio, "verification_ratio": other_ratio})]
