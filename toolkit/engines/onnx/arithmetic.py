"""How many multiplications an ONNX model makes, counted from its operators' shapes."""

from __future__ import annotations

import math
from pathlib import Path

from toolkit.engines.onnx.graph import graphs_of, read
from toolkit.engines.onnx.model_proto import NodeProto


def multiply_accumulates(path: Path) -> int:
    """Return the multiplications of one call: of convolutions and matrix products; other operators count one for each output value.

    A loop counts once, and so does a size that the file does not tell.
    """
    model = read(path)
    shapes: dict[str, list[int]] = {}
    for graph in graphs_of(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            shapes[value.name] = [max(1, size.dim_value) for size in value.type.tensor_type.shape.dim]
        shapes |= {constant.name: list(constant.dims) for constant in graph.initializer}
    return sum(_of_operator(node, shapes) for graph in graphs_of(model) for node in graph.node)


def _of_operator(node: NodeProto, shapes: dict[str, list[int]]) -> int:
    """Return the multiplications of one node; https://onnx.ai/onnx/operators has the places of weights."""
    given = sum(math.prod(shapes.get(name, [])) for name in node.output)
    taken = [shapes.get(name, []) for name in node.input]
    if node.op_type == "Conv":  # weights (outputs, inputs of a group, *kernel)
        return given * math.prod(taken[1][1:])
    if node.op_type == "ConvTranspose":  # weights (inputs, outputs of a group, *kernel)
        return math.prod(taken[0]) * math.prod(taken[1][1:])
    if node.op_type == "MatMul":
        return given * taken[0][-1]
    if node.op_type == "Gemm":
        turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return given * taken[0][0 if turned else -1]
    return given
