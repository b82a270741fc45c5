"""How much memory the tensors of a .tflite take at once: an estimate from the file, before anything allocates.

A tensor lives from the operator that gives it to the last one that takes it; an input from the start, an output to the end, a variable all the time.
An operator that may write its result where its input was needs one of the two. Real allocators need more: they align tensors, leave gaps, and have
scratch buffers.
"""

from __future__ import annotations

import math
from typing import Any

from toolkit.engines.tflite.packed import PackedModel, operators_in, tensors_in

_BITS = {"int4": 4, "bool": 8, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "float16": 16, "bfloat16": 16, "int64": 64, "float64": 64,
         "uint64": 64, "complex64": 64, "complex128": 128}  # fmt: skip
_IN_PLACE = frozenset({
    "ABS", "ADD", "DIV", "ELU", "EXP", "EXPAND_DIMS", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "NEG",
    "PRELU", "RELU", "RELU6", "RESHAPE", "RSQRT", "SOFTMAX", "SQRT", "SQUARE", "SQUEEZE", "SUB", "TANH",
})  # fmt: skip
_OTHERS = 32  # float32, int32, uint32; handles of resources are of that order


def arena_bytes(model: PackedModel) -> int:
    """Return the most bytes of computed tensors that live at once, in the largest of the graphs; a size that the file leaves open counts as 1."""
    return max((_of_graph(model, graph) for graph in model.graphs), default=0)


def _of_graph(model: PackedModel, graph: Any) -> int:
    tensors, operators = tensors_in(graph), operators_in(graph)
    end = len(operators)
    born = {graph.Inputs(place): 0 for place in range(graph.InputsLength())}
    dies: dict[int, int] = {}
    for moment, operator in enumerate(operators):
        for place in range(operator.OutputsLength()):
            born.setdefault(operator.Outputs(place), moment)
            dies[operator.Outputs(place)] = moment
        dies |= {operator.Inputs(place): moment for place in range(operator.InputsLength())}
    dies |= {graph.Outputs(place): end for place in range(graph.OutputsLength())}
    for moment, operator in enumerate(operators):
        freed = operator.Inputs(0) if operator.InputsLength() and model.operator(operator) in _IN_PLACE else -1
        if dies.get(freed) == moment:
            dies[freed] = moment - 1
    changes = [0] * (end + 2)
    for index, tensor in enumerate(tensors):
        if model.size_bytes(tensor) or not (index in born or tensor.IsVariable()):
            continue
        first, last = (0, end) if tensor.IsVariable() else (born[index], max(dies.get(index, 0), born[index]))
        changes[first] += _size(model, tensor)
        changes[last + 1] -= _size(model, tensor)
    most = held = 0
    for change in changes:
        held += change
        most = max(most, held)
    return most


def _size(model: PackedModel, tensor: Any) -> int:
    """Return the bytes of a tensor's values."""
    count = math.prod(max(1, tensor.Shape(place)) for place in range(tensor.ShapeLength()))
    return math.ceil(count * _BITS.get(model.dtype(tensor), _OTHERS) / 8)
