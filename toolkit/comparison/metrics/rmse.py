"""Root mean square error of a sample's elements: sqrt(mean((c - r)^2))."""

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
    """Return None: any output has a mean error."""
    return None


def measure(reference: Real, candidate: Real) -> Real:
    """Return sqrt(mean((c - r)^2)) for each sample, in the outputs' own unit; in [0, inf], NaN if either holds a NaN.

    Pure rounding to a grid of step s gives s / sqrt(12) (W. R. Bennett, Spectra of quantized signals, 1948).
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.sqrt(np.square(rows(candidate) - rows(reference)).mean(axis=1)))
