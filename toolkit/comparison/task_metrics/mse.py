"""Mean squared error of numbers: the mean over samples of mean((c - t)^2)."""

from __future__ import annotations

import math

import numpy as np

from toolkit.comparison.task_metrics import Better, Labels, Outputs, Parameters, Rows, Shapes
from toolkit.comparison.task_metrics._numbers import pairs, truth_of

BETTER: Better = "lower"
RANGE = (0.0, math.inf)
PARAMETERS: Parameters = {"output": "", "labels": ""}


def refuse(parameters: Parameters) -> str | None:
    """Return None: names of an output and a target are checked later."""
    return None


def applies(outputs: Shapes, labels: Labels, parameters: Parameters = PARAMETERS) -> str | None:
    """Return None for one output with the axes of the labels, which must be finite numbers; else the reason."""
    truth = truth_of(outputs, labels, parameters)
    return truth if isinstance(truth, str) else None


def evidence(outputs: Outputs, labels: Labels, parameters: Parameters = PARAMETERS) -> list[float | None]:
    """Return mean((c - t)^2) of each sample, in the output's unit squared; None where that is not finite."""
    truth, said = pairs(outputs, labels, parameters)
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.square(said - truth).mean(axis=1)
    return [error if math.isfinite(error) else None for error in errors.tolist()]


def score(rows: Rows, parameters: Parameters = PARAMETERS) -> float:
    """Return the mean; NaN where a row is None, and for no rows."""
    return math.nan if not len(rows) or any(row is None for row in rows) else math.fsum(rows) / len(rows)
