"""The numbers of a float network that float16 cannot hold: activations over a set of samples, and weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np

from toolkit.engines.tflite.packed import PackedModel, tensors_in
from toolkit.wire.request import Request
from toolkit.wire.statistics import Statistics

MOST = float(np.finfo(np.float16).max)
"""The largest finite number in float16, 65,504 (IEEE 754 binary16)."""


class BeyondRow(TypedDict):
    """A tensor, the largest absolute value in it, and the sample where it is; None for a weight."""

    tensor: str
    most: float
    sample: int | None


class BeyondResult(TypedDict):
    """The `activations` and `weights` with values beyond MOST, the largest first, and the number of samples that were looked at."""

    samples: int
    activations: list[BeyondRow]
    weights: list[BeyondRow]


def look(request: Request) -> BeyondResult:
    """Return what float16 cannot hold of the .tflite inputs["model"] and of inputs["statistics"], a folder of `Statistics`."""
    statistics = Statistics.read(Path(request.inputs["statistics"]))
    return {
        "samples": statistics.count,
        "activations": _sorted(_activations(statistics)),
        "weights": _sorted(_weights(Path(request.inputs["model"]))),
    }


def _activations(statistics: Statistics) -> Iterator[BeyondRow]:
    largest = np.abs(statistics.extremes).max(axis=2)  # (samples, tensors)
    for name, values in zip(statistics.names, largest.T, strict=True):
        row = int(values.argmax())
        if not values[row] <= MOST:
            yield {"tensor": name, "most": float(values[row]), "sample": int(statistics.numbers[row])}


def _weights(path: Path) -> Iterator[BeyondRow]:
    """Yield the float constants; one that became infinite in float16 already is among them."""
    model = PackedModel.read(path.read_bytes())
    for tensor in (tensor for graph in model.graphs for tensor in tensors_in(graph)):
        buffer, dtype = model.root.Buffers(tensor.Buffer()), model.dtype(tensor)
        if dtype in ("float32", "float16") and buffer.DataLength():
            values = np.abs(buffer.DataAsNumpy().view(dtype).astype(np.float64))
            if not values.max() <= MOST:
                yield {"tensor": tensor.Name().decode(), "most": float(values.max()), "sample": None}


def _sorted(rows: Iterator[BeyondRow]) -> list[BeyondRow]:
    return sorted(rows, key=lambda row: -row["most"])
