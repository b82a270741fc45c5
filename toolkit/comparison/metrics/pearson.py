"""Correlation of each sample's elements (Pearson): cov(r, c) / (std(r) std(c))."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows
from toolkit.comparison.metrics._scaling import dot, scaled

BETTER: Better = "higher"
ALWAYS = False
OVER = "sample"
UNITS = ("ratio",)
RANGE = (-1.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = False


def applies(shape: Sequence[int]) -> str | None:
    """Return None, or the reason for an output of one element: it has no correlation."""
    return "one element varies with nothing" if prod(shape) < 2 else None


def measure(reference: Real, candidate: Real) -> Real:
    """Return the correlation for each sample, in [-1, 1]; NaN if either holds a NaN or an infinity.

    1 for equal samples, also where all elements are the same; 0 where only one of the two is constant. The metric sees neither a wrong scale nor a
    wrong offset: bound `max_abs` beside it. (K. Pearson, Note on regression and inheritance in the case of two parents, 1895.)
    """
    reference, candidate = scaled(rows(reference)), scaled(rows(candidate))
    with np.errstate(invalid="ignore"):
        ours = scaled(reference - reference.mean(axis=1, keepdims=True))
        theirs = scaled(candidate - candidate.mean(axis=1, keepdims=True))
        norm = np.sqrt(dot(ours, ours) * dot(theirs, theirs))
        correlation = np.clip(dot(ours, theirs) / norm, -1.0, 1.0)
    equal = (reference == candidate).all(axis=1)
    finite = np.isfinite(reference).all(axis=1) & np.isfinite(candidate).all(axis=1)
    # Elements that are all the same are all 1 or -1 by now, so nothing is left after the mean is subtracted.
    value = np.where((norm == 0) | equal, equal.astype(np.float64), correlation)
    return np.where(finite, value, np.nan)
