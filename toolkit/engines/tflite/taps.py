"""A .tflite whose intermediate tensors can be read: a copy of the file in which they are outputs, on the same kernels.

Outputs keep their memory until the end of a call. Other tensors do not: an operator that works in place (ADD in a residual block) puts its result
into its input's buffer, so after the call that buffer holds another operator's values.

`extremes` gives only the extremes of tensors: reductions behind each operator read a tensor while it is still in a cache.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.loaded import Extremes, RunOptions, Tapped, TappedTensor
from toolkit.engines.table_index import read_in
from toolkit.engines.tflite.interpreter import Fit, fitting, resolvers
from toolkit.engines.tflite.packed import PackedModel, operators_in, schema_module
from toolkit.engines.tflite.reductions import REDUCTIONS, reduce, reducible
from toolkit.engines.tflite.tables import ModelT, shape_of
from toolkit.errors import InvalidSource, UnknownName

_NUMBERS = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64")


def tap(module: Any, engine: str, model: Path, options: RunOptions) -> Tapped:
    """Return the model with all tensors of numbers that are inputs or outputs of operators in its main graph.

    `module` and `options` are as in `toolkit.engines.tflite.interpreter.load`. Each call resets variable tensors. Tensors inside loops and branches,
    and tensors internal to operators, are left out: see `unread`.
    Raises InvalidSource for a file that is no TFLite file, or larger than a flatbuffer can be.
    """
    schema, content = schema_module(), _content(model)
    parsed = _parsed(schema, model, content)
    inputs, given = _inputs(parsed, options.get("signature")), outputs_of_operators(content)
    parsed.subgraphs[0].outputs = np.array(list(given), np.int32)
    interpreter, fit = _interpreter(module, _packed(parsed, len(content)), options)
    readers = [interpreter.tensor(place) for place in given]

    def call(sample: dict[str, np.ndarray]) -> list[np.ndarray]:
        _run(interpreter, fit, inputs, sample)
        return [*(sample[name] for name in inputs), *(read() for read in readers)]

    return Tapped(_specs(interpreter, inputs, given), call, engine)


def extremes(module: Any, engine: str, model: Path, options: RunOptions, *, values: bool) -> Extremes:
    """Return the model with reductions behind each operator of its main graph, whose kernels compute the extremes of its outputs.

    All else is as in `tap`. XNNPACK's minimum and maximum skip NaN, but a sum does not: a tensor whose sum is not finite gets no extremes. Tensors
    are read whole if the file leaves their sizes open, and if they are scalars, empty, or have more axes than XNNPACK takes.
    """
    schema, content = schema_module(), _content(model)
    parsed = _parsed(schema, model, content)
    inputs, given = _inputs(parsed, options.get("signature")), outputs_of_operators(content)
    graph = parsed.subgraphs[0]
    operators = {**dict.fromkeys(inputs.values(), ""), **given}
    floats = [place for place in operators if graph.tensors[place].type == schema.TensorType.FLOAT32]
    reduced = [place for place in floats if reducible(graph.tensors[place], operators[place])]
    sizes = {place: math.prod(shape_of(graph.tensors[place])) for place in reduced}
    shown = [place for place in floats if place in given and (values or place not in sizes)]
    said = reduce(schema, parsed, reduced)
    graph.outputs = np.array([*said, *shown], np.int32)
    interpreter, fit = _interpreter(module, _packed(parsed, len(content)), options)
    readers = {place: interpreter.tensor(place) for place in (*said, *shown)}
    blank = np.array([(math.nan, math.nan, sizes.get(place, math.nan)) for place in floats], np.float64).reshape(-1, 3)
    rows = [row for row, place in enumerate(floats) if place in sizes]

    def call(sample: dict[str, np.ndarray]) -> tuple[list[np.ndarray | None], np.ndarray]:
        _run(interpreter, fit, inputs, sample)
        found = blank.copy()
        for place in said:
            each = readers[place]().reshape(-1, len(REDUCTIONS))
            known = np.isfinite(each[:, 2]) & (each[:, 0] <= each[:, 1])
            found[rows, :2] = np.where(known[:, np.newaxis], each[:, :2], math.nan)
        arrays = [readers[place]() if place in readers else None for place in given]
        return [*(sample[name] for name in inputs), *arrays], found

    return Extremes(_specs(interpreter, inputs, given), call, engine)


def unread(model: Path) -> tuple[str, ...]:
    """Return the names of float32 tensors that the model computes and `tap` cannot read.

    These are inside loops and branches, or intermediate in fused operators (the gates of an LSTM), whose integer kernels need their ranges.
    """
    packed = PackedModel.read(_content(model))
    names = []
    for number, graph in enumerate(packed.graphs):
        for operator in operators_in(graph):
            hidden = [operator.Intermediates(index) for index in range(operator.IntermediatesLength())]
            if number > 0:
                hidden += [operator.Outputs(index) for index in range(operator.OutputsLength())]
            tensors = [graph.Tensors(index) for index in hidden if index >= 0]
            names += [each.Name().decode() for each in tensors if packed.dtype(each) == "float32"]
    return tuple(dict.fromkeys(names))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise InvalidSource(f"{path}: not a TFLite file (no TFL3 identifier)")
    return content


def _parsed(schema: Any, path: Path, content: bytes) -> ModelT:
    """Return the tables of a file, unpacked to be changed; InvalidSource where its weights lie behind the tables."""
    parsed = schema.ModelT.InitFromPackedBuf(content, 0)
    if any(buffer.offset > 1 for buffer in parsed.buffers):
        raise InvalidSource(f"{path}: keeps its weights behind the flatbuffer (over 2 GB), where no copy can be made")
    return parsed


def _run(interpreter: Any, fit: Fit, inputs: dict[str, int], sample: dict[str, np.ndarray]) -> None:
    if sample.keys() != inputs.keys():
        raise ValueError(f"given {sorted(sample)}, the model takes {sorted(inputs)}")
    fit({place: sample[name] for name, place in inputs.items()})
    interpreter.reset_all_variables()
    for name, place in inputs.items():
        interpreter.set_tensor(place, sample[name])
    with read_in(interpreter):
        interpreter.invoke()


def _interpreter(module: Any, content: bytes, options: RunOptions) -> tuple[Any, Fit]:
    interpreter = module.Interpreter(
        model_content=content,
        num_threads=options["threads"],
        experimental_op_resolver_type=resolvers(module)[options.get("kernels", "default")],
    )
    return interpreter, fitting(interpreter)


def _inputs(parsed: ModelT, key: str | None) -> dict[str, int]:
    """Return the input tensors by their names in the signature, or by their own names for older files without a signature."""
    graph = parsed.subgraphs[0]
    known = {each.signatureKey.decode(): each for each in parsed.signatureDefs or () if each.subgraphIndex == 0}
    if key is None and not known:
        return {graph.tensors[index].name.decode(): int(index) for index in graph.inputs}
    key = next(iter(known)) if key is None else key
    if key not in known:
        raise UnknownName("signature of the main graph", key, known)
    return {item.name.decode(): int(item.tensorIndex) for item in known[key].inputs or ()}


def outputs_of_operators(content: bytes) -> dict[int, str]:
    """Return {tensor: operator} for all tensors of numbers that operators of the main graph give, in the order of execution."""
    model = PackedModel.read(content)
    graph = model.root.Subgraphs(0)
    found: dict[int, str] = {}
    for operator in operators_in(graph):
        name = model.operator(operator)
        for place in (operator.Outputs(index) for index in range(operator.OutputsLength())):
            tensor = graph.Tensors(place) if place >= 0 else None
            if tensor is not None and not tensor.IsVariable() and model.dtype(tensor) in _NUMBERS:
                found.setdefault(place, name)
    return found


def _packed(parsed: ModelT, size: int) -> bytes:
    import flatbuffers

    parsed.signatureDefs = None  # their outputs are no outputs here
    builder = flatbuffers.Builder(size + (1 << 16))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _specs(interpreter: Any, inputs: dict[str, int], given: dict[int, str]) -> tuple[TappedTensor, ...]:
    """Return the JSON of each tensor; a name that comes twice (not from TensorFlow) gets the tensor's index."""
    known = {each["index"]: each for each in interpreter.get_tensor_details()}
    tensors = [known[place] for place in (*inputs.values(), *given)]
    operators = [*("" for _ in inputs), *given.values()]
    times = Counter(details["name"] for details in tensors)
    found = []
    for details, operator in zip(tensors, operators, strict=True):
        name = details["name"] if times[details["name"]] == 1 else f"{details['name']}#{details['index']}"
        shape: list[int | None] = [int(size) for size in details["shape"]]
        spec: TappedTensor = {
            "name": name,
            "dtype": np.dtype(details["dtype"]).name,
            "shape": shape,
            "operator": operator,
        }
        parameters = details["quantization_parameters"]
        if len(parameters["scales"]):
            spec["scale"] = [float(scale) for scale in parameters["scales"]]
            spec["zero_point"] = [int(point) for point in parameters["zero_points"]]
        found.append(spec)
    return tuple(found)
