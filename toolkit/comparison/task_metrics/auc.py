"""Area under the ROC curve: how often a sample of a class scores higher than a sample outside it; equal scores count half.

J. A. Hanley and B. J. McNeil, The meaning and use of the area under a ROC curve (Radiology 143, 1982): the Mann-Whitney statistic over the number of
pairs. With one score (1, 1), or with two scores (class 1's less class 0's), it is the area of class 1. With more classes, or with labels (N, C) of 0
and 1, it is the mean of the areas of each class against all others, by that class's own score: for scikit-learn's `ovr` with `macro`, give
probabilities. If all samples of a subset are of a class, or none is, the class has no area and is left out of the mean.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.task_metrics import Better, Column, Labels, Outputs, Parameters, Real, Rows, Shapes
from toolkit.comparison.task_metrics._choosing import look, not_finite, read
from toolkit.comparison.task_metrics._classes import SCORE_OR_SCORES, classes, is_indicator, is_row, not_classes

BETTER: Better = "higher"
RANGE = (0.0, 1.0)
PARAMETERS: Parameters = {"output": "", "labels": ""}


def refuse(parameters: Parameters) -> str | None:
    """Return None: names of an output and a target are checked later."""
    return None


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for one output (1, C) of scores, and labels where some samples belong to a class and some do not; else the reason."""
    found = look(outputs, labels, parameters, is_row, SCORE_OR_SCORES)
    if isinstance(found, str):
        return found
    count = math.prod(found[0])
    reason = None if is_indicator(found[1], count) else not_classes(found[1], max(count, 2))
    if reason is not None:
        return reason
    share = _truth(found[1], count).mean(axis=0)
    return None if ((share > 0) & (share < 1)).any() else "all samples are of one class: no pair to compare"


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[list[list[float]] | None]:
    """Return [0 or 1 for each class, its scores] for each sample; of two classes only the second. None where a score is not finite."""
    values, target = read(outputs, labels, parameters, is_row)
    scores = values.reshape(len(values), -1)
    truth = _truth(target, scores.shape[1])
    gone = not_finite(scores)
    if truth.shape[1] < scores.shape[1]:
        with np.errstate(invalid="ignore", over="ignore"):
            scores = scores[:, 1:] - scores[:, :1]
        gone |= not_finite(scores)
    rows = zip(gone, truth.astype(int).tolist(), scores.tolist(), strict=True)
    return [None if missing else [true, given] for missing, true, given in rows]


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return the mean area of the classes that have one; NaN where no class has one, or a row is None."""
    if any(row is None for row in rows) or not len(rows):
        return math.nan
    truth, scores = np.array([row[0] for row in rows], bool), np.array([row[1] for row in rows], np.float64)
    areas = [
        _area(truth[:, one], scores[:, one]) for one in range(truth.shape[1]) if 0 < truth[:, one].sum() < len(rows)
    ]
    return math.fsum(areas) / len(areas) if areas else math.nan


def _truth(labels: Column, count: int) -> NDArray[np.bool_]:
    """Return whether each sample belongs to each class, (n, C); for two classes only the second, (n, 1)."""
    if is_indicator(labels, count):
        return np.asarray(labels) == 1
    found = classes(labels)[:, None]
    return found == np.arange(count) if count > 2 else found == 1


def _area(truth: NDArray[np.bool_], scores: Real) -> float:
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]  # equal scores share their mean rank
    positive = int(truth.sum())
    pairs = positive * (len(truth) - positive)
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / pairs)
