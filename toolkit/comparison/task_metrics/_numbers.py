"""Outputs that are plain numbers, and labels that are their true values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.task_metrics import Labels, Outputs, Parameters, Real, Shapes
from toolkit.comparison.task_metrics._choosing import Fits, as_array, look, not_finite, read


def truth_of(outputs: Shapes, labels: Labels, parameters: Parameters) -> Real | str:
    """Return the true numbers (N, numbers of a sample), or why no output belongs to them."""
    found = look(outputs, labels, parameters, _fits(labels), "the numbers that the labels are")
    if isinstance(found, str):
        return found
    truth = as_array(found[1])
    if truth is None:
        return "the labels are not numbers, or not of one shape"
    if _axes(truth.shape[1:]) != _axes(found[0]):
        return f"an output of shape {found[0]} and labels of shape {truth.shape[1:]} are not the same numbers"
    numbers = truth.astype(np.float64).reshape(len(truth), -1)
    wrong = np.flatnonzero(not_finite(numbers))
    return f"the label of sample {wrong[0]} is not finite" if len(wrong) else numbers


def pairs(outputs: Outputs, labels: Labels, parameters: Parameters) -> tuple[Real, Real]:
    """Return the true numbers and the outputs, both (n, numbers of a sample)."""
    said, truth = read(outputs, labels, parameters, _fits(labels))
    return np.asarray(truth, np.float64).reshape(len(said), -1), said.reshape(len(said), -1)


def _fits(labels: Labels) -> Fits:
    """Return the test whether an output has the axes of the labels, ignoring axes of one; with several targets any output passes."""
    columns = list(labels.values()) if isinstance(labels, Mapping) else [labels]
    only = as_array(columns[0]) if len(columns) == 1 else None
    return lambda shape: 0 not in shape and (only is None or _axes(only.shape[1:]) == _axes(shape))


def _axes(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
