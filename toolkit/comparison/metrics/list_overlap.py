"""Mean over samples of the share of the reference's list of ids that the candidate's list holds too, in any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows

BETTER: Better = "higher"
ALWAYS = False
OVER = "set"
UNITS = ("ratio",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape: Sequence[int]) -> str | None:
    """Return None where the last axis holds several numbers, else the reason."""
    return (
        None
        if shape and shape[-1] > 1
        else f"shape {tuple(shape)} holds no list: several numbers on the last axis would be one"
    )


def measure(reference: Real, candidate: Real) -> Real:
    """Return (n, 2): the share of each sample's distinct ids that the candidate has too, and 1; NaN if either holds a NaN or an infinity.

    A list lies along the last axis; of several lists the mean counts. An id is the nearest whole number.
    """
    ours, theirs = np.rint(reference), np.rint(candidate)
    finite = np.isfinite(rows(ours)).all(axis=1) & np.isfinite(rows(theirs)).all(axis=1)
    lists = zip(*(each.reshape(-1, each.shape[-1]) for each in (ours, theirs)), strict=True)
    share = np.array([np.isin(np.unique(one), other).mean() for one, other in lists], float)
    share = share.reshape(len(ours), -1).mean(axis=1)
    return np.stack([np.where(finite, share, np.nan), np.ones(len(share))], axis=1)


def finish(terms: Real) -> Real:
    """Return the mean share."""
    return np.asarray(terms[..., 0] / terms[..., 1])
