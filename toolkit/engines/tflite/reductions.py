"""Reductions added to a graph: operators that compute the extremes of its tensors.

XNNPACK runs all of them, except the last one: a builtin kernel packs their results, so that only one tensor is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.engines.tflite.tables import ModelT, SubGraphT, TensorT, numbers_of, shape_of

REDUCTIONS = ("REDUCE_MIN", "REDUCE_MAX", "SUM")
_MOST_AXES = 6  # XNN_MAX_TENSOR_DIMS of XNNPACK
_OPEN = ("IF", "WHILE")  # the branch that runs decides the sizes of their outputs


def reducible(tensor: TensorT, operator: str) -> bool:
    """Return whether kernels can compute a tensor's extremes: the file must know its sizes."""
    shape, signature = (() if sizes is None else list(sizes) for sizes in (tensor.shape, tensor.shapeSignature))
    known = 0 < len(shape) <= _MOST_AXES and min(shape) > 0 and -1 not in signature
    return known and operator not in _OPEN and not operator.startswith("CUSTOM")


def reduce(schema: Any, parsed: ModelT, places: list[int]) -> list[int]:
    """Add reductions behind the operators that give these tensors; return [tensor of all results, (tensors * 3,)], or [] without tensors."""
    graph = parsed.subgraphs[0]
    operators, graph.operators = graph.operators or [], []
    codes = {name: _code(schema, parsed, name) for name in (*REDUCTIONS, "PACK")}
    axes = {rank: _axes(schema, parsed, rank) for rank in {len(shape_of(graph.tensors[place])) for place in places}}
    results: dict[int, list[int]] = {}

    def reductions(place: int) -> None:
        options = schema.ReducerOptionsT()
        entries = [place, axes[len(shape_of(graph.tensors[place]))]]
        results[place] = [_operator(schema, graph, codes[name], entries, (), options) for name in REDUCTIONS]

    made = {place for operator in operators for place in numbers_of(operator.outputs)}
    for place in set(places) - made:
        reductions(place)
    for operator in operators:
        graph.operators.append(operator)
        for place in sorted({*numbers_of(operator.outputs)} & set(places) - results.keys()):
            reductions(place)
    if not places:
        return []
    options = schema.PackOptionsT()
    scalars = [scalar for place in places for scalar in results[place]]
    options.axis, options.valuesCount = 0, len(scalars)
    return [_operator(schema, graph, codes["PACK"], scalars, (len(scalars),), options)]


def _code(schema: Any, parsed: ModelT, name: str) -> int:
    made = schema.OperatorCodeT()
    made.builtinCode, made.version = getattr(schema.BuiltinOperator, name), 1
    made.deprecatedBuiltinCode = min(made.builtinCode, 127)  # the schema's own rule
    parsed.operatorCodes.append(made)
    return len(parsed.operatorCodes) - 1


def _axes(schema: Any, parsed: ModelT, rank: int) -> int:
    """Return a constant tensor of all axes of tensors of this rank."""
    buffer = schema.BufferT()
    buffer.data = np.arange(rank, dtype="<i4").view(np.uint8)
    parsed.buffers.append(buffer)
    return _tensor(parsed.subgraphs[0], schema, (rank,), schema.TensorType.INT32, len(parsed.buffers) - 1)


def _tensor(graph: SubGraphT, schema: Any, shape: Sequence[int], dtype: int, buffer: int = 0) -> int:
    made = schema.TensorT()
    made.shape, made.type, made.buffer, made.name = np.array(shape, np.int32), dtype, buffer, b""
    graph.tensors.append(made)
    return len(graph.tensors) - 1


def _operator(schema: Any, graph: SubGraphT, code: int, inputs: list[int], shape: Sequence[int], options: Any) -> int:
    """Append an operator; return the float32 tensor that it gives."""
    made, result = schema.OperatorT(), _tensor(graph, schema, shape, schema.TensorType.FLOAT32)
    made.opcodeIndex, made.inputs, made.outputs = code, np.array(inputs, np.int32), np.array([result], np.int32)
    made.builtinOptions = options
    made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    graph.operators.append(made)
    return result
