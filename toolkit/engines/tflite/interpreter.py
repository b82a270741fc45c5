"""TFLite interpreters of any package: inputs and outputs bound by signature name, never by position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from toolkit.engines.loaded import Call, Loaded
from toolkit.engines.table_index import read_in
from toolkit.errors import UnknownName

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


def load(module: Any, engine: str, model: Path, options: dict[str, Any]) -> Loaded:
    """Return the model ready to run with the interpreter class of `module` (ai_edge_litert.interpreter, tflite_runtime.interpreter).

    `options["kernels"]`: "default" (delegates applied by default, XNNPACK), "builtin" (the same kernels without delegates), or "reference".
    """
    kernels = resolvers(module)[options.get("kernels", "default")]
    interpreter = module.Interpreter(
        model_path=str(model), num_threads=options["threads"], experimental_op_resolver_type=kernels
    )
    fit = fitting(interpreter)
    key, inputs, outputs = bind(interpreter, options.get("signature"))
    several = len(interpreter.get_signature_list()) > 1
    call = _one_of_several(interpreter, key) if several else _the_only(interpreter, inputs, outputs, fit)
    return Loaded(_checked(call, inputs), engine, {"key": key, "inputs": specs(inputs), "outputs": specs(outputs)})


def _the_only(interpreter: Any, inputs: dict[str, TensorDetails], outputs: dict[str, TensorDetails], fit: Fit) -> Call:
    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        fit({details["index"]: sample[name] for name, details in inputs.items()})
        interpreter.reset_all_variables()  # a fused LSTM goes on from its last call's state; what is state in the original has a handle, and stays
        for name, details in inputs.items():
            interpreter.set_tensor(details["index"], sample[name])
        with read_in(interpreter):
            interpreter.invoke()
        return {name: interpreter.get_tensor(details["index"]) for name, details in outputs.items()}

    return call


def _one_of_several(interpreter: Any, key: str | None) -> Call:
    """Return the call of a signature whose graph need not be the file's first, the only one that the interpreter itself runs."""
    runner = interpreter.get_signature_runner(key)

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        interpreter.reset_all_variables()
        return dict(runner(**sample))

    return call


def fitting(interpreter: Any) -> Fit:
    """Return what lays memory out for arrays, by the tensors that they go to, whose sizes are others than before; the file must leave them open (-1).

    It is laid out at once where no size is open: else those in the file stand for none, and operators may refuse them.
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
    """Return which kernels each value of the option `kernels` stands for."""
    return {
        "default": module.OpResolverType.AUTO,
        "builtin": module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": module.OpResolverType.BUILTIN_REF,
    }


def bind(interpreter: Any, key: str | None) -> tuple[str | None, dict[str, TensorDetails], dict[str, TensorDetails]]:
    """Return (key, inputs, outputs): details by signature name; by tensor name where the file, as older ones, has no signature."""
    known = interpreter.get_signature_list()
    if not known:
        inputs = {details["name"]: details for details in interpreter.get_input_details()}
        return None, inputs, {details["name"]: details for details in interpreter.get_output_details()}
    key = next(iter(known)) if key is None and len(known) == 1 else key
    if key not in known:
        raise UnknownName("signature", str(key), known)
    runner = interpreter.get_signature_runner(key)
    return key, runner.get_input_details(), runner.get_output_details()


def specs(details: dict[str, TensorDetails]) -> list[dict[str, Any]]:
    """Return the signature's JSON of interpreter details by name."""
    found = []
    for name, tensor in sorted(details.items()):
        spec: dict[str, Any] = {"name": name, "dtype": np.dtype(tensor["dtype"]).name, "shape": shape_of(tensor)}
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
    """The interpreter takes arrays of another shape by resizing in silence; each call makes sure that none is but where a size is open."""
    asked = {name: (tuple(shape_of(details)), np.dtype(details["dtype"])) for name, details in inputs.items()}

    def checked(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {name: (array.shape, array.dtype) for name, array in sample.items()}
        if given != asked and not _fit(given, asked):
            raise ValueError(f"given {given}, the model takes {asked}")
        return call(sample)

    return checked


def _fit(given: dict[str, Asked], asked: dict[str, Asked]) -> bool:
    """Return whether arrays are what is asked for, by name (shape, dtype), where None is any size."""
    return given.keys() == asked.keys() and all(
        dtype == asked[name][1]
        and len(shape) == len(asked[name][0])
        and all(size in (None, found) for size, found in zip(asked[name][0], shape, strict=True))
        for name, (shape, dtype) in given.items()
    )
