"""Cohen's kappa of the decisions of both: (agreement - agreement by chance) / (1 - agreement by chance).

Cohen, A coefficient of agreement for nominal scales (Educational and Psychological Measurement 20, 1960). Where one answer is rare, a candidate that
always gives the other one agrees nearly always, but its kappa is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from toolkit.comparison.intervals import clopper_pearson
from toolkit.comparison.metrics import Better, Real
from toolkit.comparison.metrics._decisions import PARAMETERS, Decisions, few_decisions, refuse

__all__ = ["PARAMETERS", "refuse"]

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("ratio",)
RANGE = (-1.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape: Sequence[int], *, of: str, threshold: float) -> str | None:
    """Return None for one decision of each sample, and for (1, K) of yes or no, where the worst position counts; else the reason."""
    return few_decisions(shape, of)


def tally(shape: Sequence[int], *, of: str, threshold: float) -> Kappa:
    """Return the tally of decisions; its value is that of the position whose interval has the lowest upper end, NaN where a sample holds a NaN.

    The interval follows from that of the agreement (Clopper and Pearson), with the agreement by chance as observed. With several positions its level
    is 1 - (1 - confidence) / positions (Bonferroni).
    """
    return Kappa(of, threshold)


class Kappa:
    """The decisions so far."""

    def __init__(self, of: str, threshold: float) -> None:
        self._decisions = Decisions(of, threshold)

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples."""
        self._decisions.add(start, reference, candidate)

    def value(self) -> float:
        """Return kappa."""
        if self._decisions.is_broken or not self._decisions.samples:
            return math.nan
        agreed, chance = self._seen()[self._deciding()]
        return _kappa(agreed / self._decisions.samples, chance)

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the lowest lower end and the lowest upper end of all positions."""
        ends = self._ends(confidence)
        return min(low for low, _ in ends), min(high for _, high in ends)

    @property
    def worst_sample(self) -> int | None:
        """The first sample with different decisions."""
        position, missed = self._deciding(), self._decisions.first_missed
        return min((sample for (at, _), sample in missed.items() if at == position), default=None)

    @property
    def detail(self) -> str:
        """The position that decides, if there are several."""
        return self._decisions.name(self._deciding())

    def _deciding(self) -> int:
        uppers = [high for _, high in self._ends(0.95)]  # the order of upper ends does not depend on the level
        return uppers.index(min(uppers))

    def _ends(self, confidence: float) -> list[tuple[float, float]]:
        seen, samples = self._seen(), self._decisions.samples
        level = 1 - (1 - confidence) / len(seen)
        return [
            (_kappa(low, chance), _kappa(high, chance))
            for agreed, chance in seen
            for low, high in [clopper_pearson(agreed, samples, level)]
        ]

    def _seen(self) -> list[tuple[int, float]]:
        """Return for each position how many samples agree, and the share that would agree by chance."""
        decisions = self._decisions
        agreed = [0] * decisions.positions
        ours: list[dict[float, int]] = [{} for _ in agreed]
        theirs: list[dict[float, int]] = [{} for _ in agreed]
        for (position, one, other), count in decisions.counts.items():
            agreed[position] += count if one == other else 0
            ours[position][one] = ours[position].get(one, 0) + count
            theirs[position][other] = theirs[position].get(other, 0) + count
        square = decisions.samples**2
        chances = [
            sum(count * other.get(value, 0) for value, count in one.items()) / square
            for one, other in zip(ours, theirs, strict=True)
        ]
        return list(zip(agreed, chances, strict=True))


def _kappa(agreement: float, chance: float) -> float:
    if chance == 1:  # both always give one and the same answer
        return 1.0 if agreement == 1 else 0.0
    return max(-1.0, (agreement - chance) / (1 - chance))
