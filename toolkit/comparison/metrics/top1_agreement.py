"""Share of samples with the same class on both sides: argmax c = argmax r."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows

BETTER: Better = "higher"
ALWAYS = True
OVER = "rate"
UNITS = ("fraction",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape: Sequence[int]) -> str | None:
    """Return None for (1, C) with C >= 2, or (1, 1, 1, C), one score for each class, else the reason."""
    if len(shape) >= 2 and prod(shape[:-1]) == 1 and shape[-1] >= 2:
        return None
    return f"shape {tuple(shape)} is not that of class scores, (1, C) with C >= 2"


def measure(reference: Real, candidate: Real) -> Real:
    """Return 1 for each sample with the same largest element, else 0; NaN if either holds a NaN.

    The first of equal largest elements counts, as in an application that takes the argmax.
    """
    reference, candidate = rows(reference), rows(candidate)
    agree = (reference.argmax(axis=1) == candidate.argmax(axis=1)).astype(np.float64)
    broken = np.isnan(reference).any(axis=1) | np.isnan(candidate).any(axis=1)
    return np.where(broken, np.nan, agree)
