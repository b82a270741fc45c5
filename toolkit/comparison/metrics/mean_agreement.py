"""Mean over samples of the share of their decisions that are the same on both sides: pixels, steps, or labels of one sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real
from toolkit.comparison.metrics._decisions import PARAMETERS, broken, decided, refuse, several_decisions

__all__ = ["PARAMETERS", "refuse"]

BETTER: Better = "higher"
ALWAYS = False
OVER = "set"
UNITS = ("fraction",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape: Sequence[int], *, of: str, threshold: float) -> str | None:
    """Return None where a sample holds several decisions, else the reason: for a single one, `agreement` is the rate."""
    return several_decisions(shape, of)


def measure(reference: Real, candidate: Real, *, of: str, threshold: float) -> Real:
    """Return (n, 2): the share of each sample's decisions that are the same on both sides, and 1; NaN if either holds a NaN.

    The interval is over samples, not pixels: the pixels of one picture are not independent of one another.
    """
    share = (decided(reference, of, threshold) == decided(candidate, of, threshold)).mean(axis=1)
    share = np.where(broken(reference, candidate), np.nan, share)
    return np.stack([share, np.ones_like(share)], axis=1)


def finish(terms: Real) -> Real:
    """Return the mean share."""
    return np.asarray(terms[..., 0] / terms[..., 1])
