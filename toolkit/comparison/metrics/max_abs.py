"""Largest absolute difference of a sample's elements: max |c - r|."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows

BETTER: Better = "lower"
ALWAYS = True
OVER = "sample"
UNITS = ("real", "range", "lsb")
RANGE = (0.0, np.inf)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape: Sequence[int]) -> str | None:
    """Return None: any output has a largest difference."""
    return None


def measure(reference: Real, candidate: Real) -> Real:
    """Return max |c - r| for each sample, in the outputs' own unit; in [0, inf], NaN if either holds a NaN or the same infinity."""
    with np.errstate(invalid="ignore"):  # Inf - Inf is NaN, as intended
        return np.asarray(np.abs(rows(candidate) - rows(reference)).max(axis=1))
