"""Share of samples whose answer equals the label: an id, a class that the model chose, yes or no; with several numbers all must be equal.

For outputs of whole numbers or truth values, where an error of one is as wrong as an error of a hundred.
"""

from __future__ import annotations

import math

import numpy as np

from toolkit.comparison.task_metrics import Better, Labels, Outputs, Parameters, Rows, Shapes
from toolkit.comparison.task_metrics._choosing import not_finite
from toolkit.comparison.task_metrics._numbers import pairs, truth_of

BETTER: Better = "higher"
RANGE = (0.0, 1.0)
PARAMETERS: Parameters = {"output": "", "labels": ""}


def refuse(parameters: Parameters) -> str | None:
    """Return None: names of an output and a target are checked later."""
    return None


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for one output with the axes of the labels, which must be whole numbers; else the reason."""
    truth = truth_of(outputs, labels, parameters)
    if isinstance(truth, str):
        return truth
    broken = np.flatnonzero((truth != np.rint(truth)).any(axis=1))
    return f"the label of sample {broken[0]} is not a whole number" if len(broken) else None


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[int | None]:
    """Return 1 for each sample that is right, else 0; None where one of its numbers is not finite."""
    truth, said = pairs(outputs, labels, parameters)
    right = (truth == said).all(axis=1)
    return [None if gone else int(each) for gone, each in zip(not_finite(said), right, strict=True)]


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return the share of ones; NaN for no rows, and where a row is None."""
    if not len(rows) or any(row is None for row in rows):
        return math.nan
    return sum(rows) / len(rows)
