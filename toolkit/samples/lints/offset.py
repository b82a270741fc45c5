"""Images that are nearly one value far from zero: a mean was taken off pixels, or a scale was left out, that those of the training have.

On both sides alike, so that two sets do not tell it. Pixels in [0, 1] less 127.5 are in [-127.5, -126.5]: all but equal, where those of the
training fill [-127.5, 127.5].
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
    """`width`: how wide the range of a channel is at most, as a share of its distance from zero, to be what a mean left of it."""

    width: float


def applies(one: Input) -> str | None:
    """Return why what is no image has no usual range."""
    return None if one.channels_axis is not None else "only images have usual ranges"


def measure(values: Values, one: Input) -> Real:
    """Return (2 channels): the smallest and the largest value of each."""
    planes = np.moveaxis(values, one.channels_axis or 0, 0)
    return np.array([plane.min() for plane in planes] + [plane.max() for plane in planes], np.float64)


def judge(one: Input, verification: Side, limits: Limits) -> Judged:
    """Return what is inconclusive where all channels lie below zero in a narrow range; a warning above it, where temperatures lie, too."""
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
