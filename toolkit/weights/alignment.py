"""Pairs the operators of an artifact with those of the float file: the longest common subsequence by name, matrices and output shape.

Where files differ, several subsequences are equally long. The one with more constants of similar distribution is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.engines.tflite.graphs import ComputingOperator
from toolkit.engines.tflite.subsequence import heaviest

# Weights of a pair: for the same name and matrices, for the same output shape, and for similarly distributed values.
_SAME, _SHAPE, _SPREAD = 1.0, 0.5, 0.25
_NEAR = 0.05  # the largest difference between two numbers of a distribution; it only breaks ties


def aligned(ours: Sequence[ComputingOperator], theirs: Sequence[ComputingOperator]) -> list[tuple[int, int]]:
    """Return pairs (place in `ours`, place in `theirs`), both ascending."""
    one, other = ([_kind(each) for each in side] for side in (ours, theirs))
    if one == other:
        return [(place, place) for place in range(len(one))]
    return heaviest(_worth(ours, theirs, one, other))


def is_matrix(shape: Sequence[int]) -> bool:
    """Return whether a constant of this shape is a matrix or a table: at least two axes that are longer than 1."""
    return sum(size > 1 for size in shape) > 1


def _kind(operator: ComputingOperator) -> tuple[object, ...]:
    return (*_must_agree(operator), operator.shape[1:])


def _must_agree(operator: ComputingOperator) -> tuple[object, ...]:
    matrices = sorted(each.shape for each in operator.constants.values() if each.is_real and is_matrix(each.shape))
    return (operator.name, tuple(matrices))


def _worth(
    ours: Sequence[ComputingOperator],
    theirs: Sequence[ComputingOperator],
    one: list[tuple[object, ...]],
    other: list[tuple[object, ...]],
) -> np.ndarray:
    """Return the weight of each pair, float32 (ours, theirs); 0 where two operators cannot correspond."""
    must = _equal([_must_agree(each) for each in ours], [_must_agree(each) for each in theirs])
    found = np.where(must, _SAME, 0.0) + np.where(must & _equal(one, other), _SHAPE, 0.0)
    spreads = [np.array([_spread(each) for each in side]).reshape(len(side), -1) for side in (ours, theirs)]
    for column in range(spreads[0].shape[1]):
        must &= np.abs(spreads[0][:, None, column] - spreads[1][None, :, column]) <= _NEAR
    return (found + np.where(must, _SPREAD, 0.0)).astype(np.float32)


def _equal(one: Sequence[object], other: Sequence[object]) -> np.ndarray:
    numbers: dict[object, int] = {}
    sides = [np.array([numbers.setdefault(each, len(numbers)) for each in side], np.int64) for side in (one, other)]
    return np.asarray(sides[0][:, None] == sides[1][None, :])


def _spread(operator: ComputingOperator) -> tuple[float, float, float]:
    """Return the log of the root mean square of the largest constant's values, their mean and their first one, both in that unit; NaN without one.

    NaN is not near any number, NaN included.
    """
    largest = max(
        (each for each in operator.constants.values() if each.is_real), key=lambda each: each.size, default=None
    )
    if largest is None:
        return (np.nan, np.nan, np.nan)
    try:
        values = largest.values().real.ravel()
    except ValueError:
        return (np.nan, np.nan, np.nan)
    size = float(np.sqrt(np.mean(np.square(values))))
    if not size > 0:
        return (np.nan, np.nan, np.nan)
    return (float(np.log(size)), float(values.mean()) / size, float(values[0]) / size)
