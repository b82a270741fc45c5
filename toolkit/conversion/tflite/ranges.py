"""Write ranges of activations into a float .tflite for TensorFlow's quantizer: as minimum and maximum of each tensor's quantization."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from toolkit import printable
from toolkit.engines.tflite.operators import operators
from toolkit.engines.tflite.packed import schema_module
from toolkit.errors import Unconvertible

# They have intermediate tensors, and no output of the model shows their ranges (tensorflow/lite/tools/optimize/operator_property.cc).
_WITH_INTERMEDIATES = {"LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
_WITH_BODIES = {"WHILE", "IF"}
_SHOWN = 5


def with_ranges(path: Path, ranges: Mapping[str, tuple[float, float]], kept: Collection[str]) -> bytes:
    """Return a float .tflite with [minimum, maximum] of `ranges` (by tensor name, real units) in every float activation of its main graph.

    `kept` are outputs of operators that stay float. Unconvertible if a range that the quantizer needs is unknown: without an error, it would leave
    the operators beside that tensor in float, or write a file that no runtime can run.
    """
    import flatbuffers

    for each in operators(path):
        inside = "intermediate tensors" if each.name in _WITH_INTERMEDIATES else "a body"
        unread = each.name in _WITH_INTERMEDIATES | _WITH_BODIES
        if unread and not any(tensor.name in kept for tensor in each.outputs):
            raise Unconvertible(
                f"mlir: {each.name} has {inside}, whose ranges are not known",
                _about_loops(each.name),
            )
    schema = schema_module()
    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    missing = []
    for tensor in _activations(schema, model.subgraphs[0]):
        name = tensor.name.decode()
        if name in ranges:
            tensor.quantization = schema.QuantizationParametersT()
            low, high = ranges[name]
            tensor.quantization.min, tensor.quantization.max = [low], [high]
        else:
            missing.append(name)
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise Unconvertible(f"mlir: no range is known of {len(missing)} tensors: {shown}")
    builder = flatbuffers.Builder(len(content) + (1 << 16))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _about_loops(name: str) -> str:
    """Return the advice for an operator whose inner tensors have no ranges."""
    kept = f"keep the operator in float: {printable.command(['--keep-float-op', name])}"
    if name not in _WITH_BODIES:
        return f"{kept}; the quantizer 'converter' calibrates what is inside itself"
    return f"a recurrence of Keras (LSTM, GRU)? make the layer with unroll=True, which takes the same weights: its steps have ranges; or {kept}"


def _activations(schema: Any, graph: Any) -> list[Any]:
    """Return all float tensors of a graph that are inputs or computed."""
    computed = [index for operator in graph.operators for index in operator.outputs if index >= 0]
    tensors = [graph.tensors[index] for index in dict.fromkeys([*graph.inputs, *computed])]
    return [tensor for tensor in tensors if tensor.type == schema.TensorType.FLOAT32]


def held_ranges(content: bytes) -> dict[str, list[float]]:
    """Return [minimum, maximum] by tensor name from a float .tflite that a calibrating converter wrote."""
    schema = schema_module()
    graph = schema.Model.GetRootAsModel(content, 0).Subgraphs(0)
    found = {}
    for tensor in (graph.Tensors(index) for index in range(graph.TensorsLength())):
        quantization = tensor.Quantization()
        if quantization is not None and quantization.MinLength() == quantization.MaxLength() == 1:
            found[tensor.Name().decode()] = [float(quantization.Min(0)), float(quantization.Max(0))]
    return found
