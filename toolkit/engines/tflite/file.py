"""The content of a .tflite file, read from the file itself and not taken from the request to a converter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.description import Description, OperatorCount
from toolkit.engines.tflite.arena import arena_bytes
from toolkit.engines.tflite.device_operators import IN_RUNTIMES
from toolkit.engines.tflite.extent import AGAIN, require_fitting
from toolkit.engines.tflite.packed import PackedModel, operators_in, tensors_in
from toolkit.engines.tflite.softmax import least_step
from toolkit.engines.tflite.uses import uses
from toolkit.errors import InvalidSource
from toolkit.findings import Finding
from toolkit.tensors.signature import OrderedSignature, TensorJson

_RANDOM = {"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL", "STABLEHLO_RNG_BIT_GENERATOR"}
_STATE = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}


def describe(path: Path) -> Description:
    """Return the file's signatures, operators (name, version, count) and their uses, dtypes of its tensors, and bytes of weights by dtype.

    Raises InvalidSource for a file that is no TFLite file, or a damaged one.
    """
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise InvalidSource(f"{path}: not a TFLite file (no TFL3 identifier)")
    try:
        model = PackedModel.read(content)
        require_fitting(path, model.root, len(content))
        return {
            "signatures": _signatures(model),
            "operators": _operators(model),
            "uses": uses(model),
            "arena_bytes": arena_bytes(model),
            "softmax_step": least_step(model),
            "tensors": dict(Counter(model.dtype(tensor) for graph in model.graphs for tensor in tensors_in(graph))),
            "weights_bytes": _weights(model),
            "findings": [each.to_json() for each in _findings(model)],
        }
    except InvalidSource:
        raise
    except Exception as error:  # offsets of a damaged flatbuffer lead anywhere
        raise InvalidSource(f"{path}: damaged TFLite file ({type(error).__name__}: {error})", AGAIN) from error


def _operators(model: PackedModel) -> list[OperatorCount]:
    used = Counter(operator.OpcodeIndex() for graph in model.graphs for operator in operators_in(graph))
    codes = {index: model.root.OperatorCodes(index) for index in used}
    found: list[OperatorCount] = [
        {"name": model.name_of_code(codes[i]), "version": codes[i].Version(), "count": used[i]} for i in used
    ]
    return sorted(found, key=lambda operator: (operator["name"], operator["version"]))


def _weights(model: PackedModel) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    seen = set()
    for tensor in (tensor for graph in model.graphs for tensor in tensors_in(graph)):
        size = model.size_bytes(tensor)
        if size and tensor.Buffer() not in seen:
            seen.add(tensor.Buffer())
            sizes[model.dtype(tensor)] += size
    return dict(sizes)


def _signatures(model: PackedModel) -> list[OrderedSignature]:
    found: list[OrderedSignature] = []
    graphs = model.graphs
    dequantized = {place: _dequantized(model, graph) for place, graph in enumerate(graphs)}
    for index in range(model.root.SignatureDefsLength()):
        definition = model.root.SignatureDefs(index)
        graph = graphs[definition.SubgraphIndex()]
        inputs = [definition.Inputs(i) for i in range(definition.InputsLength())]
        outputs = [definition.Outputs(i) for i in range(definition.OutputsLength())]
        found.append(
            {
                "key": definition.SignatureKey().decode(),
                "inputs": [spec_of(model, item.Name().decode(), graph.Tensors(item.TensorIndex())) for item in inputs],
                "outputs": [
                    _output(
                        model,
                        graph,
                        item.Name().decode(),
                        item.TensorIndex(),
                        dequantized[definition.SubgraphIndex()],
                    )
                    for item in outputs
                ],
                "order": {
                    "inputs": _in_order(graph.InputsLength(), graph.Inputs, inputs),
                    "outputs": _in_order(graph.OutputsLength(), graph.Outputs, outputs),
                },
            }
        )
    if not found and graphs:
        graph = graphs[0]
        tensors = [graph.Tensors(graph.Inputs(i)) for i in range(graph.InputsLength())]
        places = [graph.Outputs(i) for i in range(graph.OutputsLength())]
        takes = [spec_of(model, tensor.Name().decode(), tensor) for tensor in tensors]
        gives = [_output(model, graph, graph.Tensors(i).Name().decode(), i, dequantized[0]) for i in places]
        order = {"inputs": [spec["name"] for spec in takes], "outputs": [spec["name"] for spec in gives]}
        found.append({"key": None, "inputs": takes, "outputs": gives, "order": order})
    for signature in found:
        for specs in (signature["inputs"], signature["outputs"]):
            specs.sort(key=lambda spec: spec["name"])
    return sorted(found, key=lambda signature: str(signature["key"]))


def _in_order(count: int, tensor: Callable[[int], int], items: list[Any]) -> list[str]:
    """Return the names of a signature's tensors in the graph's own order, which interpreters use."""
    names = {item.TensorIndex(): item.Name().decode() for item in items}
    return [names[tensor(place)] for place in range(count) if tensor(place) in names]


def _dequantized(model: PackedModel, graph: Any) -> dict[int, int]:
    """Return the index of the integers by the index of each tensor from DEQUANTIZE; one walk serves all outputs."""
    found: dict[int, int] = {}
    made = set()
    for operator in operators_in(graph):
        if operator.OutputsLength() == 1 and operator.Outputs(0) not in made:
            made.add(operator.Outputs(0))
            if model.operator(operator) == "DEQUANTIZE":
                found[operator.Outputs(0)] = operator.Inputs(0)
    return found


def _output(model: PackedModel, graph: Any, name: str, index: int, dequantized: dict[int, int]) -> TensorJson:
    """Return an output's spec; a float output behind a DEQUANTIZE has the scale of its integers, because its numbers lie on that grid."""
    spec = spec_of(model, name, graph.Tensors(index))
    if index in dequantized:
        integers = spec_of(model, name, graph.Tensors(dequantized[index]))
        if "scale" in integers:
            spec["scale"], spec["zero_point"] = integers["scale"], integers["zero_point"]
    return spec


def spec_of(model: PackedModel, name: str, tensor: Any) -> TensorJson:
    """Return the JSON of a tensor under a name: dtype, shape with None for a size that is left open, and scales and zero points, if it has any."""
    shape = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
    if tensor.ShapeSignatureLength():
        shape = [size if size >= 0 else None for size in (tensor.ShapeSignature(i) for i in range(len(shape)))]
    spec: TensorJson = {"name": name, "dtype": model.dtype(tensor), "shape": shape}
    quantization = tensor.Quantization()
    if quantization is not None and quantization.ScaleLength():
        spec["scale"] = [float(quantization.Scale(i)) for i in range(quantization.ScaleLength())]
        spec["zero_point"] = [int(quantization.ZeroPoint(i)) for i in range(quantization.ZeroPointLength())]
    return spec


def _findings(model: PackedModel) -> list[Finding]:
    """Return findings about what no converter should write, though converters do, with exit status 0."""
    codes = (model.root.OperatorCodes(index) for index in range(model.root.OperatorCodesLength()))
    tensors = [tensor for graph in model.graphs for tensor in tensors_in(graph)]
    return [*_about_operators(set(map(model.name_of_code, codes))), *_about_tensors(tensors)]


def _about_operators(names: set[str]) -> Iterator[Finding]:
    flex = sorted(name.removeprefix("CUSTOM ") for name in names if name.startswith("CUSTOM Flex"))
    custom = sorted(
        name.removeprefix("CUSTOM ") for name in names if name.startswith("CUSTOM ") and "CUSTOM Flex" not in name
    )
    if flex:
        message = f"needs TensorFlow's own kernels (Flex) for {', '.join(flex)}"
        yield Finding("flex-operators", "error", message, names=tuple(flex))
    known, foreign = ([name for name in custom if (name in IN_RUNTIMES) is own] for own in (True, False))
    if foreign:
        message = f"needs custom operators: {', '.join(foreign)}"
        yield Finding("custom-operators", "error", message, names=tuple(foreign))
    if known:
        message = f"{', '.join(known)} is no builtin operator, but LiteRT and tflite-runtime have it; TensorFlow Lite Micro, and others, may not"
        yield Finding("device-operators", "info", message, names=tuple(known))
    drawn = sorted(names & _RANDOM)
    if drawn:
        message = f"draws random numbers, and answers differently at each call: {', '.join(drawn)}"
        yield Finding("random-operators", "error", message, names=tuple(drawn))
    if "VAR_HANDLE" in names and "ASSIGN_VARIABLE" not in names:
        message = "reads variables that nothing ever assigns"
        yield Finding("variables-without-values", "error", message, names=tuple(sorted(names & _STATE)))


def _about_tensors(tensors: list[Any]) -> Iterator[Finding]:
    bad = [
        tensor
        for tensor in tensors
        if tensor.Quantization() is not None and not np.isfinite(tensor.Quantization().ScaleAsNumpy()).all()
    ]
    if bad:
        message = f"{len(bad)} tensors have a scale that is no finite number"
        yield Finding("scales-not-finite", "error", message, names=_named(bad))
    state = [tensor for tensor in tensors if tensor.IsVariable()]
    if state:
        message = (
            f"continues from its last call: {len(state)} variable tensors keep state; an application resets them "
            "(Interpreter::ResetVariableTensors, reset_all_variables in Python) before each sequence, as was done here before each sample"
        )
        yield Finding("variable-tensors", "warning", message, names=_named(state))


def _named(tensors: list[Any]) -> tuple[str, ...]:
    return tuple(tensor.Name().decode() for tensor in tensors[:10])


def beyond_float16(path: Path) -> list[Finding]:
    """Return the finding about float16 constants with infinity in them: mostly values beyond float16's range."""
    model = PackedModel.read(path.read_bytes())
    found = {}
    for tensor in (tensor for graph in model.graphs for tensor in tensors_in(graph)):
        buffer = model.root.Buffers(tensor.Buffer())
        if model.dtype(tensor) == "float16" and buffer.DataLength():
            values = buffer.DataAsNumpy().view(np.float16)
            if np.isinf(values).any():
                found[tensor.Name().decode()] = f"{int(np.isinf(values).sum())} of {values.size}"
    return said_beyond_float16(found, "became infinite")


def said_beyond_float16(found: dict[str, str], became: str) -> list[Finding]:
    """Return the finding about weights beyond float16's range; `found` has the count of such values by name."""
    if not found:
        return []
    some = ", ".join(f"{name} ({count} values)" for name, count in list(found.items())[:10])
    message = (
        f"{len(found)} weights are beyond float16's range of {np.finfo(np.float16).max:,.0f} and {became}: {some}; "
        "--keep-float NAME leaves an operator in float32, by the name of its output; or another scheme, or smaller weights"
    )
    return [Finding("beyond-float16", "warning", message, names=tuple(list(found)[:10]))]
