"""Intervals of any score of samples, and of its difference between two runs, by the bootstrap; and how many pairs would show a drop."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

Score = Callable[[Sequence[Any]], float]

_RESAMPLES = 2000  # Efron and Tibshirani, An Introduction to the Bootstrap (1993), 14.3
_NORMAL = NormalDist()


def bootstrap(rows: Sequence[Any], score: Score, confidence: float, seed: int) -> tuple[float, float]:
    """Return (low, high) of a score over rows, one for each sample; NaN for fewer than two rows, or where a resample has no score.

    Bias-corrected and accelerated: Efron, Better bootstrap confidence intervals (JASA 82, 1987), the acceleration by the jackknife. Where all
    rows score alike it has no width: of rates near 0 or 1 ask `clopper_pearson`.
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
    below = sum(draw < whole for draw in draws) + sum(draw == whole for draw in draws) / 2
    # Half a resample from either end, where the correction would have no end.
    bias = _NORMAL.inv_cdf(min(max(below, 0.5), _RESAMPLES - 0.5) / _RESAMPLES)
    middle = math.fsum(without) / count
    spread = math.fsum((middle - each) ** 2 for each in without)
    acceleration = math.fsum((middle - each) ** 3 for each in without) / (6 * spread**1.5) if spread else 0.0

    def end(tail: float) -> float:
        z = bias + _NORMAL.inv_cdf(tail)
        share = _NORMAL.cdf(bias + z / (1 - acceleration * z))
        return draws[min(int(share * _RESAMPLES), _RESAMPLES - 1)]

    return end((1 - confidence) / 2), end((1 + confidence) / 2)


def paired_difference(
    rows_a: Sequence[Any], rows_b: Sequence[Any], score: Score, confidence: float, seed: int
) -> tuple[float, float]:
    """Return (low, high) of score(b) - score(a), where row i of both is of the same sample; pairs are drawn together. NaN as `bootstrap`."""

    def difference(pairs: Sequence[Any]) -> float:
        return score([b for _, b in pairs]) - score([a for a, _ in pairs])

    return bootstrap(list(zip(rows_a, rows_b, strict=True)), difference, confidence, seed)


def pairs_needed(drop: float, flips: float, confidence: float, power: float) -> int:
    """Return how many samples show, with probability `power`, that a rate dropped by `drop`, if a share `flips` of samples changed sides.

    0 < drop <= flips <= 1. Connor, Sample size for testing differences in proportions for the paired-sample design (Biometrics 43, 1987),
    two-sided: (z_confidence sqrt(flips) + z_power sqrt(flips - drop^2))^2 / drop^2.
    """
    z, z_power = _NORMAL.inv_cdf((1 + confidence) / 2), _NORMAL.inv_cdf(power)
    return math.ceil(((z * math.sqrt(flips) + z_power * math.sqrt(flips - drop**2)) / drop) ** 2)


def detectable_drop(samples: int, flips: float, confidence: float, power: float) -> float | None:
    """Return the least drop of a rate that so many samples show, as `pairs_needed` says; None where not even that of all flips is."""
    if pairs_needed(flips, flips, confidence, power) > samples:
        return None
    low, high = 0.0, flips
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (low, middle) if pairs_needed(middle, flips, confidence, power) <= samples else (middle, high)
    return high
