"""The least share of a class's samples, as the reference has them, that the candidate finds too: a class that is rare counts as any other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolkit.compare.intervals import clopper_pearson
from toolkit.metrics import Better, Real
from toolkit.metrics._decisions import PARAMETERS, Decisions, few_decisions, refuse

__all__ = ["PARAMETERS", "refuse"]

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("fraction",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape: Sequence[int], *, of: str, threshold: float) -> str | None:
    """Return None for one decision of each sample, and for (1, K) of yes or no, of which each is counted alone; else the reason."""
    return few_decisions(shape, of)


def tally(shape: Sequence[int], *, of: str, threshold: float) -> Recall:
    """Return what counts decisions by class: the value is that of the class which is worst for certain, NaN where a sample holds a NaN.

    Its interval is exact (Clopper and Pearson), at the level 1 - (1 - confidence) / classes (Bonferroni), so that of many classes none is
    condemned by chance.
    """
    return Recall(of, threshold)


@dataclass(frozen=True, slots=True)
class _Found:
    found: int
    held: int


class Recall:
    """The decisions so far."""

    def __init__(self, of: str, threshold: float) -> None:
        self._decisions = Decisions(of, threshold)

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Take the next samples."""
        self._decisions.add(start, reference, candidate)

    def value(self) -> float:
        """Return the recall of the class that decides."""
        if self._decisions.is_broken or not self._decisions.samples:
            return math.nan
        seen = self._seen()[self._deciding()]
        return seen.found / seen.held

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the ends that the least of all classes has."""
        ends = self._ends(confidence).values()
        return min(low for low, _ in ends), min(high for _, high in ends)

    @property
    def worst_sample(self) -> int | None:
        """The first sample of that class which the candidate misses."""
        return self._decisions.first_missed.get(self._deciding())

    @property
    def detail(self) -> str:
        """Which class it is, and how many of it were found."""
        position, value = key = self._deciding()
        seen, where = self._seen()[key], self._decisions.name(position)
        of = f" of {where}" if where else ""
        return f"{self._decisions.answer(value)}{of}: {seen.found} of {seen.held} found"

    def _deciding(self) -> tuple[int, float]:
        ends = self._ends(0.95)
        return min(ends, key=lambda key: (ends[key][1], ends[key][0]))

    def _ends(self, confidence: float) -> dict[tuple[int, float], tuple[float, float]]:
        seen = self._seen()
        level = 1 - (1 - confidence) / len(seen)
        return {key: clopper_pearson(one.found, one.held, level) for key, one in seen.items()}

    def _seen(self) -> Mapping[tuple[int, float], _Found]:
        found: dict[tuple[int, float], _Found] = {}
        for (position, one, other), count in self._decisions.counts.items():
            before = found.get((position, one), _Found(0, 0))
            found[position, one] = _Found(before.found + (count if one == other else 0), before.held + count)
        return found
