"""Signal-to-quantization-noise ratio over all samples together, in dB: 10 log10(sum r^2 / sum (c - r)^2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real
from toolkit.comparison.metrics._power import decibels, powers

BETTER: Better = "higher"
ALWAYS = True
OVER = "set"
UNITS = ("db",)
RANGE = (-np.inf, np.inf)
CENTRED = True
WHOLE_NUMBERS = False


def applies(shape: Sequence[int]) -> str | None:
    """Return None: any output has a power."""
    return None


def measure(reference: Real, candidate: Real) -> Real:
    """Return (n, 2), the powers of signal and noise of each sample; NaN if either holds a NaN."""
    return powers(reference, candidate)


def finish(terms: Real) -> Real:
    """Return the ratio of sums of powers, in dB: inf without noise, -inf for noise on silence, NaN for NaN.

    Samples count by their power, so a wrong one among many is not seen here: bound `max_abs` beside it.
    """
    return decibels(terms)
