"""Numbers at the edges of a model: real ones become integers on a grid, and integers become real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from toolkit.engines.loaded import Call, CallSeveral, Loaded
from toolkit.tensors.signature import TensorJson

Grids = Mapping[str, Mapping[str, Any]]
"""The specs, with scale and zero point, of inputs by name."""


def quantize(array: np.ndarray, spec: Mapping[str, Any]) -> np.ndarray:
    """Return round(x / scale) + zero point in the tensor's integer range; an array of the tensor's dtype stays as it is.

    The affine scheme of https://ai.google.dev/edge/litert/models/quantization_spec (one scale: inputs are quantized per tensor).
    """
    if array.dtype.name == spec["dtype"] or "scale" not in spec or array.dtype.kind != "f":
        return array
    limits = np.iinfo(spec["dtype"])
    levels = np.round(array.astype(np.float64) / spec["scale"][0]) + spec["zero_point"][0]
    return np.clip(levels, limits.min, limits.max).astype(spec["dtype"])


def dequantize(array: np.ndarray, spec: Mapping[str, Any]) -> np.ndarray:
    """Return scale * (integer - zero point) as float32, rounded once: the very number that TFLite's DEQUANTIZE gives.

    Its kernels multiply in float32 or in float64 (tensorflow/lite/kernels/internal/reference/dequantize.h), and the factors are exact in both.
    """
    return ((array.astype(np.float64) - spec["zero_point"][0]) * spec["scale"][0]).astype(np.float32)


def on_grids(sample: Mapping[str, np.ndarray], grids: Grids) -> dict[str, np.ndarray]:
    """Return a sample with its inputs on these grids of integers, as float32: a QUANTIZE gives these very integers, whatever way it rounds."""
    return {
        name: dequantize(quantize(array, grids[name]), grids[name]) if name in grids else array
        for name, array in sample.items()
    }


def giving_real_numbers(loaded: Loaded) -> Loaded:
    """Return a model whose outputs are float32 where they are integers with a scale; its signature keeps the scale."""
    specs = loaded.signature["outputs"]
    grids = {spec["name"]: spec for spec in specs if "scale" in spec and not spec["dtype"].startswith("float")}

    def real(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: dequantize(array, grids[name]) if name in grids else array for name, array in outputs.items()}

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return real(loaded.call(sample))

    given: list[TensorJson] = [{**spec, "dtype": "float32"} if spec["name"] in grids else spec for spec in specs]
    return replace(
        loaded,
        call=call,
        call_several=_each(loaded.call_several, real),
        signature={**loaded.signature, "outputs": given},
    )


def _each(several: CallSeveral | None, real: Call) -> CallSeveral | None:
    if several is None:
        return None
    return lambda samples: [(real(outputs), ms) for outputs, ms in several(samples)]
