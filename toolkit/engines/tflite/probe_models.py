"""Writes one-operator .tflite files, and files that only name an operator in a version; a runtime is asked with them what it can run."""

from __future__ import annotations

import itertools
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np

from toolkit.engines.tflite.device_operators import IN_RUNTIMES
from toolkit.engines.tflite.packed import PackedModel, names_of, schema_module
from toolkit.engines.tflite.probe_operators import (
    PLAIN,
    WEIGHTED,
    Operand,
    Probed,
    Weighted,
    conversions,
    plain,
    weighted,
)
from toolkit.engines.tflite.uses import uses
from toolkit.wire.request import Request

NEWEST = 25
"""The newest version that is asked for; that of an operator was 14 at most in 2026."""

MODELS = "models.zip"
_NOT_OPERATORS = ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")
_CUSTOM = ("Flex", *sorted(IN_RUNTIMES))
_GRIDS = {"int8": (1 / 128, 0), "int4": (1 / 8, 0), "uint8": (1 / 128, 128), "int16": (1 / 32768, 0)}
_PLACEHOLDER = 127  # deprecated_builtin_code of operators with larger codes: tensorflow/lite/schema/schema.fbs


class Written(TypedDict):
    """The models of out/models.zip: those that name an operator in a version, and those of one operator with its combination of dtypes.

    `versions` is by operator the names of models by version; `models` by operator the names by combination; `custom` by name the model.
    """

    newest: int
    versions: dict[str, dict[str, str]]
    models: dict[str, dict[str, str]]
    custom: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Tensor:
    shape: tuple[int, ...]
    dtype: str
    grid: tuple[float, int] | None = None
    scales: int = 1
    channels: int = 0
    values: tuple[int, ...] | None = None  # of a constant
    filled: bool = False  # a constant of ones


def write(request: Request, moved: Callable[[bytes], bytes]) -> Written:
    """Write out/models.zip, each model a member; return which is which. options["operators"] are their names, null for all.

    With options["used"], a model that names an operator has one too, for a runtime that looks up only what is used; the oldest and the newest version
    are asked, and the newest stands for those between. `moved` gives a model of one operator the inputs and outputs that a runtime can be fed.
    """
    made: Written = {"newest": NEWEST, "versions": {}, "models": {}, "custom": {}}
    numbers, only = itertools.count(), request.options["operators"]
    known = set(names_of(schema_module().BuiltinOperator).values()) - {*_NOT_OPERATORS}
    names = sorted(known if only is None else known & {*only})
    with zipfile.ZipFile(request.out / MODELS, "w") as archive:

        def add(content: bytes) -> str:
            member = zipfile.ZipInfo(f"{next(numbers)}.tflite")  # of 1980: the same models are the same bytes
            archive.writestr(member, content)
            return member.filename

        for name in names:
            if request.options["used"]:
                oldest, newest = (add(_naming(name, version, used=True)) for version in (1, NEWEST))
                made["versions"][name] = {"1": oldest, **{str(each): newest for each in range(2, NEWEST + 1)}}
            else:
                made["versions"][name] = {str(each): add(_naming(name, each)) for each in range(1, NEWEST + 1)}
        for probed, tensors in _all():
            if probed.name not in names:
                continue
            content = _model(probed, *tensors)
            made["models"].setdefault(probed.name, {})[_combination(content)] = add(moved(content))
        made["custom"] = {name: add(_custom(name)) for name in _CUSTOM}
    return made


def _combination(content: bytes) -> str:
    (use,) = uses(PackedModel.read(content))
    return f"{', '.join(use['takes'])} -> {', '.join(use['gives'])}"


def _all() -> Iterator[tuple[Probed, tuple[list[_Tensor | None], list[_Tensor]]]]:
    for probed in plain():
        for dtype in PLAIN:
            yield probed, _tensors(probed, Weighted(dtype, dtype, dtype))
    for probed in weighted():
        for dtypes in WEIGHTED:
            takes, gives = _tensors(probed, dtypes)
            yield probed, (takes, gives)
            if probed.takes[-1].role == "bias":  # left out in two ways
                yield probed, ([*takes[:-1], None], gives)
                yield probed, (takes[:-1], gives)
    for name, taken, given, options in conversions():
        shape = (1, 4)
        ends = [_Tensor(shape, taken, _GRIDS.get(taken))], [_Tensor(shape, given, _GRIDS.get(given))]
        if name == "DEQUANTIZE" and ends[0][0].grid is not None:
            yield Probed(name, (), (), options), ([replace(ends[0][0], scales=4, channels=1)], ends[1])
        yield Probed(name, (), (), options), ends  # type: ignore[misc]


def _tensors(probed: Probed, dtypes: Weighted) -> tuple[list[_Tensor | None], list[_Tensor]]:
    takes: list[_Tensor | None] = [_tensor(each, dtypes, {}) for each in probed.takes]
    return takes, [_tensor(each, dtypes, probed.grids) for each in probed.gives]


def _tensor(operand: Operand, dtypes: Weighted, grids: Mapping[str, tuple[float, int]]) -> _Tensor:
    if operand.role == "fixed":
        return _Tensor(operand.shape, operand.dtype, values=operand.values)
    if operand.role == "activation":
        dtype = dtypes.activations
        return _Tensor(operand.shape, dtype, grids.get(dtype, _GRIDS.get(dtype)))
    scales = operand.shape[operand.channels] if dtypes.per_channel else 1
    if operand.role == "weights":
        grid = _GRIDS.get(dtypes.weights)
        return _Tensor(operand.shape, dtypes.weights, grid, scales, operand.channels, filled=True)
    grid = None
    if dtypes.bias.startswith("int"):
        grid = (_GRIDS[dtypes.activations][0] * _GRIDS[dtypes.weights][0], 0)
    return _Tensor(operand.shape, dtypes.bias, grid, scales, filled=True)


def _code(schema: Any, name: str, version: int, custom: str | None = None) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = getattr(schema.BuiltinOperator, name), version
    code.deprecatedBuiltinCode = min(code.builtinCode, _PLACEHOLDER)
    code.customCode = custom
    return code


def _packed(
    schema: Any,
    code: Any,
    tensors: list[Any],
    operators: list[Any],
    ends: tuple[list[int], list[int]],
    buffers: list[Any],
) -> bytes:
    import flatbuffers

    graph = schema.SubGraphT()
    graph.tensors, graph.operators, (graph.inputs, graph.outputs) = tensors, operators, ends
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _naming(name: str, version: int, *, used: bool = False) -> bytes:
    """Return a model that names an operator in a version, and has no operator: an interpreter looks all of them up. It has one if `used`."""
    schema = schema_module()
    tensors = [_made(schema, place, _Tensor((1,), "float32"), []) for place in ((0, 1) if used else (0,))]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    ends = ([0], [1] if used else [0])
    return _packed(schema, _code(schema, name, version), tensors, [operator] if used else [], ends, [schema.BufferT()])


def _custom(name: str) -> bytes:
    """Return a model with a custom operator; all of TensorFlow's kernels have one name here, as a runtime has all of them or none."""
    schema = schema_module()
    own = "FlexErf" if name == "Flex" else name
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    tensors = [_made(schema, place, _Tensor((1, 4), "float32"), []) for place in (0, 1)]
    return _packed(schema, _code(schema, "CUSTOM", 1, own), tensors, [operator], ([0], [1]), [schema.BufferT()])


def _model(probed: Probed, takes: list[_Tensor | None], gives: list[_Tensor]) -> bytes:
    schema = schema_module()
    buffers = [schema.BufferT()]
    held = [each for each in takes if each is not None]
    tensors = [_made(schema, place, each, buffers) for place, each in enumerate([*held, *gives])]
    places = iter(range(len(held)))
    operator = schema.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs = [-1 if each is None else next(places) for each in takes]
    operator.outputs = list(range(len(held), len(tensors)))
    if probed.options is not None:
        kind, fields = probed.options
        operator.builtinOptions = getattr(schema, f"{kind}T")()
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        for key, value in fields.items():
            setattr(operator.builtinOptions, key, value)
    fed = [place for place, each in enumerate(held) if each.values is None and not each.filled]
    code = _code(schema, probed.name, probed.version)
    return _packed(schema, code, tensors, [operator], (fed, list(operator.outputs)), buffers)


def _made(schema: Any, place: int, tensor: _Tensor, buffers: list[Any]) -> Any:
    """Return the tensor of the schema; the values of a constant go to the buffers."""
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = (
        f"t{place}",
        list(tensor.shape),
        getattr(schema.TensorType, tensor.dtype.upper()),
        0,
    )
    if tensor.grid is not None:
        scale, point = tensor.grid
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = np.full(tensor.scales, scale, np.float32)
        made.quantization.zeroPoint = np.full(tensor.scales, point, np.int64)
        made.quantization.quantizedDimension = tensor.channels if tensor.scales > 1 else 0
    if tensor.values is not None or tensor.filled:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(_bytes(tensor), np.uint8)
        buffers.append(buffer)
        made.buffer = len(buffers) - 1
    return made


def _bytes(tensor: _Tensor) -> bytes:
    """Return the values of a constant: those that it has, or ones; two of four bits in one byte."""
    count = math.prod(tensor.shape)
    if tensor.dtype == "int4":
        return bytes([0x11] * math.ceil(count / 2))
    values = np.ones(count) if tensor.values is None else np.array(tensor.values)
    return values.astype(tensor.dtype).tobytes()
