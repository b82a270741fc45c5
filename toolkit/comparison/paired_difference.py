"""How much a task metric is worse in one of two runs over the same samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from toolkit.comparison.bootstrap import paired_difference
from toolkit.comparison.intervals import clopper_pearson
from toolkit.comparison.metrics import Better


class Scoring(Protocol):
    """A task metric: which scores are good, and the score of any rows."""

    @property
    def BETTER(self) -> Better:  # noqa: N802 (as in a plugin's module)
        """Return "higher" or "lower"."""

    @property
    def RANGE(self) -> tuple[float, float]:  # noqa: N802
        """Return the least and the largest score."""

    def score(self, rows: Sequence[Any]) -> float:
        """Return the score of rows, or NaN."""


@dataclass(frozen=True, slots=True)
class Drop:
    """How much worse a score is (positive is worse), with its interval; `detail` is the method in words."""

    low: float
    value: float
    high: float
    detail: str


def drop(metric: Scoring, before: Sequence[Any], now: Sequence[Any], confidence: float) -> Drop:
    """Return the drop of a task metric, in its own unit; both sides have rows of the same samples, in order. NaN where a score is NaN.

    If all rows are equal, every resample shows no difference, but few rows show little. For a score with a finite range the interval is then
    that of a mean over samples: the share of samples that change is at most the upper end of the exact interval of 0 hits among all samples.
    """
    if len(before) != len(now) or not before:
        return Drop(math.nan, math.nan, math.nan, f"rows of {len(before)} and {len(now)} samples")
    better, worse = (before, now) if metric.BETTER == "higher" else (now, before)  # a drop is `better` less `worse`
    if all_hits(before) and all_hits(now):
        return mcnemar(better, worse, confidence)
    if list(before) == list(now) and all(map(math.isfinite, metric.RANGE)) and math.isfinite(metric.score(now)):
        most = (metric.RANGE[1] - metric.RANGE[0]) * clopper_pearson(0, len(now), confidence)[1]
        return Drop(-most, 0.0, most, f"none of {len(now)} samples changed")
    low, high = paired_difference(worse, better, metric.score, confidence, seed=0)
    value = metric.score(better) - metric.score(worse)
    return Drop(low, value, high, f"paired bootstrap over {len(before)} samples")


def all_hits(rows: Sequence[Any]) -> bool:
    """Return whether each row is a hit or a miss: the whole number 1 or 0."""
    return all(type(row) is int and row in (0, 1) for row in rows)


def mcnemar(before: Sequence[int], now: Sequence[int], confidence: float) -> Drop:
    """Return how much less often rows are 1 now, with the exact two-sided p-value of McNemar's test on the samples that changed.

    The interval is of the difference of two rates: right before and wrong now, less wrong before and right now. Each rate has its exact interval at
    half of the error (Bonferroni), so both hold together at least at this confidence. McNemar, Note on the sampling error of the difference between
    correlated proportions or percentages (Psychometrika 12, 1947).
    """
    lost = sum(was > then for was, then in zip(before, now, strict=True))
    won = sum(was < then for was, then in zip(before, now, strict=True))
    each = 1 - (1 - confidence) / 2
    lost_low, lost_high = clopper_pearson(lost, len(before), each)
    won_low, won_high = clopper_pearson(won, len(before), each)
    detail = f"{lost} samples lost, {won} won of {len(before)}, p = {exact_p(lost, won):.3g}"
    return Drop(lost_low - won_high, (lost - won) / len(before), lost_high - won_low, detail)


def exact_p(lost: int, won: int) -> float:
    """Return the two-sided p-value that a fair coin shows `lost` heads and `won` tails, or a less even result."""
    flips, term, tail = lost + won, 1, 0
    for heads in range(min(lost, won) + 1):  # whole numbers: no rounding, and 2**flips may overflow a float
        tail += term
        term = term * (flips - heads) // (heads + 1)
    return min(1.0, 2 * tail / 2**flips)
