"""Compare the content of an .onnx file with the request for it, operator by operator."""

from __future__ import annotations

import importlib
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from toolkit.conversion.made_file import NOT_SMALLER, MadeFile
from toolkit.engines.kept_scheme import kept_scheme, what_came_out
from toolkit.engines.onnx.file import describe, packed_in, size_of
from toolkit.engines.onnx.graph import (
    DEQUANTIZE,
    QUANTIZE,
    constants_of,
    dtype_name,
    graphs_of,
    kept_nodes,
    nodes_of,
    read,
)
from toolkit.engines.onnx.model_proto import ModelProto, NodeProto
from toolkit.engines.onnx.session import session, spec, with_outputs
from toolkit.findings import Finding
from toolkit.wire.request import sha256

NAMED = 10
# Operators with weights, and the number of inputs before the first that may be a weight. From https://onnx.ai/onnx/operators
_WEIGHTS_FROM = {
    "Conv": 1,
    "ConvTranspose": 1,
    "Gemm": 0,
    "MatMul": 0,
    "LSTM": 1,
    "GRU": 1,
    "RNN": 1,
    "Loop": 2,
    "Scan": 0,
}
# A scheme's dtype of weights, and the dtypes that ONNX Runtime's quantizers write for it.
_STORED_AS = {"int8": ("int8", "uint8"), "int4": ("int4", "uint4")}


def held(path: Path, scheme: str, options: Mapping[str, Any], model: Path | None = None) -> MadeFile:
    """Return the real content of a file that was made by a scheme, with findings where it differs from the request.

    `options` are those of the quantizer; `model` is the float artifact that the file was made from. Only a wrong dtype of inputs and outputs is an
    error: with any other finding the file computes the same function, but is larger, slower, or not integer. ONNX Runtime shows which kernels it
    would take.
    """
    made_by = importlib.import_module(f"toolkit.conversion.schemes.{scheme}")
    found: dict[str, Any] = {**describe(path)}
    (signature,) = found.pop("signatures")
    given = found.pop("activations")
    keeps, read_as = scheme, found.pop("scheme")
    findings = [*map(Finding.from_json, found.pop("findings")), *_other_dtypes(signature, options)]
    if model is not None:
        kept = {node.name for node in kept_nodes(read(model), options["keep_float"])}
        made = read(path)
        findings += [*_islands(path, made_by.ACTIVATIONS, kept), *_not_kept(made, kept)]
        if any(node.op_type == QUANTIZE for node in nodes_of(made)):  # onnx cannot infer the dtypes of every file
            given.append(made_by.ACTIVATIONS)
        if kept_scheme(scheme, _weights(made), given, ()) != scheme:
            keeps = read_as
        if _weights(made).isdisjoint(_STORED_AS.get(made_by.WEIGHTS, (made_by.WEIGHTS,))):
            message = what_came_out(scheme, keeps, f"no weight became {made_by.WEIGHTS}")
            findings.append(Finding("nothing-quantized", "warning", message, names=()))
        elif keeps != scheme:
            message = what_came_out(scheme, keeps, f"no operator gives {made_by.ACTIVATIONS}")
            findings.append(Finding("another-scheme", "warning", message, names=()))
        else:
            findings += [*_left_float(made, made_by.WEIGHTS, kept), *_not_smaller(path, model)]
    about = {"file": path.name, "size_bytes": path.stat().st_size, "sha256": sha256(path), "signature": signature}
    said = [each.to_json() for each in findings]
    return cast(MadeFile, {**about, **found, "keeps": keeps, "findings": said})


def float_operators(path: Path, kept: set[str]) -> list[str]:
    """Return the operators that still give floating point after ONNX Runtime inserts its integer kernels: the float islands in an integer model.

    QuantizeLinear and DequantizeLinear always use float and do not count; neither do the nodes `kept`.
    """
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        session(path, kernels="extended", optimized=optimized)
        model = read(optimized)
    names = sorted({name for node in model.graph.node for name in node.output if name})
    probed = session(with_outputs(model, names), kernels="reference")
    dtypes = {output.name: spec(output)["dtype"] for output in probed.get_outputs()}
    return sorted(
        {
            node.op_type
            for node in model.graph.node
            if node.op_type not in (QUANTIZE, DEQUANTIZE)
            and node.name not in kept
            and any(dtypes.get(name, "").startswith("float") for name in node.output)
        }
    )


def _other_dtypes(signature: Mapping[str, Any], options: Mapping[str, Any]) -> list[Finding]:
    """Return findings for inputs and outputs of real numbers that do not have the requested dtype."""
    found = []
    for side in ("inputs", "outputs"):
        real = [each for each in signature[side] if each["dtype"].startswith("float") or "scale" in each]
        wrong = [each["name"] for each in real if each["dtype"] != options[side]]
        if wrong:
            message = f"{side} {', '.join(wrong)}: not {options[side]}, as requested"
            found.append(Finding("not-as-asked", "error", message, names=tuple(wrong)))
    return found


def _islands(path: Path, dtype: str, kept: set[str]) -> list[Finding]:
    names = float_operators(path, kept) if dtype != "float32" else []
    message = f"not {dtype} but computed in float by ONNX Runtime: {', '.join(names)}"
    return [Finding("float-operators", "warning", message, names=tuple(names))] if names else []


def _not_kept(made: ModelProto, kept: set[str]) -> list[Finding]:
    """Return the finding that names operators that should have stayed float and did not: they are gone, or their weights are dequantized."""
    constants = {constant.name for graph in graphs_of(made) for constant in graph.initializer}
    small = {node.output[0] for node in nodes_of(made) if node.op_type == DEQUANTIZE and node.input[0] in constants}
    still = {node.name for node in nodes_of(made) if small.isdisjoint(node.input)}
    gone = sorted(kept - still)
    message = f"{len(gone)} operators were to stay float and did not: {', '.join(gone[:NAMED])}"
    return [Finding("not-kept-float", "error", message, names=tuple(gone[:NAMED]))] if gone else []


def _weights(made: ModelProto) -> set[str]:
    """Return the dtypes of constants of two dimensions or more; scales and zero points have fewer."""
    packed = packed_in(made)
    return {
        packed.get(constant.name) or dtype_name(constant.data_type)
        for constant in constants_of(made)
        if len(constant.dims) > 1
    }


def _left_float(made: ModelProto, wanted: str, kept: set[str]) -> list[Finding]:
    """Return the finding that names operators whose weights are still float32 without a request for that."""
    left = [(node, size) for node, size in _float_weights(made) if node.name not in kept]
    if not left:
        return []
    types = Counter(node.op_type for node, _ in left)
    shown = ", ".join(f"{count} {name}" for name, count in sorted(types.items()))
    message = f"weights of {shown}, {sum(size for _, size in left)} bytes, did not become {wanted}"
    return [Finding("weights-not-quantized", "warning", message, names=tuple(node.name for node, _ in left[:NAMED]))]


def _float_weights(made: ModelProto) -> list[tuple[NodeProto, int]]:
    """Return (node, bytes) of operators whose weights are float32 constants of two dimensions or more."""
    constants = {constant.name: constant for graph in graphs_of(made) for constant in graph.initializer}
    found = []
    for node in nodes_of(made):
        inputs = node.input[_WEIGHTS_FROM[node.op_type] :] if node.op_type in _WEIGHTS_FROM else []
        weights = [constants[name] for name in inputs if name in constants and len(constants[name].dims) > 1]
        size = sum(size_of(each) for each in weights if dtype_name(each.data_type) == "float32")
        if size:
            found.append((node, size))
    return found


def _not_smaller(path: Path, model: Path) -> list[Finding]:
    after, before = path.stat().st_size, model.stat().st_size
    message = f"weights were quantized, and yet the file has {after} bytes, the float artifact {before}"
    return [Finding(NOT_SMALLER, "warning", message, names=())] if after >= before else []
