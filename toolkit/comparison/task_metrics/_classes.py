"""Rows of scores, and labels that are classes: one for each sample, or for each class whether it is present."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.task_metrics import Column
from toolkit.comparison.task_metrics._choosing import as_array

SCORES = "a row of class scores, (1, C) with C >= 2"
SCORE_OR_SCORES = "a score, or a row of them, (1, C)"


def is_row(shape: Sequence[int]) -> bool:
    """Return whether an output is (1, C) with C >= 1, possibly with further axes of one."""
    return 0 not in shape and prod(shape) == max(shape, default=1) and (not shape or shape[0] == 1)


def is_scores(shape: Sequence[int]) -> bool:
    """Return whether an output is such a row with C >= 2."""
    return is_row(shape) and prod(shape) >= 2


def not_classes(labels: Column, count: int) -> str | None:
    """Return None for one class index in [0, count) for each sample, (N,) or (N, 1), else what the labels are, or the first invalid one."""
    array = as_array(labels)
    if array is None:
        return "the labels are not one class for each sample: no numbers, or not of one shape"
    if array.size != len(array):
        return f"the labels are not one class for each sample, they have the shape {array.shape}"
    flat = array.reshape(-1)
    wrong = np.flatnonzero(~((flat >= 0) & (flat < count) & (flat == np.floor(flat))))
    return (
        f"label {flat[wrong[0]]} of sample {wrong[0]} is none of the classes 0 to {count - 1}" if len(wrong) else None
    )


def classes(labels: Column) -> NDArray[np.int64]:
    """Return (n,) class indices."""
    return np.asarray(labels).reshape(-1).astype(np.int64)


def one_hot(labels: Column, count: int) -> NDArray[np.int64] | None:
    """Return the classes (n,) of labels (N, count) of 0 and 1 with a single 1 in each row; None for other labels."""
    array = as_array(labels)
    if array is None or not is_indicator(array, count) or not (array.sum(axis=1) == 1).all():
        return None
    return np.asarray(array.argmax(axis=1), np.int64)


def is_indicator(labels: Column, count: int) -> bool:
    """Return whether labels tell for each of `count` >= 2 classes whether it is present: (N, count) of 0 and 1."""
    array = as_array(labels)
    return array is not None and count >= 2 and array.shape[1:] == (count,) and bool(np.isin(array, (0, 1)).all())
