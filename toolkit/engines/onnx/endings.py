"""What the outputs of an ONNX model end with."""

from __future__ import annotations

import contextlib
from typing import Any

from toolkit.engines.onnx.graph import dtype_name
from toolkit.engines.onnx.model_proto import ModelProto
from toolkit.tensors.endings import Made, ending


def endings(model: ModelProto) -> dict[str, dict[str, Any]]:
    """Return for each output's name the JSON of an `Ending`, under the key "" of a format without signatures."""
    reader = _Reader(model)
    return {"": {value.name: ending(reader.made, value.name).to_json() for value in model.graph.output}}


class _Reader:
    """The graph of a ModelProto."""

    def __init__(self, model: ModelProto) -> None:
        import onnx

        with contextlib.suppress(Exception):  # it fails on many files from elsewhere; fewer shapes are known then
            model = onnx.shape_inference.infer_shapes(model)
        graph = model.graph
        self._makers = {name: (node, place) for node in graph.node for place, name in enumerate(node.output) if name}
        self._constants = {each.name for each in graph.initializer}
        self._types = {each.name: each.type.tensor_type for each in (*graph.value_info, *graph.output, *graph.input)}

    def made(self, name: str) -> Made | None:
        """Return what makes a tensor."""
        if name not in self._makers or self._is_constant(name):
            return None
        node, position = self._makers[name]
        inputs = [each for each in node.input if each and not self._is_constant(each)]
        shape = self._shape(name)
        axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
        joins_last = node.op_type == "Concat" and (axis == -1 or (bool(shape) and axis == len(shape) - 1))
        sizes = [self._shape(each)[-1:] for each in inputs] if joins_last else []
        parts = tuple(size for one in sizes for size in one if size)
        dtype = dtype_name(self._types[name].elem_type) if name in self._types else ""
        known = parts if len(parts) == len(inputs) else ()
        return Made(node.op_type, tuple(inputs), position, dtype, joins_last, known)

    def _is_constant(self, name: str) -> bool:
        """Return whether the file holds a tensor's values, plain or quantized."""
        if name in self._constants:
            return True
        if name not in self._makers:
            return False
        node, _ = self._makers[name]
        return node.op_type == "Constant" or (
            node.op_type == "DequantizeLinear" and all(each in self._constants for each in node.input)
        )

    def _shape(self, name: str) -> list[int]:
        if name not in self._types:
            return []
        return [size.dim_value for size in self._types[name].shape.dim]
