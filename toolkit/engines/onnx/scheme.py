"""The scheme of an ONNX file from any converter, by its operators and the dtypes of its constants."""

from __future__ import annotations

from collections.abc import Collection

from toolkit.engines.onnx.graph import DEQUANTIZE, constants_of, dtype_name, nodes_of
from toolkit.engines.onnx.model_proto import ModelProto

_DYNAMIC = ("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "ConvInteger", "MatMulInteger")
# `accuracy_level` of MatMulNBits at which each call rounds activations to int8: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
_ROUNDS_ACTIVATIONS = 4
_BYTES = {"int8", "uint8"}


def scheme_of(model: ModelProto, activations: Collection[str]) -> str:
    """Return a scheme's name; `activations` are the dtypes of operators' outputs. Signed and unsigned integers count as the same."""
    operators = {node.op_type for node in nodes_of(model)}
    for node in nodes_of(model):
        if node.op_type == "MatMulNBits":
            said = {attribute.name: attribute.i for attribute in node.attribute}
            bits = f"wi{said['bits']}"
            return (
                f"dynamic_{bits}_afp32" if said.get("accuracy_level") == _ROUNDS_ACTIVATIONS else f"weight_only_{bits}"
            )
    weights = {dtype_name(constant.data_type) for constant in constants_of(model) if len(constant.dims) > 1}
    if weights & _BYTES and not operators.isdisjoint(_DYNAMIC):
        return "dynamic_wi8_afp32"
    if weights & _BYTES and {"int16", "uint16"} & set(activations):
        return "static_wi8_ai16"
    if weights & _BYTES and _BYTES & set(activations):
        return "static_wi8_ai8"
    if weights & _BYTES and DEQUANTIZE in operators:
        return "weight_only_wi8"
    return "float16" if "float16" in weights else "float32"
