"""Exact confidence intervals of a rate and of a median, and the number of samples that would settle a rate or another value.

Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial (Biometrika 26, 1934): the interval
holds all rates under which the count is not too unlikely, (1 - confidence) / 2 on each side. Its coverage is at least `confidence`.
This is own code, because scipy would cost the host more time and memory than all its other imports; the tests compare with scipy.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

_SMALLEST = 1e-300
_PRECISION = 1e-15
_TERMS = 100_000
_MOST_SAMPLES = 10_000_000


class MedianInterval(NamedTuple):
    """An interval that holds a median, in the unit of the values, and its exact `confidence`, which is at least the one that was asked for."""

    low: float
    high: float
    confidence: float


@functools.lru_cache(maxsize=1024)  # metrics by class ask for the same counts for each of their values
def clopper_pearson(hits: float, samples: float, confidence: float) -> tuple[float, float]:
    """Return (low, high), the exact interval of a rate with `hits` in `samples`; samples > 0, 0 < confidence < 1."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits <= 0 else _beta_quantile(tail, hits, samples - hits + 1)
    high = 1.0 if hits >= samples else _beta_quantile(1 - tail, hits + 1, samples - hits)
    return low, high


def at_least(hits: int, samples: int, rate: float) -> float:
    """Return the probability of `hits` or more in `samples` (binomial), 0 <= rate <= 1; 0 for more hits than samples."""
    if hits <= 0 or rate >= 1:
        return float(hits <= samples)
    return 0.0 if hits > samples or rate <= 0 else _incomplete_beta(rate, hits, samples - hits + 1)


def poisson_at_least(events: int, mean: float) -> float:
    """Return the probability of `events` or more where `mean` are expected (Poisson)."""
    return max(0.0, 1 - sum(math.exp(-mean) * mean**count / math.factorial(count) for count in range(events)))


def samples_needed(rate: float, limit: float, confidence: float) -> int | None:
    """Return the least number of samples whose interval excludes the limit if their rate is `rate`; None if ten million do not.

    0 < limit < 1. The number of hits is rate * samples, which need not be whole.
    """
    tail = (1 - confidence) / 2

    def settled(samples: int) -> bool:
        # The distribution itself says whether an end of the interval lies beyond the limit, so no end has to be searched.
        hits = rate * samples
        above = hits > 0 and _incomplete_beta(limit, hits, samples - hits + 1) <= tail
        return above or (hits < samples and _incomplete_beta(limit, hits + 1, samples - hits) >= 1 - tail)

    if not settled(_MOST_SAMPLES):
        return None
    undecided, decided = 0, _MOST_SAMPLES
    while decided - undecided > 1:
        middle = (undecided + decided) // 2
        undecided, decided = (undecided, middle) if settled(middle) else (middle, decided)
    return decided


def samples_by_width(value: float, interval: tuple[float, float], limit: float, samples: int) -> int | None:
    """Return about how many samples would exclude the limit from an interval, or None: the width shrinks with the root of their number."""
    room = abs(limit - value)
    width = interval[1] - value if value <= limit else value - interval[0]
    return math.ceil(samples * (width / room) ** 2) if room and math.isfinite(width) else None


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Return the x with I_x(a, b) = probability, by bisection: I grows with x, and 60 halvings reach the last bit."""
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        low, high = (middle, high) if _incomplete_beta(middle, a, b) < probability else (low, middle)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function I_x(a, b), 0 < x < 1, by its continued fraction (DLMF 8.17.22) where it converges fast."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + ...)), by the method of Lentz as modified by Thompson and Barnett (1986)."""
    value = numerator = 1.0
    denominator = 0.0
    for term in range(1, _TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / (1 + d * denominator or _SMALLEST)
        numerator = 1 + d / numerator or _SMALLEST
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < _PRECISION:
            return value
    raise ArithmeticError(f"incomplete beta function of {x}, {a}, {b}: does not converge")


def median_interval(values: Sequence[float], confidence: float) -> MedianInterval | None:
    """Return the narrowest interval between two of the values, equally far from both ends, that holds the median; None for too few values.

    Distribution-free: the number of values below the median is binomial, B(n, 1/2), however they are spread, as long as they are independent (David
    and Nagaraja, Order Statistics, 3rd edition, 7.1; Thompson, On confidence ranges for the median, Annals of Mathematical Statistics 7, 1936).
    NaN in any value gives None: it has no place among the others.
    """
    ordered, count = sorted(values), len(values)
    found = None
    if any(math.isnan(value) for value in values):
        return None
    below = 0.5**count  # the probability that fewer than 1 value, then fewer than 2, ... lie below the median
    for place in range(count // 2):
        if 1 - 2 * below < confidence:
            break
        found = MedianInterval(ordered[place], ordered[count - 1 - place], 1 - 2 * below)
        below += math.comb(count, place + 1) * 0.5**count
    return found
