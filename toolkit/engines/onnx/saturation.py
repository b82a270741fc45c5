"""Which operators of an integer model overflow 16-bit sums, on x86 without VNNI.

There ONNX Runtime multiplies uint8 by int8 with `vpmaddubsw`, which adds the products of two neighbours in 16 bits and cuts larger sums off. Measured
with ONNX Runtime 1.32 on an emulated Haswell, against exact sums: it happens in Conv, Gemm, MatMul and their fused operators; also with int8
activations where the graph quantizes and dequantizes them (the session makes them uint8). Nothing is cut off where each channel has a filter of its
own, where weights are uint8, and where an operator takes int8 activations directly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from toolkit.engines.onnx.graph import DEQUANTIZE, QUANTIZE, constants_of, dtype_name, nodes_of
from toolkit.engines.onnx.model_proto import ModelProto, NodeProto

_LARGEST_ACTIVATION = 255
_CONVOLUTIONS = ("Conv", "QLinearConv", "ConvInteger")
# Integer operators: the inputs with weights, and the input with the zero point of their activations, which has the same dtype (None: the operator
# makes activations uint8 itself). From https://onnx.ai/onnx/operators and https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
_INTEGER: dict[str, tuple[tuple[int, ...], int | None]] = {
    "QLinearConv": ((3,), 2),
    "QLinearMatMul": ((3,), 2),
    "QGemm": ((3,), 2),
    "ConvInteger": ((1,), 2),
    "MatMulInteger": ((1,), 2),
    "MatMulIntegerToFloat": ((1,), 4),
    "DynamicQuantizeMatMul": ((1,), None),
    "DynamicQuantizeLSTM": ((1, 2), None),
}
_FUSED = ("Conv", "Gemm", "MatMul")  # between dequantized tensors, these compute with integers


@dataclass(frozen=True, slots=True)
class Overflow:
    """An operator, named by its output, and the share, in (0, 1], of neighbouring weights whose two products may not fit."""

    output: str
    operator: str
    share: float


def overflows(model: ModelProto) -> list[Overflow]:
    """Return the operators, worst first, with int8 weights so large that two products with the largest activations do not fit in 16 bits."""
    found = []
    for node, weights in _weighted(model):
        share = _share(_in_order_of_sums(node, weights))
        if share > 0:
            found.append(Overflow(node.output[0], node.op_type, share))
    return sorted(found, key=lambda one: -one.share)


def _weighted(model: ModelProto) -> Iterator[tuple[NodeProto, np.ndarray]]:
    """Yield operators that multiply uint8 with int8 constants, with these constants."""
    import onnx

    inside = (each for each in constants_of(model) if each.name and each.data_location != each.EXTERNAL)
    constants = {constant.name: constant for constant in inside}
    dtypes = {name: dtype_name(constant.data_type) for name, constant in constants.items()}
    given = {name: node for node in nodes_of(model) for name in node.output}
    for node in nodes_of(model):
        for name in _multiplied(node, given, dtypes):
            if dtypes.get(name) == "int8":
                yield node, onnx.numpy_helper.to_array(constants[name])


def _multiplied(node: NodeProto, given: Mapping[str, NodeProto], dtypes: Mapping[str, str]) -> list[str]:
    """Return the names of the weights that a node multiplies with uint8; `given` has the node that gives a tensor, `dtypes` those of constants."""

    def zero_point(of: NodeProto, at: int) -> str:
        return dtypes.get(of.input[at], "uint8") if at < len(of.input) else "uint8"

    if node.op_type in _INTEGER:
        places, at = _INTEGER[node.op_type]
        return [node.input[place] for place in places] if at is None or zero_point(node, at) == "uint8" else []
    if node.op_type not in _FUSED:
        return []
    activations, weights = (given.get(name) for name in node.input[:2])
    if activations is None or weights is None or {activations.op_type, weights.op_type} != {DEQUANTIZE}:
        return []
    before = given.get(activations.input[0])
    becomes_uint8 = zero_point(activations, 2) == "int8" and before is not None and before.op_type == QUANTIZE
    return [weights.input[0]] if becomes_uint8 or zero_point(activations, 2) == "uint8" else []


def _in_order_of_sums(node: NodeProto, weights: np.ndarray) -> np.ndarray:
    """Return the weights as (number of terms, sums): a column has the terms of one sum, in the order of addition."""
    if node.op_type in _CONVOLUTIONS:
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        if weights.shape[1] == 1 and groups == weights.shape[0]:  # each channel has a filter of its own
            return np.zeros((0, groups), weights.dtype)
        channels_last = np.moveaxis(weights, 1, -1)
        return channels_last.reshape(len(weights), -1).T
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    columns = np.swapaxes(weights, -1, -2) if transposed else weights
    return np.moveaxis(columns, -2, 0).reshape(columns.shape[-2], -1) if columns.ndim > 1 else columns[:, None]


def _share(terms: np.ndarray) -> float:
    """Return the share of pairs of neighbouring terms whose sum can leave the range of int16; the worst case is two terms of one sign."""
    count = len(terms) // 2
    if not count * terms.shape[1]:
        return 0.0
    pairs = terms[: count * 2].astype(np.int32).reshape(count, 2, -1)
    most, least = (side.sum(axis=1) * _LARGEST_ACTIVATION for side in (np.maximum(pairs, 0), np.minimum(pairs, 0)))
    limits = np.iinfo(np.int16)
    return float(np.mean((most > limits.max) | (least < limits.min)))
