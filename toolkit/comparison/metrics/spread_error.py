"""Root mean square error in units of the reference's own spread about the mean of each channel: sqrt(sum (c - r)^2 / sum (r - mean r)^2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real
from toolkit.comparison.metrics._power import decibels, powers

BETTER: Better = "lower"
ALWAYS = False
OVER = "set"
UNITS = ("spread",)
RANGE = (0.0, np.inf)
CENTRED = True
WHOLE_NUMBERS = True  # counts are numbers


def applies(shape: Sequence[int]) -> str | None:
    """Return None: any output has a spread over samples."""
    return None


def measure(reference: Real, candidate: Real) -> Real:
    """Return (n, 2), the powers of the reference and of the error of each sample; NaN if either holds a NaN."""
    return powers(reference, candidate)


def finish(terms: Real) -> Real:
    """Return the root of the ratio of sums: 0 without an error, 1 for an error as large as the reference's variation, inf where that is 0."""
    with np.errstate(over="ignore"):
        return np.asarray(10.0 ** (-decibels(terms) / 20))
