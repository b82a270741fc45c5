"""Share of samples with the same decision on both sides: the same class, the same label or id, the same yes or no."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real
from toolkit.comparison.metrics._decisions import PARAMETERS, broken, decided, one_decision, refuse

__all__ = ["PARAMETERS", "refuse"]

BETTER: Better = "higher"
ALWAYS = False
OVER = "rate"
UNITS = ("fraction",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape: Sequence[int], *, of: str, threshold: float) -> str | None:
    """Return None for one decision of each sample: one number, or scores (1, C) with C >= 2; else the reason."""
    return one_decision(shape, of)


def measure(reference: Real, candidate: Real, *, of: str, threshold: float) -> Real:
    """Return 1 for each sample with the same decision on both sides, else 0; NaN if either holds a NaN."""
    ours, theirs = decided(reference, of, threshold), decided(candidate, of, threshold)
    agree = (ours == theirs).all(axis=1).astype(np.float64)
    return np.where(broken(reference, candidate), np.nan, agree)
