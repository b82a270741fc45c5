"""Images whose values are nearly equal and far from zero: a mean was subtracted, or a scale left out, unlike in the training.

Both sets may have the fault, so comparing them does not show it. Pixels in [0, 1] minus 127.5 are in [-127.5, -126.5]: nearly equal, while those of
the training fill [-127.5, 127.5].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding, Severity
from toolkit.samples.lints import Input, Judged, Real, Side, Values

LOOKS_AT = "judging"
CODES = ("off-range",)


@dataclass(frozen=True)
class Limits:
    """`width`: the widest range of a channel, as a share of its distance from zero, that counts as such a fault."""

    width: float


def applies(one: Input) -> str | None:
    """Return why an input that is no image has no usual range; None for images."""
    return None if one.channels_axis is not None else "only images have usual ranges"


def measure(values: Values, one: Input) -> Real:
    """Return (2 channels): the smallest and the largest value of each."""
    planes = np.moveaxis(values, one.channels_axis or 0, 0)
    return np.array([plane.min() for plane in planes] + [plane.max() for plane in planes], np.float64)


def judge(one: Input, verification: Side, limits: Limits) -> Judged:
    """Return an inconclusive finding where all channels lie in a narrow range below zero; a warning above zero, where temperatures also lie."""
    lows, highs = np.split(verification.rows, 2, axis=1)
    low, high = lows.min(axis=0), highs.max(axis=0)
    distance = np.where(low > 0, low, np.where(high < 0, -high, 0.0))
    if not (high - low <= limits.width * distance).all() or not distance.all():
        return []
    severity: Severity = "inconclusive" if bool((high < 0).all()) else "warning"
    shown = ", ".join(f"[{least:.5g}, {most:.5g}]" for least, most in zip(low, high, strict=True))
    message = f"pixels lie in {shown}, hardly apart and far from zero: look at `mean` and `scale` under [preprocess]"
    fix = "prepare them as those of the training: `mean` under [preprocess] comes off what `scale` made, and 127.5 off images in [0, 1] leaves this"
    return [Finding("off-range", severity, message, fix, facts={"low": low.tolist(), "high": high.tolist()})]
