"""How many multiplications a .tflite makes, counted from its operators' shapes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from toolkit.engines.tflite.packed import PackedModel, operators_in

_WEIGHTS = (
    1  # the second input of these operators holds the filter (tensorflow/lite/core/c/builtin_op_data.h: their Prepare)
)
_OVER_FILTER = {"CONV_2D", "CONV_3D", "FULLY_CONNECTED"}


def multiply_accumulates(path: Path) -> int:
    """Return the multiplications of one call: of convolutions and matrix products; other operators count one for each output value, a loop once."""
    return sum(count for graph in by_operator(path) for _, count in graph)


def by_operator(path: Path) -> list[list[tuple[str, int]]]:
    """Return (name, multiplications of one call) of each operator, by graph, the main one first, in the order of execution."""
    model = PackedModel.read(path.read_bytes())
    return [
        [
            (name, _of_operator(graph, each, name))
            for each, name in ((each, model.operator(each)) for each in operators_in(graph))
        ]
        for graph in model.graphs
    ]


def _of_operator(graph: Any, operator: Any, name: str) -> int:
    given = sum(math.prod(_shape(graph, operator.Outputs(index))) for index in range(operator.OutputsLength()))
    if name in _OVER_FILTER:  # each value is a sum over the filter without its first axis, that of outputs
        return given * math.prod(_shape(graph, operator.Inputs(_WEIGHTS))[1:])
    if name == "DEPTHWISE_CONV_2D":
        return given * math.prod(_shape(graph, operator.Inputs(_WEIGHTS))[1:3])
    if name == "TRANSPOSE_CONV":  # output shape, filter, input: each input value meets the filters of all outputs
        taken, filters = _shape(graph, operator.Inputs(2)), _shape(graph, operator.Inputs(_WEIGHTS))
        return math.prod(taken) * math.prod(filters[:3])
    if name == "BATCH_MATMUL":
        return given * _shape(graph, operator.Inputs(0))[-1]
    return given


def _shape(graph: Any, index: int) -> list[int]:
    tensor = graph.Tensors(index)
    return [max(1, tensor.Shape(axis)) for axis in range(tensor.ShapeLength())]
