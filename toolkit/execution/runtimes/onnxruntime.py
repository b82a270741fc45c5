"""ONNX models, and such packed as .ort, with ONNX Runtime, on one execution provider: the requested one, by default the CPU."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.loaded import Loaded, RunOptions, Tapped, TappedTensor
from toolkit.engines.onnx import ort_file
from toolkit.engines.onnx.file import grids, on_grid, read_whole, signature
from toolkit.engines.onnx.graph import DEQUANTIZE, QUANTIZE
from toolkit.engines.onnx.model_proto import ModelProto
from toolkit.engines.onnx.ort_file import is_ort
from toolkit.engines.onnx.session import CPU, session, spec, with_outputs

FORMATS = ("onnx", "ort")
ENVIRONMENT = "onnxruntime"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run; `options` may hold a `provider`. For what `kernels` mean, see `toolkit.engines.onnx.session`.

    Raises InvalidSource for a file that is no ONNX model or not all of one, and for an .ort file of another processor; UnknownName for a provider
    that is not there.
    """
    packed = is_ort(model.read_bytes()[:8])
    said = ort_file.signature(model) if packed else signature(read_whole(model))
    made = _session(model, options)
    names = [each["name"] for each in said["outputs"]]

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, made.run(names, sample), strict=True))

    return Loaded(call, _engine(), said)


def tap(model: Path, options: RunOptions) -> Tapped:
    """Return the model with readable outputs of its operators. A quantized tensor has its name in the float model, its integers, and their scale.

    So integer kernels stay in use: float tensors between two of them, which no kernel computes, are not read.
    """
    read_model = read_whole(model)
    taps, grid = _taps(read_model), grids(read_model)
    made = _session(with_outputs(read_model, list(taps)), options)
    operators = {name: node.op_type for node in read_model.graph.node for name in node.output}
    given = made.get_inputs()
    results = [value for value in made.get_outputs() if value.type.startswith("tensor")]  # a sequence is not read
    names = [value.name for value in results]
    tensors: list[TappedTensor] = [{**spec(value), "operator": ""} for value in given]
    for value in results:
        said = on_grid(spec(value), grid.get(value.name))
        tensors.append({**said, "name": taps[value.name], "operator": operators[value.name]})

    def call(sample: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [*(sample[value.name] for value in given), *made.run(names, sample)]

    return Tapped(tuple(tensors), call, _engine())


def _taps(model: ModelProto) -> dict[str, str]:
    """Return {tensor to read: the name that it has in the float model}, in the order of execution."""
    consumers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, set()).add(node.op_type)
    inputs = {value.name for value in model.graph.input}
    found = {}
    for node in model.graph.node:
        if node.op_type == QUANTIZE and node.input[0] not in inputs:
            # an output of the model has the name of the tensor that is dequantized last
            found[node.output[0]] = node.input[0].removesuffix("_QuantizeLinear_Input")
        elif node.op_type not in (QUANTIZE, DEQUANTIZE, "Constant"):
            found.update({name: name for name in node.output if name and consumers.get(name) != {QUANTIZE}})
    return found


def _session(model: Path | bytes, options: RunOptions) -> Any:
    return session(
        model,
        kernels=options.get("kernels", "default"),
        threads=options["threads"],
        provider=options.get("provider", CPU),
    )


def _engine() -> str:
    return f"onnxruntime {version('onnxruntime')}"
