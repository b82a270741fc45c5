"""Share of samples whose true class is among the k with the largest scores."""

from __future__ import annotations

import math

import numpy as np

from toolkit.comparison.task_metrics import Better, Labels, Outputs, Parameters, Rows, Shapes
from toolkit.comparison.task_metrics._choosing import broken, look, read
from toolkit.comparison.task_metrics._classes import SCORES, classes, is_scores, not_classes, one_hot

BETTER: Better = "higher"
RANGE = (0.0, 1.0)
PARAMETERS: Parameters = {"k": 1.0, "output": "", "labels": ""}


def refuse(parameters: Parameters) -> str | None:
    """Return None, or what is wrong with k."""
    k = float(parameters["k"])
    return None if k.is_integer() and k >= 1 else f"k is {k:g}; expected a whole number from 1"


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for one output (1, C) of scores, k < C, and a class in [0, C) for each sample or a one-hot row (C,); else the reason."""
    found = look(outputs, labels, parameters, is_scores, SCORES)
    if isinstance(found, str):
        return found
    shape, truth = found
    if float(parameters["k"]) >= math.prod(shape):
        return f"k is {parameters['k']:g} of {math.prod(shape)} classes: every sample would count as right"
    return None if one_hot(truth, math.prod(shape)) is not None else not_classes(truth, math.prod(shape))


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[int]:
    """Return 1 for each sample that is right, else 0; 0 where a score is NaN.

    The first of equal scores counts as the larger, as in an application that takes the argmax.
    """
    values, target = read(outputs, labels, parameters, is_scores)
    scores = values.reshape(len(values), -1)
    named = one_hot(target, scores.shape[1])
    truth = classes(target) if named is None else named
    own = scores[np.arange(len(scores)), truth][:, None]
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < truth[:, None]))
    right = (before.sum(axis=1) < float(parameters["k"])) & ~broken(scores)
    return [int(each) for each in right]


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return the share of ones; NaN for no rows."""
    return sum(rows) / len(rows) if len(rows) else math.nan
