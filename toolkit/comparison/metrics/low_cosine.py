"""A low quantile over samples of the cosine between the vectors of both: nearly all of them must point the same way, a few need not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real
from toolkit.comparison.metrics._scaling import dot, scaled

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("ratio",)
RANGE = (-1.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = False
PARAMETERS = {"q": 0.05}


def refuse(parameters: Mapping[str, float]) -> str | None:
    """Return None for a share between 0 and 1, else the reason."""
    q = parameters["q"]
    return None if 0 < q < 1 else f"q {q:g}; expected a share between 0 and 1, as 0.05"


def applies(shape: Sequence[int], *, q: float) -> str | None:
    """Return None for a last axis of 2 or more, else the reason."""
    return None if shape and shape[-1] >= 2 else "one element has no direction, only a sign"


def tally(shape: Sequence[int], *, q: float) -> LowCosine:
    """Return a tally that keeps one cosine of each sample (the mean over its vectors, if several); its value is NaN where a sample holds a NaN.

    The value is the smallest cosine that is not exceeded by a share q of the samples, rounded up. Its interval is exact, from order statistics: David
    and Nagaraja, Order Statistics (2003), 7.1.
    """
    return LowCosine(q)


class LowCosine:
    """The cosines so far."""

    def __init__(self, q: float) -> None:
        self._q = q
        self._cosines: list[Real] = []

    def add(self, start: int, reference: Real, candidate: Real) -> None:  # noqa: ARG002 (the contract's)
        """Add the next samples."""
        self._cosines.append(cosines(reference, candidate).reshape(len(reference), -1).mean(axis=1))

    def value(self) -> float:
        """Return the quantile."""
        found = self._sorted()
        if not found.size or np.isnan(found).any():
            return math.nan
        return float(found[max(0, math.ceil(self._q * found.size) - 1)])

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the order statistics around the quantile; None for one sample."""
        found = self._sorted()
        if found.size < 2:
            return None
        below = np.cumsum(_binomial(found.size, self._q))
        tail = (1 - confidence) / 2
        low, high = int(np.searchsorted(below, tail)), int(np.searchsorted(below, 1 - tail))
        value = self.value()
        first, last = found[max(0, low - 1)], found[min(found.size - 1, high)]
        return min(float(first), value), max(float(last), value)

    @property
    def worst_sample(self) -> int | None:
        """The sample with the smallest cosine."""
        return int(np.concatenate(self._cosines).argmin()) if self._cosines else None

    @property
    def detail(self) -> str:
        """The cosine of the worst sample."""
        found = self._sorted()
        return f"least {found[0]:.4g}" if found.size else ""

    def _sorted(self) -> Real:
        return np.sort(np.concatenate(self._cosines)) if self._cosines else np.zeros(0)


def cosines(reference: Real, candidate: Real) -> Real:
    """Return the cosine of each vector on the last axis, (n * vectors,); 1 for two zeros, 0 if just one is zero, NaN for a NaN or an infinity."""
    ours, theirs = (scaled(side.reshape(-1, side.shape[-1])) for side in (reference, candidate))
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt(dot(ours, ours) * dot(theirs, theirs))
        found = np.clip(dot(ours, theirs) / norm, -1.0, 1.0)
    return np.where(norm == 0, (ours == theirs).all(axis=1).astype(np.float64), found)


def _binomial(count: int, share: float) -> Real:
    """Return the binomial probability of each number of hits among `count`, computed with logarithms."""
    hits = np.arange(count + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    logs = factorials[count] - factorials[hits] - factorials[count - hits]
    return np.asarray(np.exp(logs + hits * math.log(share) + (count - hits) * math.log1p(-share)))
