"""Signal-to-noise ratio of each sample in dB: 10 log10(sum r^2 / sum (c - r)^2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real
from toolkit.comparison.metrics._power import decibels, powers

BETTER: Better = "higher"
ALWAYS = True
OVER = "sample"
UNITS = ("db",)
RANGE = (-np.inf, np.inf)
CENTRED = False
WHOLE_NUMBERS = False


def applies(shape: Sequence[int]) -> str | None:
    """Return None: any output has a power."""
    return None


def measure(reference: Real, candidate: Real) -> Real:
    """Return the ratio for each sample, in dB: inf where they are identical, -inf for noise on silence, NaN if either holds a NaN.

    The worst sample decides. A sample whose reference is near zero is bad in this metric however small its error is: for outputs
    that cross zero, bound `sqnr_db` or `rmse`. (Numerator and denominator are those of Polygraphy's and ExecuTorch's SNR.)
    """
    return decibels(powers(reference, candidate))
