"""Mistakes in answers: whole numbers, or the class with the largest score. A class has no size, so wrong answers are counted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toolkit.comparison.likeness import Likeness


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake: of `count` answers `before` differ, and `after` once it is undone."""

    code: str
    message: str
    count: int
    before: int
    after: int


def mistaken(wanted: np.ndarray, given: np.ndarray, limits: Likeness) -> Mistake | None:
    """Return the simplest mistake that explains nearly all answers that differ, or None. Both arrays hold whole numbers and have one shape."""
    differ = int((wanted != given).sum())
    if not differ:
        return None
    for code, message, meant, answered in (
        *_off(wanted, given),
        *_answered(wanted, given, limits),
        *_late(wanted, given, limits),
    ):
        left = math.ceil(int((meant != answered).sum()) * wanted.size / meant.size)
        if left <= (1 - limits.nearly_all.limit) * differ:
            return Mistake(code, message, wanted.size, differ, left)
    return None


_Tried = tuple[str, str, np.ndarray, np.ndarray]


def _off(wanted: np.ndarray, given: np.ndarray) -> list[_Tried]:
    """Return the most frequent difference, if these numbers can be off by one at all."""
    if bool in (wanted.dtype, given.dtype):
        return []
    differences, counts = np.unique(given.astype(np.int64) - wanted.astype(np.int64), return_counts=True)
    off = int(differences[counts.argmax()])
    said = f"off by {off:+d} in the output's own unit"
    return [("offset", said, wanted.astype(np.int64) + off, given.astype(np.int64))] if off else []


def _answered(wanted: np.ndarray, given: np.ndarray, limits: Likeness) -> list[_Tried]:
    """Return the right answers with each class replaced by its most frequent answer, where that differs and the class has enough samples."""
    as_answered: dict[int, int] = {}
    for value in np.unique(wanted):
        answers, counts = np.unique(given[wanted == value], return_counts=True)
        most = int(answers[counts.argmax()])
        if most != int(value) and counts.max() >= limits.answers.limit:
            as_answered[int(value)] = most
    if not as_answered:
        return []
    meant = wanted.astype(np.int64)
    for value, answer in as_answered.items():
        meant[wanted == value] = answer
    if set(as_answered) == set(as_answered.values()):
        first, second = next(iter(as_answered.items()))
        pair = len(as_answered) == 2
        said = (
            f"classes {first} and {second} are exchanged"
            if pair
            else f"classes have another order: {_list(as_answered)}"
        )
        return [("classes-permuted", said, meant, given.astype(np.int64))]
    return [("class-answered-as-another", _list(as_answered), meant, given.astype(np.int64))]


def _late(wanted: np.ndarray, given: np.ndarray, limits: Likeness) -> list[_Tried]:
    found = []
    for count in range(1, min(limits.behind.limit, len(wanted) // 2) + 1):
        plural = "" if count == 1 else "s"
        found.append(("delayed", f"it is {count} sample{plural} behind the reference", wanted[:-count], given[count:]))
        found.append(
            ("delayed", f"it is {count} sample{plural} ahead of the reference", wanted[count:], given[:-count])
        )
    return found


def _list(as_answered: dict[int, int], most: int = 4) -> str:
    said = [f"class {value} is answered as {answer}" for value, answer in list(as_answered.items())[:most]]
    return ", ".join(said) + (f" and {len(as_answered) - most} more" if len(as_answered) > most else "")
