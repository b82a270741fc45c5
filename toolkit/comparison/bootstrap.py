"""Bootstrap intervals: of any score of samples, of sums over samples, and of the difference between two runs."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Row = TypeVar("Row")  # what a score needs of one sample
Real = NDArray[np.float64]

_RESAMPLES = 2000  # Efron and Tibshirani, An Introduction to the Bootstrap (1993), 14.3
_RESAMPLES_AT_ONCE = 100  # of up to two thousand groups: a few megabytes
_MOST_GROUPS = 2000
_NORMAL = NormalDist()


def bootstrap(
    rows: Sequence[Row], score: Callable[[Sequence[Row]], float], confidence: float, seed: int
) -> tuple[float, float]:
    """Return (low, high) of a score over rows, one row for each sample; NaN for fewer than two rows, or where a resample has no score.

    The bootstrap is bias-corrected and accelerated: Efron, Better bootstrap confidence intervals (JASA 82, 1987). The acceleration is the
    jackknife's. Where all rows have one score, the interval has no width: use `clopper_pearson` for rates near 0 or 1.
    """
    count = len(rows)
    if count < 2:
        return math.nan, math.nan
    numbers = random.Random(seed)  # noqa: S311 (no secret)
    draws = sorted(score(numbers.choices(rows, k=count)) for _ in range(_RESAMPLES))
    without = [score([*rows[:left], *rows[left + 1 :]]) for left in range(count)]
    whole = score(rows)
    if not all(map(math.isfinite, (whole, *draws, *without))):
        return math.nan, math.nan
    return _ends(draws, whole, without, confidence)


class Groups:
    """Terms of samples, summed in groups of neighbours as the samples come.

    All groups hold equally many samples. Two thousand groups are merged in pairs, and the size doubles. A resample draws neighbours together. This
    keeps the dependence between samples that follow one another (Kuensch, The jackknife and the bootstrap for general stationary observations, Annals
    of Statistics 17, 1989).
    """

    def __init__(self) -> None:
        self._size = 1
        self._sums: Real | None = None
        self._rest: Real | None = None

    def add(self, terms: Real) -> None:
        """Add the terms of the next samples, (n, k); the sizes of blocks do not change the groups."""
        width = terms.shape[1]
        waiting = terms if self._rest is None else np.concatenate([self._rest, terms])
        sums = np.zeros((0, width)) if self._sums is None else self._sums
        while True:
            count = min(len(waiting) // self._size, _MOST_GROUPS - len(sums))
            made = waiting[: count * self._size].reshape(count, self._size, width).sum(axis=1)
            sums, waiting = np.concatenate([sums, made]), waiting[count * self._size :]
            if len(sums) < _MOST_GROUPS:
                break
            sums = sums.reshape(-1, 2, width).sum(axis=1)
            self._size *= 2
        self._sums, self._rest = sums, waiting

    @property
    def sums(self) -> Real:
        """The sums of the groups, (groups, k). Samples that do not fill a group are left out."""
        return np.zeros((0, 0)) if self._sums is None else self._sums


def bootstrap_of_sums(
    groups: Real, finish: Callable[[Real], Real], confidence: float, seed: int
) -> tuple[float, float]:
    """Return (low, high) of finish(sum of groups), for sums (n, k) of single samples or of groups of equal size.

    NaN for fewer than two, or where one is NaN. The method is that of `bootstrap`.
    """
    count = len(groups)
    if count < 2:
        return math.nan, math.nan
    numbers = np.random.default_rng(seed)
    draws = [finish(_times_drawn(numbers, count) @ groups) for _ in range(_RESAMPLES // _RESAMPLES_AT_ONCE)]
    # Each sum without one group is an addition from both sides: a difference could end a little below 0, and no power is negative.
    none = np.zeros((1, groups.shape[1]))
    before = np.concatenate([none, np.cumsum(groups[:-1], axis=0)])
    behind = np.concatenate([np.cumsum(groups[:0:-1], axis=0)[::-1], none])
    values = np.concatenate([*draws, finish(before + behind), finish(groups.sum(axis=0, keepdims=True))])
    if np.isnan(values).any():
        return math.nan, math.nan
    return _ends(np.sort(values[:_RESAMPLES]).tolist(), float(values[-1]), values[_RESAMPLES:-1].tolist(), confidence)


def _times_drawn(numbers: np.random.Generator, count: int) -> Real:
    """Return how often each of `count` groups is in a resample, for some resamples."""
    drawn = numbers.integers(0, count, (_RESAMPLES_AT_ONCE, count), dtype=np.int32)
    drawn += np.arange(_RESAMPLES_AT_ONCE, dtype=np.int32)[:, None] * count
    times = np.bincount(drawn.ravel(), minlength=drawn.size)
    return times.reshape(drawn.shape).astype(np.float64)


def _ends(draws: Sequence[float], whole: float, without: Sequence[float], confidence: float) -> tuple[float, float]:
    """Return the interval, given the sorted scores of all resamples, the score of all samples, and the scores without one sample each."""
    below = sum(draw < whole for draw in draws) + sum(draw == whole for draw in draws) / 2
    # Keep half a resample away from either end: the correction is infinite there.
    bias = _NORMAL.inv_cdf(min(max(below, 0.5), _RESAMPLES - 0.5) / _RESAMPLES)
    acceleration = 0.0
    if all(map(math.isfinite, without)):
        middle = math.fsum(without) / len(without)
        spread = math.fsum((middle - each) ** 2 for each in without)
        acceleration = math.fsum((middle - each) ** 3 for each in without) / (6 * spread**1.5) if spread else 0.0

    def end(tail: float) -> float:
        z = bias + _NORMAL.inv_cdf(tail)
        share = _NORMAL.cdf(bias + z / (1 - acceleration * z))
        return draws[min(int(share * _RESAMPLES), _RESAMPLES - 1)]

    return end((1 - confidence) / 2), end((1 + confidence) / 2)


def paired_difference(
    rows_a: Sequence[Row], rows_b: Sequence[Row], score: Callable[[Sequence[Row]], float], confidence: float, seed: int
) -> tuple[float, float]:
    """Return (low, high) of score(b) - score(a). Row i of both is one sample, and a resample draws such pairs. NaN as in `bootstrap`."""

    def difference(pairs: Sequence[tuple[Row, Row]]) -> float:
        return score([b for _, b in pairs]) - score([a for a, _ in pairs])

    return bootstrap(list(zip(rows_a, rows_b, strict=True)), difference, confidence, seed)
