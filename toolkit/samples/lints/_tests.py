"""Statistical tests against chance: exact ones, and one for correlations, which needs many numbers."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def binomial_tail(hits: int, count: int, share: float) -> float:
    """Return the probability of `hits` or more among `count` independent trials that succeed with probability `share`."""
    if hits <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    logs = [
        _choose(count, each) + each * math.log(share) + (count - each) * math.log1p(-share)
        for each in range(hits, count + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))


def hypergeometric_tail(hits: int, count: int, marked: int, drawn: int) -> float:
    """Return P(`hits` or more marked ones among `drawn`), drawn from `count` with `marked` marked ones (Fisher's exact test, one-sided)."""
    least, most = max(hits, drawn + marked - count, 0), min(drawn, marked)
    logs = [
        _choose(marked, each) + _choose(count - marked, drawn - each) - _choose(count, drawn)
        for each in range(least, most + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))


def correlation_tail(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the probability of this or a larger correlation if there is none (Fisher's transformation); 1 if one of the two never changes."""
    apart = [values - values.mean() for values in (first, second)]
    norms = [float(np.linalg.norm(values)) for values in apart]
    if len(first) < 4 or min(norms) == 0 or not np.isfinite(norms).all():  # for fewer the transformation has no spread
        return 1.0
    correlation = min(max(float(apart[0] @ apart[1]) / (norms[0] * norms[1]), -1.0), 1.0)
    if abs(correlation) == 1:
        return float(correlation < 0)
    return 1 - NormalDist().cdf(math.atanh(correlation) * math.sqrt(len(first) - 3))


def sign_tail(more: int, less: int) -> float:
    """Return the probability of `more` heads or more among `more + less` throws of a fair coin."""
    return binomial_tail(more, more + less, 0.5)


def _choose(count: int, of: int) -> float:
    """Return the natural logarithm of the binomial coefficient."""
    return math.lgamma(count + 1) - math.lgamma(of + 1) - math.lgamma(count - of + 1)
