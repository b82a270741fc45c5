"""Set the versions of operators in a file that still has those of the float model.

A runtime that is older than a kernel's way to read its weights must see this by the version and refuse the file. With a version that is too low,
tflite-runtime 2.14 loads a FULLY_CONNECTED with a scale for each channel, takes the first scale for all, and silently gives wrong numbers.
"""

from __future__ import annotations

from typing import Any

from toolkit.conversion.tflite.repacking import code_of, packed, unpacked

# The first version of an operator with float activations that reads weights of this kind: tensorflow/lite/tools/versioning/op_version.cc.
# That file has no rule for int4 under float activations; here it is the version that brought int4 to the operator.
_VERSIONS = {
    "CONV_2D": {"int8": 2, "int8 per channel": 5, "int4": 7},
    "DEPTHWISE_CONV_2D": {"int8": 4, "int8 per channel": 6, "int4": 7},
    "FULLY_CONNECTED": {"int8": 9, "int8 per channel": 12, "int4": 12},
    "EMBEDDING_LOOKUP": {"int8": 3, "int8 per channel": 4, "int4": 4},
    "DEQUANTIZE": {"int8": 2, "int8 per channel": 5, "int4": 6, "float16": 3, "int16": 3},
}
_WEIGHTS = {"DEQUANTIZE": 0}  # the input that holds the weights; 1 for other operators


def versioned(content: bytes) -> bytes:
    """Return the file with the needed versions of operators that read small weights.

    FULLY_CONNECTED quantizes its float inputs with a zero point (`asymmetric_quantize_inputs`), as from the converter; this needs version 9.
    """
    schema, model = unpacked(content)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            name = names[number]
            kind = _kind(schema, graph, operator, name) if name in _VERSIONS else None
            if kind is None:
                continue
            operator.opcodeIndex = code_of(schema, model, number, max(code.version, _VERSIONS[name][kind]))
            if name == "FULLY_CONNECTED":
                operator.builtinOptions.asymmetricQuantizeInputs = True
    return packed(schema, model, len(content))


def _kind(schema: Any, graph: Any, operator: Any, name: str) -> str | None:
    """Return the storage of the weights of an operator with float results, as a key of the table above; None if it needs no version."""
    weights = graph.tensors[operator.inputs[_WEIGHTS.get(name, 1)]]
    if graph.tensors[operator.outputs[0]].type != schema.TensorType.FLOAT32:
        return None
    types = schema.TensorType
    dtype = {types.INT8: "int8", types.INT4: "int4", types.FLOAT16: "float16", types.INT16: "int16"}.get(weights.type)
    scales = () if weights.quantization is None or weights.quantization.scale is None else weights.quantization.scale
    if dtype == "int8" and len(scales) > 1:
        return "int8 per channel"
    return dtype if dtype in _VERSIONS[name] else None
