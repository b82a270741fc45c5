"""Compare the content of a quantized .tflite with the request for it, operator by operator."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from toolkit.conversion.made_file import NOT_SMALLER, MadeFile
from toolkit.conversion.tflite.converter_setup import advice
from toolkit.engines.kept_scheme import kept_scheme, what_came_out
from toolkit.engines.tflite.file import beyond_float16, describe
from toolkit.engines.tflite.interpreter import bind
from toolkit.engines.tflite.operators import Operator, Tensor, activations, operators
from toolkit.errors import Unconvertible, UnknownName
from toolkit.findings import Finding
from toolkit.wire.request import sha256

LARGE = 1024  # elements: TensorFlow's converter also leaves smaller weights in float (quantize_weights.cc, kWeightsMinNumElementsDefault)
NAMED = 10
_TRANSFORM = "RFFT2D"
_INTERPRETERS = ("ai_edge_litert.interpreter", "tensorflow.lite.python.interpreter")
_OVER_CHANNELS = {
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "TRANSPOSE_CONV",
}  # their weights may have a scale for each output channel
_CHANNELS = {
    "DEPTHWISE_CONV_2D": -1
}  # the axis of output channels; 0 for the others: the quantization specification of LiteRT


def held(path: Path, scheme: str, options: Mapping[str, Any], model: Path | None = None) -> MadeFile:
    """Return the real content of a file that was made by a scheme, with findings where it differs from the request.

    `options` are those of the quantizer; `model` is the float artifact that the file was made from. "keeps" is the scheme that the file keeps, which
    may differ from `scheme`. Only a wrong dtype of inputs and outputs is an error: with any other finding the file computes the same function, but is
    larger, slower, or not integer. Unconvertible if no interpreter starts the file.
    """
    made_by = importlib.import_module(f"toolkit.conversion.schemes.{scheme}")
    found: dict[str, Any] = {**describe(path)}
    (signature,) = found.pop("signatures")
    findings = [*map(Finding.from_json, found.pop("findings")), *_other_dtypes(signature, options)]
    keeps = scheme
    if made_by.QUANTIZERS:
        start(path, scheme, options.get("sizes"))
        kept = set(kept_tensors(operators(model), options["keep_float"])) if model is not None else set()
        findings += differences(operators(path), scheme, options["granularity"], kept)
        findings += beyond_float16(path)
        keeps = kept_scheme(scheme, found["weights_bytes"], activations(path), _types(found))
        if made_by.WEIGHTS not in found["weights_bytes"]:
            message = what_came_out(scheme, keeps, f"no weight became {made_by.WEIGHTS}")
            findings.append(Finding("nothing-quantized", "warning", message, names=()))
        elif keeps != scheme:
            message = what_came_out(scheme, keeps, f"no operator gives {made_by.ACTIVATIONS}")
            findings.append(Finding("another-scheme", "warning", message, names=()))
        elif model is not None and path.stat().st_size >= model.stat().st_size:
            sizes = f"{path.stat().st_size} bytes, the float artifact {model.stat().st_size}"
            findings.append(
                Finding(NOT_SMALLER, "warning", f"weights were quantized, and yet the file has {sizes}", names=())
            )
    about = {"file": path.name, "size_bytes": path.stat().st_size, "sha256": sha256(path), "signature": signature}
    said = [each.to_json() for each in findings]
    return cast(MadeFile, {**about, **found, "keeps": keeps, "findings": said})


def _types(found: Mapping[str, Any]) -> list[str]:
    return [operator["name"] for operator in found["operators"]]


def differences(of: Sequence[Operator], scheme: str, granularity: str, kept: set[str]) -> list[Finding]:
    """Return the findings about a file's operators; `kept` are outputs of the operators that should stay float."""
    return [
        *_islands(of, scheme, kept),
        *_not_kept(of, kept),
        *_left_float(of, scheme, kept),
        *_granularity(of, granularity),
    ]


def start(path: Path, scheme: str, sizes: Mapping[str, Sequence[int]] | None = None) -> None:
    """Let an interpreter prepare all kernels of a file; Unconvertible in its own words if it cannot. Other checks cover custom operators.

    `sizes` are shapes by input, for a file that leaves some open.
    """
    if any(each.name.startswith("CUSTOM") for each in operators(path)):
        return
    module = _interpreter_module()
    kernels = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = module.Interpreter(model_path=str(path), experimental_op_resolver_type=kernels)
        _, inputs, _ = bind(interpreter, None)
        for name, shape in (sizes or {}).items():
            interpreter.resize_tensor_input(inputs[name]["index"], shape, strict=True)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise Unconvertible(
            f"{scheme}: a file was made that no interpreter can start: {' '.join(str(error).split())}",
            _about_start(path, scheme),
        ) from error


def _about_start(path: Path, scheme: str) -> str:
    """Return the advice for a file that no interpreter starts."""
    if any(each.name == _TRANSFORM for each in operators(path)):
        return f"a complex Fourier transform became a real one? {advice(['FFT'])}"
    if importlib.import_module(f"toolkit.conversion.schemes.{scheme}").QUANTIZERS:
        return "keep that operator in float, or take another quantizer or scheme"
    return advice([])


def kept_tensors(of: Iterable[Operator], keep_float: Mapping[str, list[str]]) -> list[str]:
    """Return the names of all outputs of the operators that should stay in float; UnknownName for a pattern or a type that fits no operator."""
    movable = [each for each in of if not each.moves]
    types = sorted({each.name for each in movable})
    names = [tensor.name for each in movable for tensor in each.outputs]
    for name in keep_float["operators"]:
        if name not in types:
            raise UnknownName("keep_float: operator", name, types)
    for pattern in keep_float["tensors"]:
        if not fnmatch.filter(names, pattern):
            near = difflib.get_close_matches(pattern, names, n=NAMED, cutoff=0.0)
            hint = (
                f"a pattern is held against the names of what operators give; the closest of {len(names)} is {near[0]!r}"
                if near
                else None
            )
            raise UnknownName("keep_float: tensor", pattern, near, hint)
    return [
        tensor.name
        for each in movable
        if each.name in keep_float["operators"] or _fits(each, keep_float["tensors"])
        for tensor in each.outputs
    ]


def _islands(of: Iterable[Operator], scheme: str, kept: set[str]) -> list[Finding]:
    """Return the finding that names operators that compute in float under an integer scheme without a request for that."""
    dtype = importlib.import_module(f"toolkit.conversion.schemes.{scheme}").ACTIVATIONS
    if dtype == "float32":
        return []
    left = [each for each in of if not each.moves and _gives_float(each) and kept.isdisjoint(_names(each))]
    return _listed("float-operators", f"not {dtype} but computed in float", left)


def _left_float(of: Sequence[Operator], scheme: str, kept: set[str]) -> list[Finding]:
    """Return the finding that names large weights that do not have the scheme's dtype without a request to stay float."""
    wanted = importlib.import_module(f"toolkit.conversion.schemes.{scheme}").WEIGHTS
    others = {"float32", "float16", "int8"} - {wanted}
    exempt = {tensor.name for each in of if not kept.isdisjoint(_names(each)) for tensor in each.inputs}
    left = {
        tensor.name: f"{tensor.name} ({tensor.dtype}, of {each.name})"
        for each in of
        for tensor in each.inputs
        if tensor.constant and _is_weight(tensor) and tensor.dtype in others and tensor.name not in exempt
    }
    if not left:
        return []
    shown = ", ".join(list(left.values())[:NAMED])
    message = f"{len(left)} weights of {LARGE} elements or more did not become {wanted}: {shown}"
    return [Finding("weights-not-quantized", "warning", message, names=tuple(list(left)[:NAMED]))]


def _not_kept(of: Sequence[Operator], kept: set[str]) -> list[Finding]:
    """Return the finding that names operators that should have stayed float and did not: they give integers, or their weights are not float32."""
    small = {
        tensor.name for each in of if each.name == "DEQUANTIZE" and each.inputs[0].constant for tensor in each.outputs
    }
    quantized = [
        each
        for each in of
        if not kept.isdisjoint(_names(each))
        and (
            any(tensor.scales and not tensor.dtype.startswith("float") for tensor in each.outputs)
            or any(tensor.name in small or _is_integer_weight(tensor) for tensor in each.inputs)
        )
    ]
    return _listed("not-kept-float", "to be kept in float, and yet quantized", quantized)


def _granularity(of: Iterable[Operator], asked: str) -> list[Finding]:
    """Return the finding that names convolutions whose weights have one scale and not the requested one per channel, or the other way round."""
    differ = []
    for each in of:
        for weights in each.inputs[1:2] if each.name in _OVER_CHANNELS else ():
            channels = weights.shape[_CHANNELS.get(each.name, 0)]
            wanted = 1 if asked == "per_tensor" else channels
            if weights.scales not in (0, wanted):
                differ.append(each)
    return _listed("other-granularity", f"weights are not quantized {asked}, as requested", differ)


def _other_dtypes(signature: Mapping[str, Any], options: Mapping[str, Any]) -> list[Finding]:
    findings = []
    for side in ("inputs", "outputs"):
        wrong = [spec["name"] for spec in signature[side] if _is_real(spec) and spec["dtype"] != options[side]]
        if wrong:
            message = f"{side} {wrong} are not {options[side]}, as requested"
            findings.append(Finding("not-as-asked", "error", message, names=tuple(wrong)))
    return findings


def _listed(code: str, message: str, of: Sequence[Operator]) -> list[Finding]:
    if not of:
        return []
    shown = [f"{each.name} ({', '.join(_names(each))})" for each in of[:NAMED]]
    more = f" and {len(of) - NAMED} more" if len(of) > NAMED else ""
    text = f"{message}: {len(of)} operators: {', '.join(shown)}{more}"
    return [Finding(code, "warning", text, names=tuple(sorted({each.name for each in of})))]


def _names(operator: Operator) -> list[str]:
    return [tensor.name for tensor in operator.outputs]


def _fits(operator: Operator, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in _names(operator) for pattern in patterns)


def _gives_float(operator: Operator) -> bool:
    return any(tensor.dtype.startswith("float") for tensor in operator.outputs)


def _is_weight(tensor: Tensor) -> bool:
    """Return whether schemes quantize a constant: a bias has one axis, and stays float or becomes int32."""
    return len(tensor.shape) > 1 and math.prod(tensor.shape) >= LARGE


def _is_integer_weight(tensor: Tensor) -> bool:
    return tensor.constant and tensor.scales > 0 and tensor.dtype in ("int4", "int8")


def _is_real(spec: Mapping[str, Any]) -> bool:
    """Return whether a tensor holds real numbers; ids and classes are integers without a scale, and stay unchanged."""
    return str(spec["dtype"]).startswith("float") or "scale" in spec


def _interpreter_module() -> Any:
    for name in _INTERPRETERS:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(f"none of {', '.join(_INTERPRETERS)} is installed here")
