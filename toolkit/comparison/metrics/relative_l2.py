"""Relative error of each sample in the Euclidean norm: |c - r| / |r|."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows
from toolkit.comparison.metrics._scaling import by_largest, dot

BETTER: Better = "lower"
ALWAYS = False  # snr_db has the same information: it is -20 log10 of this
OVER = "sample"
UNITS = ("ratio",)
RANGE = (0.0, np.inf)
CENTRED = False
WHOLE_NUMBERS = False


def applies(shape: Sequence[int]) -> str | None:
    """Return None: any output has a norm."""
    return None


def measure(reference: Real, candidate: Real) -> Real:
    """Return |c - r| / |r| for each sample, in [0, inf]: 0 where they are equal, inf for an error on zeros, NaN if either holds a NaN.

    (Golub and Van Loan, Matrix Computations, 2.3.)
    """
    reference, candidate = rows(reference), rows(candidate)
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = np.maximum(np.abs(reference), np.abs(candidate)).max(axis=1, keepdims=True)
        signal, noise = by_largest(reference, largest), by_largest(candidate, largest) - by_largest(reference, largest)
        ratio = np.sqrt(dot(noise, noise)) / np.sqrt(dot(signal, signal))
    equal = (reference == candidate).all(axis=1) & np.isfinite(largest[:, 0])
    return np.where(equal, 0.0, ratio)
