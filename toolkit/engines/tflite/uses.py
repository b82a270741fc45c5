"""How a .tflite uses its operators: their versions and the dtypes of their tensors, which decide if a runtime has a kernel for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolkit.engines.description import OperatorUse
from toolkit.engines.tflite.packed import PackedModel, operators_in, tensors_in
from toolkit.engines.uses import NONE, Placed, grouped, once

PER_CHANNEL = " per-channel"
ANY_NUMBER = frozenset({"ADD_N", "CONCATENATION", "PACK", "SPLIT", "SPLIT_V", "UNPACK"})
"""Operators that take or give any number of tensors of one dtype."""


def uses(model: PackedModel) -> list[OperatorUse]:
    """Return the uses of all operators of all graphs, in the order of execution."""
    return grouped(
        operator for number, graph in enumerate(model.graphs) for operator in _of_graph(model, number, graph)
    )


def _of_graph(model: PackedModel, number: int, graph: Any) -> Iterator[Placed]:
    dtypes = [_dtype(model, tensor) for tensor in tensors_in(graph)]

    def of(places: list[int], name: str) -> tuple[str, ...]:
        found = tuple(dtypes[place] if place >= 0 else NONE for place in places)
        return once(found) if name in ANY_NUMBER else found

    for index, operator in enumerate(operators_in(graph)):
        name = model.operator(operator)
        takes = [operator.Inputs(place) for place in range(operator.InputsLength())]
        gives = [operator.Outputs(place) for place in range(operator.OutputsLength())]
        version = model.root.OperatorCodes(operator.OpcodeIndex()).Version()
        yield Placed(name, version, of(takes, name), of(gives, name), number, index)


def _dtype(model: PackedModel, tensor: Any) -> str:
    quantization = tensor.Quantization()
    several = quantization is not None and quantization.ScaleLength() > 1
    return model.dtype(tensor) + (PER_CHANNEL if several else "")
