"""The least recall among classes: the share of a class's samples in the reference that the candidate finds. Rare classes count equally."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolkit.comparison.intervals import at_least, clopper_pearson, poisson_at_least
from toolkit.comparison.metrics import Better, Lag, Real, Tally
from toolkit.comparison.metrics._decisions import PARAMETERS, Decisions, few_decisions, refuse

__all__ = ["PARAMETERS", "refuse"]

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("fraction",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True
_CERTAIN = 1e-3  # the level of the bounds on rates against own (toolkit/comparison/output_kinds)
_ALLOWED = 0.1  # the share of all decisions that bounds on agreement allow to change (toolkit/comparison/output_kinds)


def applies(shape: Sequence[int], *, of: str, threshold: float) -> str | None:
    """Return None for one decision of each sample, and for (1, K) of yes or no, counted for each position alone; else the reason."""
    return few_decisions(shape, of)


def tally(shape: Sequence[int], *, of: str, threshold: float) -> Recall:
    """Return the tally of decisions by class; its value is that of the class whose interval has the lowest upper end, NaN where a sample holds a NaN.

    The interval is exact (Clopper and Pearson), at the level 1 - (1 - confidence) / classes (Bonferroni), so that no class of many fails by chance.
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
        """Add the next samples."""
        self._decisions.add(start, reference, candidate)

    def value(self) -> float:
        """Return the recall of the class that decides."""
        if self._decisions.is_broken or not self._decisions.samples:
            return math.nan
        seen = self._seen()[self._deciding()]
        return seen.found / seen.held

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the lowest lower end and the lowest upper end of all classes."""
        ends = self._ends(confidence).values()
        return min(low for low, _ in ends), min(high for _, high in ends)

    def behind(self, own: Tally, unless: float) -> Lag:  # noqa: ARG002 (as every tally has it)
        """Return the largest share of a class that `own` finds and this one loses; 0 where no class stands out.

        The reference rate is that of the classes that keep most of their samples: the upper end of its exact interval. A class stands out where its
        losses at this rate are less likely than one in a thousand (binomial, Bonferroni over classes). Some classes may just be harder than others.
        So the result is certain only where so many classes stand out as hardly ever do at a rate of one in ten, the rate that whole sets are allowed
        (Poisson).
        """
        if not isinstance(own, Recall) or self._decisions.is_broken or own.is_broken:
            return Lag(math.nan, "")
        ours, theirs = self._seen(), own.found
        lost = {key: (max(0, found - ours[key].found), found) for key, found in theirs.items() if key in ours}
        kept = [(part, of) for part, of in lost.values() if part <= of / 2]
        usual = clopper_pearson(sum(part for part, _ in kept), sum(of for _, of in kept), 0.9)[1] if kept else 1.0
        least = {of: _standing_out(of, usual, _CERTAIN / len(lost)) for _, of in lost.values()}
        out = {key: part / of for key, (part, of) in lost.items() if part >= least[of]}
        if not out:
            return Lag(0.0, "no class stands out that the toolkit's own finds")
        position, value = key = max(out, key=lambda each: out[each])
        where = self._decisions.name(position)
        named = f"{self._decisions.answer(value)}{f' of {where}' if where else ''}"
        said = f"{named}: {lost[key][0]} lost of {lost[key][1]} that the toolkit's own finds"
        by_chance = sum(at_least(least[of], of, _ALLOWED) for _, of in lost.values())
        weak = (
            ""
            if poisson_at_least(len(out), by_chance) < _CERTAIN
            else "so few samples of a class may be hard ones; more of it would tell"
        )
        return Lag(out[key], said, weak)

    @property
    def is_broken(self) -> bool:
        """Whether a sample held a NaN."""
        return self._decisions.is_broken

    @property
    def found(self) -> dict[tuple[int, float], int]:
        """The samples found of each class, {(position, class): samples}, for classes with any."""
        return {key: one.found for key, one in self._seen().items() if one.found}

    @property
    def worst_sample(self) -> int | None:
        """The first sample of that class that the candidate misses."""
        return self._decisions.first_missed.get(self._deciding())

    @property
    def detail(self) -> str:
        """The class that decides, and how many of its samples were found."""
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


def _standing_out(of: int, rate: float, level: float) -> int:
    """Return the least number of losses among `of` that is less likely than `level` at `rate`; `of` + 1 where there is none."""
    return next((lost for lost in range(1, of + 1) if at_least(lost, of, rate) < level), of + 1)
