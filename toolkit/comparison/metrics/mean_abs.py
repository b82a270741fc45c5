"""Mean absolute difference of a sample's elements: mean |c - r|."""

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
    """Return None: any output has a mean difference."""
    return None


def measure(reference: Real, candidate: Real) -> Real:
    """Return mean |c - r| for each sample, in the outputs' own unit; in [0, inf], NaN if either holds a NaN or the same infinity.

    Pure rounding to a grid of step s gives s / 4.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.abs(rows(candidate) - rows(reference)).mean(axis=1))
