"""The content of an ONNX file, read from the file itself and not taken from the request to a converter or quantizer."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from pathlib import Path
from typing import TypedDict

from toolkit.engines.description import Description, OperatorCount
from toolkit.engines.onnx.endings import endings
from toolkit.engines.onnx.extent import AGAIN
from toolkit.engines.onnx.graph import (
    DEQUANTIZE,
    QUANTIZE,
    STANDARD_DOMAINS,
    constants_of,
    dtype_name,
    graphs_of,
    lacking_operators,
    nodes_of,
    opset_of,
    read,
    spec_of,
)
from toolkit.engines.onnx.model_proto import ModelProto, NodeProto, TensorProto
from toolkit.engines.onnx.saturation import overflows
from toolkit.engines.onnx.scheme import scheme_of
from toolkit.engines.onnx.uses import uses
from toolkit.errors import InvalidSource
from toolkit.findings import OVERFLOWS_WITHOUT_VNNI, Finding
from toolkit.tensors.signature import OrderedSignature, TensorJson
from toolkit.wire.request import Request

_SHOWN = 3


class Grid(TypedDict):
    """Scale and zero point of a tensor, one each."""

    scale: list[float]
    zero_point: list[int]


_MOST_NUMBERS = (
    1 << 50
)  # of a constant: a thousand times more than in any model, and its bits can be counted in 64 bits


def inspect(request: Request) -> Description:
    """Return `describe` of inputs["model"], and the endings of its outputs; InvalidSource for a damaged file."""
    path = request.inputs["model"]
    described, model = describe(path), read(path)
    try:
        return {**described, "endings": endings(model)}
    except Exception as error:  # numbers of a damaged file lead anywhere
        raise InvalidSource(f"{path}: damaged ONNX model ({type(error).__name__}: {error})", AGAIN) from error


def describe(path: Path) -> Description:
    """Return the file's signature, scheme, operators (name, version, count), dtypes of tensors and activations, and bytes of weights by dtype.

    Raises InvalidSource for a file that is no ONNX model, or a damaged one.
    """
    model = read(path)
    try:
        given, dtypes = activations(model), _dtypes(model)
        return {
            "signatures": [signature(model)],
            "scheme": scheme_of(model, given),
            "operators": _operators(model),
            "uses": uses(model, dtypes),
            "tensors": dict(Counter(dtypes.values())),
            "weights_bytes": weights_bytes(model),
            "activations": given,
            "findings": [each.to_json() for each in _findings(model)],
        }
    except InvalidSource as error:
        raise InvalidSource(f"{path}: damaged ONNX model: {error.problem}", AGAIN) from error
    except Exception as error:  # numbers of a damaged file lead anywhere
        raise InvalidSource(f"{path}: damaged ONNX model ({type(error).__name__}: {error})", AGAIN) from error


def signature(model: ModelProto) -> OrderedSignature:
    """Return the JSON of a model's signature, sorted by name, and `order` as the file has them.

    An initializer is no input, though the file may list it as one: callers need not give it. A float output behind a DequantizeLinear has the scale
    of its integers, because its numbers lie on that grid.
    """
    constants = {constant.name: constant for constant in model.graph.initializer}
    inputs = [spec_of(value) for value in model.graph.input if value.name not in constants]
    grid = grids(model)
    outputs = [on_grid(spec_of(value), grid.get(value.name)) for value in model.graph.output]
    ordered = [sorted(side, key=lambda each: str(each["name"])) for side in (inputs, outputs)]
    order = {side: [str(each["name"]) for each in specs] for side, specs in (("inputs", inputs), ("outputs", outputs))}
    return {"key": None, "inputs": ordered[0], "outputs": ordered[1], "order": order}


def on_grid(spec: TensorJson, grid: Grid | None) -> TensorJson:
    """Return the spec with the scale and zero point of its grid, if it has one."""
    if grid is not None:
        spec["scale"], spec["zero_point"] = grid["scale"], grid["zero_point"]
    return spec


def grids(model: ModelProto) -> dict[str, Grid]:
    """Return scale and zero point (JSON of a spec) of every tensor from DequantizeLinear or QuantizeLinear with a single scale."""
    import onnx

    inside = (constant for constant in model.graph.initializer if constant.data_location != constant.EXTERNAL)
    constants = {constant.name: constant for constant in inside}
    found: dict[str, Grid] = {}
    for node in model.graph.node:
        if node.op_type in (QUANTIZE, DEQUANTIZE) and len(node.input) > 2 and set(node.input[1:]) <= constants.keys():
            scale, zero_point = (onnx.numpy_helper.to_array(constants[name]) for name in node.input[1:])
            if scale.size == 1:
                found[node.output[0]] = {"scale": [float(scale.item())], "zero_point": [int(zero_point.item())]}
    return found


def outside_of(model: ModelProto) -> list[str]:
    """Return the names of the tensors whose data lies in other files."""
    return sorted({constant.name for constant in constants_of(model) if constant.data_location == constant.EXTERNAL})


def read_whole(path: Path) -> ModelProto:
    """Return the model of a file; InvalidSource where it keeps tensors in other files, which could be any on this machine."""
    model = read(path)
    outside = outside_of(model)
    if outside:
        raise InvalidSource(
            f"{path}: keeps {len(outside)} tensors in other files, as {outside[0]!r}; these are not read"
        )
    return model


def packed_in(model: ModelProto) -> dict[str, str]:
    """Return the dtype of the weights that MatMulNBits packs into bytes, by the name of the constant."""
    return {
        node.input[1]: f"uint{attribute.i}"
        for node in nodes_of(model)
        if node.op_type == "MatMulNBits"
        for attribute in node.attribute
        if attribute.name == "bits"
    }


def weights_bytes(model: ModelProto) -> dict[str, int]:
    """Return the bytes of constants by dtype; packed weights of MatMulNBits, uint8 in its schema, count under their real dtype."""
    packed = packed_in(model)
    sizes: Counter[str] = Counter()
    for constant in constants_of(model):
        sizes[packed.get(constant.name) or dtype_name(constant.data_type)] += size_of(constant)
    return dict(sizes)


def size_of(constant: TensorProto) -> int:
    """Return the bytes of a constant's numbers in the runtime, two of four bits in one byte; InvalidSource for an impossible shape."""
    import onnx

    if min(constant.dims, default=0) < 0 or math.prod(constant.dims) > _MOST_NUMBERS:
        raise InvalidSource(f"its constant {constant.name!r} says the shape {list(constant.dims)}")
    bits = (
        4
        if dtype_name(constant.data_type) in ("int4", "uint4")
        else onnx.helper.tensor_dtype_to_np_dtype(constant.data_type).itemsize * 8
    )
    return math.ceil(math.prod(constant.dims) * bits / 8)


def activations(model: ModelProto) -> list[str]:
    """Return the dtypes of operators' outputs, as far as onnx tells them; where only QuantizeLinear takes an output, the dtype of its integers."""
    dtypes = _dtypes(model)
    takers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    found = set()
    for node in model.graph.node:
        for name in node.output if node.op_type not in (QUANTIZE, DEQUANTIZE, "Constant") else ():
            after = takers.get(name, [])
            integers = [each.output[0] for each in after if each.op_type == QUANTIZE]
            found |= {dtypes.get(each) for each in (integers if len(integers) == len(after) > 0 else [name])}
    return sorted(dtype for dtype in found if dtype is not None)


def _dtypes(model: ModelProto) -> dict[str, str]:
    """Return the dtypes of all tensors by name, as far as onnx tells them."""
    import onnx

    with contextlib.suppress(Exception):  # it fails on many files from elsewhere; then only dtypes in the file count
        model = onnx.shape_inference.infer_shapes(model)
    numbers: dict[str, int] = {}
    for graph in graphs_of(model):
        values = (*graph.input, *graph.output, *graph.value_info)
        numbers |= {value.name: value.type.tensor_type.elem_type for value in values}
        numbers |= {constant.name: constant.data_type for constant in graph.initializer}
    return {name: dtype_name(number) for name, number in numbers.items()}


def _operators(model: ModelProto) -> list[OperatorCount]:
    """Return name (with its domain, where it is not ONNX's), opset of its domain, and count of all operators."""
    used = Counter(
        (node.domain if node.domain not in STANDARD_DOMAINS else "", node.op_type) for node in nodes_of(model)
    )
    found: list[OperatorCount] = [
        {"name": f"{domain}.{name}" if domain else name, "version": opset_of(model, domain), "count": count}
        for (domain, name), count in used.items()
    ]
    return sorted(found, key=lambda operator: (str(operator["name"]), operator["version"]))


def _findings(model: ModelProto) -> list[Finding]:
    """Return findings about what no converter should write."""
    findings = []
    lacking = lacking_operators(model)
    if lacking:
        message = f"opset {opset_of(model)} has no operator {', '.join(lacking)}: no runtime takes this file"
        findings.append(Finding("unknown-operators", "error", message, names=tuple(lacking)))
    foreign = sorted(
        {f"{node.domain}.{node.op_type}" for node in nodes_of(model) if node.domain not in STANDARD_DOMAINS}
    )
    if foreign:
        message = f"needs operators outside of ONNX, which only some runtimes have: {', '.join(foreign)}"
        findings.append(Finding("custom-operators", "warning", message, names=tuple(foreign)))
    outside = outside_of(model)
    if outside:
        message = f"{len(outside)} tensors lie in other files, which are not read: the file alone is not a whole model"
        findings.append(Finding("external-data", "error", message, names=tuple(outside[:10])))
    return [*findings, *_overflowing(model)]


def _overflowing(model: ModelProto) -> list[Finding]:
    """Return the finding about operators with other results on x86 without VNNI."""
    found = overflows(model)
    if not found:
        return []
    shown = ", ".join(f"{each.operator} `{each.output}` in {each.share:.2g} of its pairs" for each in found[:_SHOWN])
    rest = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    message = (
        "on x86 without VNNI (AMD before Zen 4, most Intel PCs before 2021) ONNX Runtime adds products of uint8 and int8 in 16 bits, "
        f"which they can leave: {shown}{rest}; 20 dB were seen to be lost; uint8 weights, or int8 ones of 7 bits, hold everywhere: "
        "--target onnxruntime-x86_64"
    )
    return [Finding(OVERFLOWS_WITHOUT_VNNI, "warning", message, names=tuple(each.output for each in found[:10]))]
