"""TFLite interpreters, of whichever package: inputs and outputs bound by signature name, never by position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import UnknownName
from toolkit.runtimes import Call, Loaded


def load(module: Any, engine: str, model: Path, options: dict[str, Any]) -> Loaded:
    """Return the model ready to run with the interpreter class of `module` (ai_edge_litert.interpreter, tflite_runtime.interpreter).

    `options["kernels"]`: "default" (delegates applied by default, XNNPACK), "builtin" (the same kernels without delegates), or "reference".
    """
    kernels = resolvers(module)[options.get("kernels", "default")]
    interpreter = module.Interpreter(
        model_path=str(model), num_threads=options["threads"], experimental_op_resolver_type=kernels
    )
    interpreter.allocate_tensors()
    key, inputs, outputs = bind(interpreter, options.get("signature"))

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        interpreter.reset_all_variables()  # a fused LSTM goes on from its last call's state; what is state in the original has a handle, and stays
        for name, details in inputs.items():
            interpreter.set_tensor(details["index"], sample[name])
        interpreter.invoke()
        return {name: interpreter.get_tensor(details["index"]) for name, details in outputs.items()}

    return Loaded(_checked(call, inputs), engine, {"key": key, "inputs": specs(inputs), "outputs": specs(outputs)})


def resolvers(module: Any) -> dict[str, Any]:
    """Return which kernels each value of the option `kernels` stands for."""
    return {
        "default": module.OpResolverType.AUTO,
        "builtin": module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": module.OpResolverType.BUILTIN_REF,
    }


def bind(interpreter: Any, key: str | None) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
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


def specs(details: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the signature's JSON of interpreter details by name."""
    found = []
    for name, tensor in sorted(details.items()):
        spec = {"name": name, "dtype": np.dtype(tensor["dtype"]).name, "shape": [int(size) for size in tensor["shape"]]}
        quantization = tensor["quantization_parameters"]
        if len(quantization["scales"]):
            spec["scale"] = [float(scale) for scale in quantization["scales"]]
            spec["zero_point"] = [int(point) for point in quantization["zero_points"]]
        found.append(spec)
    return found


def _checked(call: Call, inputs: dict[str, Any]) -> Call:
    """The interpreter takes arrays of another shape by resizing in silence; the first call makes sure that none is."""
    asked = {name: (tuple(details["shape"]), np.dtype(details["dtype"])) for name, details in inputs.items()}

    def checked(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {name: (array.shape, array.dtype) for name, array in sample.items()}
        if given != asked:
            raise ValueError(f"given {given}, the model takes {asked}")
        return call(sample)

    return checked
