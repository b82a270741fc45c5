"""The decisions that an application derives from an output, and how often two outputs decide alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.metrics import Real, rows

OF = ("scores", "values", "first", "yes_no")
PARAMETERS: dict[str, float | str] = {"of": "values", "threshold": 0.5}


def refuse(parameters: Mapping[str, float | str]) -> str | None:
    """Return None, or why `of` names no decision or the threshold is wrong."""
    if parameters["of"] not in OF:
        return f"of {parameters['of']!r}; expected {', '.join(OF)}"
    threshold = float(parameters["threshold"])
    return None if math.isfinite(threshold) else f"threshold {threshold}; expected a number"


def count(shape: Sequence[int], of: str) -> int:
    """Return how many decisions one sample of this shape holds; 0 where its numbers cannot be scores."""
    if of == "first":
        return min(1, prod(shape))
    if of != "scores":
        return prod(shape)
    return prod(shape[:-1]) if len(shape) >= 2 and shape[-1] >= 2 else 0


def one_decision(shape: Sequence[int], of: str) -> str | None:
    """Return None where a sample of this shape holds one decision, else the reason."""
    if count(shape, of) == 1:
        return None
    wanted = "(1, C) with C >= 2" if of == "scores" else "one element"
    return f"shape {tuple(shape)} is not one decision of each sample: {wanted} would be"


def few_decisions(shape: Sequence[int], of: str) -> str | None:
    """Return None for one decision of each sample, and for (1, K) of yes or no, where each position has enough samples; else the reason."""
    if of == "yes_no" and len(shape) <= 2 and prod(shape[:-1]) == 1:
        return None
    return one_decision(shape, of)


def several_decisions(shape: Sequence[int], of: str) -> str | None:
    """Return None where a sample of this shape holds more than one decision, else the reason."""
    found = count(shape, of)
    return None if found > 1 else f"shape {tuple(shape)} holds {found or 'no'} decision of each sample"


def decided(outputs: Real, of: str, threshold: float) -> Real:
    """Return (n, decisions) of outputs (n, *shape): classes, the numbers themselves or the first one, or 1 for yes and 0 for no.

    The first of equal largest scores counts, as in an application that takes the argmax.
    """
    if of == "scores":
        return rows(outputs.argmax(axis=-1).astype(np.float64))
    values = rows(outputs)
    if of == "first":
        return values[:, :1]
    return (values >= threshold).astype(np.float64) if of == "yes_no" else values


def broken(reference: Real, candidate: Real) -> NDArray[np.bool_]:
    """Return whether a sample of either side holds a NaN, bool (n,)."""
    return np.asarray(np.isnan(rows(reference)).any(axis=1) | np.isnan(rows(candidate)).any(axis=1))


class Decisions:
    """Counts of the candidate's decision for each decision of the reference, at each position of a sample; no samples are kept.

    `counts` is {(position, reference's, candidate's): samples}, `first_missed` {(position, reference's): the first sample that the candidate misses}.
    """

    def __init__(self, of: str, threshold: float) -> None:
        self._said = of, threshold
        self.samples = 0
        self.is_broken = False
        self.counts: dict[tuple[int, float, float], int] = {}
        self.first_missed: dict[tuple[int, float], int] = {}

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples, float64 (n, *shape); `start` is the index of the first."""
        self.is_broken |= bool(broken(reference, candidate).any())
        ours, theirs = decided(reference, *self._said), decided(candidate, *self._said)
        self.samples += len(ours)
        for position in range(ours.shape[1]):
            pairs = np.stack([ours[:, position], theirs[:, position]], axis=1)
            distinct, first, times = np.unique(pairs, axis=0, return_index=True, return_counts=True)
            for (one, other), row, count_ in zip(distinct.tolist(), first.tolist(), times.tolist(), strict=True):
                key = position, one, other
                self.counts[key] = self.counts.get(key, 0) + count_
                if one != other:
                    known = self.first_missed.get(key[:2], start + row)
                    self.first_missed[key[:2]] = min(known, start + row)

    @property
    def positions(self) -> int:
        """The number of decisions of a sample."""
        return 1 + max((position for position, _, _ in self.counts), default=0)

    def name(self, position: int) -> str:
        """Return the name of a position in a sentence, "" where there is only one."""
        return f"element {position}" if self.positions > 1 else ""

    def answer(self, value: float) -> str:
        """Return the name of a decision in a sentence."""
        if self._said[0] == "yes_no":
            return "yes" if value else "no"
        return f"class {value:g}"
