"""The original's decision for each sample, and the truth from the labels: for class scores, for one probability, and for whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.samples.lints import Answer, Real, Side, Values

Whole = NDArray[np.int64]
MOST_NUMBERS = 1000  # of an answer; for a longer one only the decision is kept
_DECISION, _KIND, _FIRST = 0, 1, 2  # columns of the row that is kept for an answer
_OTHER, _SHARES, _UNIT = 0.0, 1.0, 2.0  # the form of a row of numbers: shares of one, or a vector of length one
_NEAR = 1e-3  # of sums and lengths in float32, of up to a hundred thousand numbers
_DECIDING = ("", "class_scores", "labels", "yes_no", "probabilities")
_ONE_HOT = 2  # axes of labels that have a number for each class
_HALF = 0.5  # a probability of at least this says yes


@dataclass(frozen=True)
class OriginalDecisions:
    """The original's decision `said` for each sample (n,), the `truth` (n,) where labels give it, and the number of classes, None if unknown.

    `sure`: they are decisions for certain. Numbers that do not sum to one, and whose count is not that of the labels' classes, may mean anything.
    """

    said: Whole
    truth: Whole | None
    classes: int | None
    sure: bool = True


def kept_of(values: Values, one: Answer) -> Real:
    """Return (2 + numbers,): the index of the largest number (or the only number itself), the form of the numbers, and up to a thousand of them."""
    flat = np.asarray(values, np.float64).ravel()
    decision = flat[0] if flat.size == 1 else np.argmax(flat)
    looks = _OTHER
    if flat.size > 1 and (flat >= -_NEAR).all() and abs(flat.sum() - 1) <= _NEAR:
        looks = _SHARES
    elif flat.size > 1 and abs(np.linalg.norm(flat) - 1) <= _NEAR:
        looks = _UNIT
    return np.array([decision, looks, *(flat if flat.size <= MOST_NUMBERS else ())], np.float64)


def numbers_of(side: Side) -> Real:
    """Return (n, numbers) as the original gave them; (n, 0) for answers that are too long."""
    return side.rows[:, _FIRST:]


def are_shares(one: Answer, side: Side) -> bool:
    """Return whether an answer certainly holds class scores: it is declared so, or sums to one for each sample."""
    return one.kind == "class_scores" or (one.kind == "" and bool((side.rows[:, _KIND] == _SHARES).all()))


def decisions(one: Answer, side: Side) -> OriginalDecisions | str:
    """Return the decisions, or a text that says why none are certain."""
    if one.kind not in _DECIDING or not one.is_row:
        return "the answers are no decisions"
    if one.size > 1:
        return "several whole numbers are no decision" if one.whole else _of_scores(one, side)
    return _of_whole_numbers(one, side) if one.whole else _of_a_probability(one, side)


def _of_scores(one: Answer, side: Side) -> OriginalDecisions | str:
    looks, said = side.rows[:, _KIND], side.rows[:, _DECISION].astype(np.int64)
    sure = are_shares(one, side)
    if side.labels is None:
        return (
            OriginalDecisions(said, None, one.size)
            if sure
            else "whether the answers are scores of classes is not known"
        )
    truth = whole(side.labels) if side.labels.ndim < _ONE_HOT else _one_hot(side.labels, one.size)
    if truth is None or not ((truth >= 0) & (truth < one.size)).all():
        return "the labels are no classes of these scores"
    if bool((looks == _UNIT).all()) and not sure:
        return "the answers are vectors of length one, and no scores"
    # Features, or names of persons, would hardly match the number of classes in the labels by coincidence.
    return OriginalDecisions(said, truth, one.size, sure or len(np.unique(truth)) == one.size)


def _of_a_probability(one: Answer, side: Side) -> OriginalDecisions | str:
    value = side.rows[:, _DECISION]
    truth = None if side.labels is None else whole(side.labels)
    if truth is None or not np.isin(truth, (0, 1)).all() or not ((value >= 0) & (value <= 1)).all():
        return "whether the answer is a probability is not known"
    return OriginalDecisions((value >= _HALF).astype(np.int64), truth, 2)


def _of_whole_numbers(one: Answer, side: Side) -> OriginalDecisions | str:
    truth = None if side.labels is None else whole(side.labels)
    classes = 2 if one.dtype == "bool" else None
    if truth is None and classes is None:
        return "no labels tell which whole numbers there are"
    return OriginalDecisions(side.rows[:, _DECISION].astype(np.int64), truth, classes)


def _one_hot(labels: NDArray[Any], count: int) -> Whole | None:
    """Return the classes (n,): the place of the only 1 in each row of labels (n, count), or the labels (n, 1) themselves; None for others."""
    if labels.shape != (len(labels), count) or not np.isin(labels, (0, 1)).all() or not (labels.sum(axis=1) == 1).all():
        return whole(labels)
    return np.asarray(labels.argmax(axis=1), np.int64)


def whole(labels: NDArray[Any]) -> Whole | None:
    """Return labels (n,) or (n, 1, ...) that are whole numbers; None for others."""
    if labels.dtype.kind not in "biuf" or labels.size != len(labels):
        return None
    flat = labels.reshape(-1)
    return flat.astype(np.int64) if bool((flat == np.rint(flat)).all()) else None
