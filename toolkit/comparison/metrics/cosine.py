"""Cosine similarity of each sample: r.c / (|r| |c|)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows
from toolkit.comparison.metrics._scaling import dot, scaled

BETTER: Better = "higher"
ALWAYS = True
OVER = "sample"
UNITS = ("ratio",)
RANGE = (-1.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = False


def applies(shape: Sequence[int]) -> str | None:
    """Return None, or the reason for an output of one element: its cosine is only its sign."""
    return "one element has no direction, only a sign" if prod(shape) < 2 else None


def measure(reference: Real, candidate: Real) -> Real:
    """Return the cosine for each sample, in [-1, 1]; NaN if either holds a NaN or an infinity.

    1 for two samples of zeros, 0 if just one is zero. The metric does not see a wrong scale: half of every value still gives 1.
    """
    reference, candidate = scaled(rows(reference)), scaled(rows(candidate))
    with np.errstate(invalid="ignore"):
        # Use one root of the product: with a root of each factor, identical samples would not give exactly 1.
        norm = np.sqrt(dot(reference, reference) * dot(candidate, candidate))
        similarity = np.clip(dot(reference, candidate) / norm, -1.0, 1.0)
    equal = (reference == candidate).all(axis=1)
    return np.where(norm == 0, equal.astype(np.float64), similarity)
