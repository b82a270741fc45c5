"""Second moments of what feeds matrices: the mean square of each channel over a calibration set, by which a quantizer scales columns of weights.

One job runs all samples: in parts, sums would be rounded otherwise, and a machine with more cores would make other weights of the same request.
"""

from __future__ import annotations

import importlib
import json
from collections import Counter
from typing import TypedDict

import numpy as np

from toolkit.conversion.calibrate import over_samples
from toolkit.conversion.tflite.scaling import scalable
from toolkit.engines.loaded import Tapped
from toolkit.errors import InvalidSamples
from toolkit.wire.request import Request
from toolkit.wire.shards import read_index


class MomentsResult(TypedDict):
    """The number of tensors that have moments in out/moments.json."""

    tensors: int


def measure(request: Request) -> MomentsResult:
    """Write out/moments.json: {"tensors": {name: [mean square of channel 0, ...]}, "products": {name of the product: name of what feeds it}}.

    Squares are in squared real units, channels along the last axis. The tensors are those that feed a matrix of the float artifact inputs["model"]
    (`scalable`), over inputs["samples"]; one that the runtime does not show is left out. The option `runtime` is a
    file of toolkit/execution/runtimes that can tap. No sample runs if there is no such tensor. Raises InvalidSamples for a set without samples, and
    if a sample makes a moment NaN or infinite.
    """
    model, samples = request.inputs["model"], request.inputs["samples"]
    fed = {each.outputs[0].name: each.inputs[0].name for each in scalable(model)}
    count = read_index(samples)["count"]
    if count == 0:
        raise InvalidSamples("calibration: no sample, so no activation has a moment")
    found = _measured(request, set(fed.values())) if fed else {}
    products = {product: name for product, name in fed.items() if name in found}
    (request.out / "moments.json").write_text(json.dumps({"tensors": found, "products": products}))
    return {"tensors": len(found)}


def _measured(request: Request, wanted: set[str]) -> dict[str, list[float]]:
    runtime = importlib.import_module(f"toolkit.execution.runtimes.{request.options['runtime']}")
    model, samples = request.inputs["model"], request.inputs["samples"]
    sums: dict[str, np.ndarray] = {}
    rows: Counter[str] = Counter()

    def opened() -> Tapped:
        tapped: Tapped = runtime.tap(model, {"threads": 1, "kernels": "default", "signature": None})
        return tapped

    first = opened()
    names = [spec["name"] for spec in first.tensors]

    def add(tapped: Tapped, number: int, sample: dict[str, np.ndarray]) -> None:
        for name, array in zip(names, tapped.call(sample), strict=True):
            if name in wanted:
                squares = np.square(array.reshape(-1, array.shape[-1]), dtype=np.float64)
                if not np.isfinite(squares).all():
                    raise InvalidSamples(
                        f"calibration: sample {number} makes the activation {name!r} NaN or infinite in the float model",
                        "check that sample and the model: no weight can be scaled by it",
                    )
                sums[name] = sums.get(name, np.zeros(())) + squares.sum(axis=0)
                rows[name] += len(squares)

    numbers = range(read_index(samples)["count"])
    over_samples(request, numbers, first, opened, add)
    return {name: (total / max(1, rows[name])).tolist() for name, total in sums.items()}
