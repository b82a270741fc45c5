"""SavedModels as TensorFlow runs them: for the canonical form, which is compared with the original."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.engines.tensorflow.devices import use
from toolkit.tensors.signature import SignatureJson, TensorJson

FORMATS = ("saved_model",)
ENVIRONMENT = "tensorflow"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model's signature `options["signature"]`, ready to run; on a GPU only if `options["kernels"]` says "gpu"."""
    import tensorflow as tf

    use("gpu" if options["kernels"] == "gpu" else "cpu")
    loaded = tf.saved_model.load(str(model), tags=options.get("tags"))
    function = loaded.signatures[options["signature"]]
    _, declared = function.structured_input_signature

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = function(**{name: tf.constant(array) for name, array in sample.items()})
        return {name: tensor.numpy() for name, tensor in results.items()}

    call.keep = loaded  # type: ignore[attr-defined]  # a function does not keep the variables of its model alive
    signature: SignatureJson = {
        "key": options["signature"],
        "inputs": _specs(declared.values(), list(declared)),
        "outputs": _specs(function.structured_outputs.values(), list(function.structured_outputs)),
    }
    return Loaded(call, f"tensorflow {tf.__version__}", signature)


def _specs(tensors: Any, names: list[str]) -> list[TensorJson]:
    specs: list[TensorJson] = [
        {
            "name": name,
            "dtype": tensor.dtype.name,
            "shape": None if tensor.shape.rank is None else tensor.shape.as_list(),
        }
        for name, tensor in zip(names, tensors, strict=True)
    ]
    return sorted(specs, key=lambda spec: str(spec["name"]))
