"""Matrices whose columns can be scaled, and whether a file has them so: (x / s) @ (W * s) is x @ W, and W * s may lose less when it is rounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from toolkit.engines.tflite.operators import Operator, main_operators, operators

_SCALED = "FULLY_CONNECTED"


def scalable(model: Path) -> list[Operator]:
    """Return the products with a constant matrix whose columns can be scaled, if what feeds them is divided by the same factors.

    That is FULLY_CONNECTED of the main graph with constant float32 weights (rows, columns), whose input has its columns along the last axis, and is
    not constant. The name of its output must be unique, because a recipe finds operators by these names. Nothing else may read its weights: what is
    small at one place may be large at another.
    """
    given = Counter(tensor.name for each in operators(model) for tensor in each.outputs)
    read = Counter(tensor.name for each in operators(model) for tensor in each.inputs)
    return [
        each
        for each in main_operators(model)
        if _is_scalable(each) and given[each.outputs[0].name] == read[each.inputs[1].name] == 1
    ]


def _is_scalable(operator: Operator) -> bool:
    if operator.name != _SCALED or len(operator.inputs) < 2 or len(operator.outputs) != 1:
        return False
    fed, weights = operator.inputs[:2]
    return (
        not fed.constant
        and fed.dtype == weights.dtype == "float32"
        and weights.constant
        and len(weights.shape) == 2
        and fed.shape[-1:] == weights.shape[1:]
    )


def left_unscaled(path: Path, wanted: Iterable[str]) -> list[str]:
    """Return which of the products with the outputs `wanted` are not scaled in a file.

    No constant factors meet what feeds such a product, or its matrix is float.
    """
    made = main_operators(path)
    multiplied = {
        each.outputs[0].name for each in made if each.name == "MUL" and any(tensor.constant for tensor in each.inputs)
    }
    scaled = {
        each.outputs[0].name
        for each in made
        if each.name == _SCALED and each.inputs[0].name in multiplied and each.inputs[1].scales
    }
    return [name for name in wanted if name not in scaled]
