"""TFLite interpreters of any package: inputs and outputs bound by signature name, never by position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from toolkit.engines.loaded import Call, Loaded, RunOptions, Sample, Steps
from toolkit.engines.table_index import read_in
from toolkit.errors import UnknownName
from toolkit.tensors.signature import SignatureJson, TensorJson

Fit = Callable[[dict[int, np.ndarray]], None]
Asked = tuple[tuple["int | None", ...], np.dtype]  # shape and dtype of an array


class QuantizationParameters(TypedDict):
    """Scales and zero points of a tensor, empty where it is not quantized."""

    scales: np.ndarray
    zero_points: np.ndarray


class TensorDetails(TypedDict):
    """What an interpreter tells of a tensor; -1 in `shape_signature` is a size that the file leaves open."""

    name: str
    index: int
    shape: np.ndarray
    shape_signature: np.ndarray
    dtype: type[np.generic]
    quantization_parameters: QuantizationParameters


def load(module: Any, engine: str, model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run with the interpreter class of `module` (ai_edge_litert.interpreter, tflite_runtime.interpreter).

    `options["kernels"]`: "default" (delegates applied by default, XNNPACK), "builtin" (the same kernels without delegates), or "reference".
    """
    kernels = resolvers(module)[options.get("kernels", "default")]
    interpreter = module.Interpreter(
        model_path=str(model), num_threads=options["threads"], experimental_op_resolver_type=kernels
    )
    fit = fitting(interpreter)
    key, inputs, outputs = bind(interpreter, options.get("signature"))
    signature: SignatureJson = {"key": key, "inputs": specs(inputs), "outputs": specs(outputs)}
    if len(interpreter.get_signature_list()) > 1:
        return Loaded(_checked(_one_of_several(interpreter, key), inputs), engine, signature)
    feed = _feed(interpreter, inputs, fit)
    call = _checked(_the_only(interpreter, feed, outputs), inputs)
    return Loaded(call, engine, signature, steps=Steps(feed, interpreter.invoke))


def _feed(interpreter: Any, inputs: dict[str, TensorDetails], fit: Fit) -> Callable[[Sample], None]:
    def feed(sample: Sample) -> None:
        fit({details["index"]: sample[name] for name, details in inputs.items()})
        interpreter.reset_all_variables()  # a fused LSTM continues from its last call; state of the original has a handle, and stays
        for name, details in inputs.items():
            interpreter.set_tensor(details["index"], sample[name])

    return feed


def _the_only(interpreter: Any, feed: Callable[[Sample], None], outputs: dict[str, TensorDetails]) -> Call:
    def call(sample: Sample) -> dict[str, np.ndarray]:
        feed(sample)
        with read_in(interpreter):
            interpreter.invoke()
        return {name: interpreter.get_tensor(details["index"]) for name, details in outputs.items()}

    return call


def _one_of_several(interpreter: Any, key: str | None) -> Call:
    """Return the call of a signature with a runner: the interpreter itself runs only the file's first graph."""
    runner = interpreter.get_signature_runner(key)

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        interpreter.reset_all_variables()
        return dict(runner(**sample))

    return call


def fitting(interpreter: Any) -> Fit:
    """Return a function that allocates memory again where arrays, by tensor, have new sizes; the file must leave these sizes open (-1).

    Without open sizes, memory is allocated at once. With open sizes, the sizes in the file mean nothing, and operators may refuse them.
    """
    held = {
        each["index"]: (tuple(map(int, each["shape"])), -1 in each["shape_signature"])
        for each in interpreter.get_input_details()
    }
    sizes = {place: shape for place, (shape, _) in held.items()}
    if any(is_open for _, is_open in held.values()):
        sizes.clear()
    else:
        interpreter.allocate_tensors()

    def fit(arrays: dict[int, np.ndarray]) -> None:
        changed = {place: array.shape for place, array in arrays.items() if sizes.get(place) != array.shape}
        for place, shape in changed.items():
            interpreter.resize_tensor_input(place, shape, strict=True)
        if changed:
            interpreter.allocate_tensors()
            sizes.update(changed)

    return fit


def resolvers(module: Any) -> dict[str, Any]:
    """Return the resolver for each value of the option `kernels`."""
    return {
        "default": module.OpResolverType.AUTO,
        "builtin": module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": module.OpResolverType.BUILTIN_REF,
    }


def bind(interpreter: Any, key: str | None) -> tuple[str | None, dict[str, TensorDetails], dict[str, TensorDetails]]:
    """Return (key, inputs, outputs): details by name in the signature, or by tensor name for older files without a signature.

    UnknownName for a signature that is not there.
    """
    known = interpreter.get_signature_list()
    if not known:
        inputs = {details["name"]: details for details in interpreter.get_input_details()}
        return None, inputs, {details["name"]: details for details in interpreter.get_output_details()}
    key = next(iter(known)) if key is None and len(known) == 1 else key
    if key not in known:
        raise UnknownName("signature", str(key), known)
    runner = interpreter.get_signature_runner(key)
    return key, runner.get_input_details(), runner.get_output_details()


def specs(details: dict[str, TensorDetails]) -> list[TensorJson]:
    """Return the signature's JSON of interpreter details by name."""
    found = []
    for name, tensor in sorted(details.items()):
        spec: TensorJson = {"name": name, "dtype": np.dtype(tensor["dtype"]).name, "shape": shape_of(tensor)}
        quantization = tensor["quantization_parameters"]
        if len(quantization["scales"]):
            spec["scale"] = [float(scale) for scale in quantization["scales"]]
            spec["zero_point"] = [int(point) for point in quantization["zero_points"]]
        found.append(spec)
    return found


def shape_of(details: TensorDetails) -> list[int | None]:
    """Return a tensor's shape, with null for a size that the file leaves open."""
    declared = details["shape_signature"]
    shape = declared if len(declared) else details["shape"]
    return [int(size) if size >= 0 else None for size in shape]


def _checked(call: Call, inputs: dict[str, TensorDetails]) -> Call:
    """Return the call with a check of shapes and dtypes: the interpreter silently resizes for arrays of another shape."""
    asked = {name: (tuple(shape_of(details)), np.dtype(details["dtype"])) for name, details in inputs.items()}

    def checked(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {name: (array.shape, array.dtype) for name, array in sample.items()}
        if given != asked and not _fit(given, asked):
            raise ValueError(f"given {given}, the model takes {asked}")
        return call(sample)

    return checked


def _fit(given: dict[str, Asked], asked: dict[str, Asked]) -> bool:
    """Return whether arrays fit the inputs, both as {name: (shape, dtype)}; None is any size."""
    return given.keys() == asked.keys() and all(
        dtype == asked[name][1]
        and len(shape) == len(asked[name][0])
        and all(size in (None, found) for size, found in zip(asked[name][0], shape, strict=True))
        for name, (shape, dtype) in given.items()
    )
