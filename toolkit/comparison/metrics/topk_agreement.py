"""Share of samples whose first class in the reference is among the candidate's first k classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows

BETTER: Better = "higher"
ALWAYS = False
OVER = "rate"
UNITS = ("fraction",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True
PARAMETERS = {"k": 5.0}


def refuse(parameters: Mapping[str, float]) -> str | None:
    """Return None for a whole k of at least 1, else the reason."""
    k = parameters["k"]
    return None if k >= 1 and k == int(k) else f"k {k:g}; expected a whole number of at least 1"


def applies(shape: Sequence[int], *, k: float) -> str | None:
    """Return None for (1, C) with C > k, one score for each class, else the reason."""
    if len(shape) == 2 and shape[0] == 1 and shape[1] > k:
        return None
    return f"shape {tuple(shape)} is not that of class scores, (1, C) with C > {k:g}"


def measure(reference: Real, candidate: Real, *, k: float) -> Real:
    """Return 1 for each sample whose first class is among the candidate's first k, else 0; NaN if either holds a NaN.

    Of equal scores the earlier class comes first, as in an application that sorts. With k=1 it is `top1_agreement`.
    """
    reference, candidate = rows(reference), rows(candidate)
    samples, first = np.arange(len(reference)), reference.argmax(axis=1)
    score = candidate[samples, first][:, None]
    ahead = (candidate > score).sum(axis=1)
    ahead += ((candidate == score) & (np.arange(candidate.shape[1]) < first[:, None])).sum(axis=1)
    broken = np.isnan(reference).any(axis=1) | np.isnan(candidate).any(axis=1)
    return np.where(broken, np.nan, (ahead < k).astype(np.float64))
