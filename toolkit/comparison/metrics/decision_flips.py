"""Share of samples in which any decision at a threshold changes: (c >= t) != (r >= t)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows

BETTER: Better = "lower"
ALWAYS = False
OVER = "rate"
UNITS = ("fraction",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True
PARAMETERS = {"threshold": None}  # the application's threshold, in the output's own unit


def refuse(parameters: Mapping[str, float]) -> str | None:
    """Return None for a finite threshold, else the reason."""
    threshold = parameters["threshold"]
    return None if math.isfinite(threshold) else f"threshold {threshold}; expected a number"


def applies(shape: Sequence[int], *, threshold: float) -> str | None:
    """Return None: any number is on one side of a threshold."""
    return None


def measure(reference: Real, candidate: Real, *, threshold: float) -> Real:
    """Return 1 for each sample in which any element is on another side of the threshold, else 0; NaN if either holds a NaN."""
    reference, candidate = rows(reference), rows(candidate)
    flips = ((reference >= threshold) != (candidate >= threshold)).any(axis=1)
    broken = np.isnan(reference).any(axis=1) | np.isnan(candidate).any(axis=1)
    return np.where(broken, np.nan, flips.astype(np.float64))
