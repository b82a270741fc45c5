"""Coefficient of determination: 1 - sum (t - c)^2 / sum (t - mean t)^2, averaged over the numbers of a sample.

S. Wright, Correlation and causation (Journal of Agricultural Research 20, 1921); for several numbers this is scikit-learn's `uniform_average`. It
is 1 without error, 0 for the best constant, and negative for worse outputs.
"""

from __future__ import annotations

import math

import numpy as np

from toolkit.comparison.task_metrics import Better, Labels, Outputs, Parameters, Rows, Shapes
from toolkit.comparison.task_metrics._choosing import not_finite
from toolkit.comparison.task_metrics._numbers import pairs, truth_of

BETTER: Better = "higher"
RANGE = (-math.inf, 1.0)
PARAMETERS: Parameters = {"output": "", "labels": ""}
_MOST_NUMBERS = 1000  # numbers of a sample: its row holds twice as many


def refuse(parameters: Parameters) -> str | None:
    """Return None: names of an output and a target are checked later."""
    return None


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for one output with the axes of the labels, which must be finite numbers that vary; else the reason."""
    truth = truth_of(outputs, labels, parameters)
    if isinstance(truth, str):
        return truth
    if truth.shape[1] > _MOST_NUMBERS:
        return f"{truth.shape[1]} numbers in a sample; up to {_MOST_NUMBERS} are kept, mse is of any number"
    constant = np.flatnonzero((truth == truth[0]).all(axis=0))
    return f"the true number {constant[0]} is the same in all samples: nothing to explain" if len(constant) else None


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[list[list[float]] | None]:
    """Return [true numbers, output numbers] for each sample; None where one is not finite."""
    truth, said = pairs(outputs, labels, parameters)
    rows = zip(not_finite(said), truth.tolist(), said.tolist(), strict=True)
    return [None if gone else [true, given] for gone, true, given in rows]


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return R2; NaN where a row is None, and where a true number does not vary among the rows."""
    if not len(rows) or any(row is None for row in rows):
        return math.nan
    truth, said = np.array([row[0] for row in rows], np.float64), np.array([row[1] for row in rows], np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.square(truth - said).sum(axis=0)
        spread = np.square(truth - truth.mean(axis=0)).sum(axis=0)
        # The mean of equal numbers may differ from that number by rounding, so their spread is not always 0.
        varies = (truth != truth[0]).any(axis=0) & (spread > 0)
        return float(np.mean(1 - error / np.where(varies, spread, np.nan)))
