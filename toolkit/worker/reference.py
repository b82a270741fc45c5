"""The original model as its framework runs it, and how far its own outputs wander when nothing was changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.runtimes import tensorflow
from toolkit.worker.infer import check
from toolkit.worker.shards import ShardWriter, read_index, read_samples

_NOISE_SAMPLES = 16


def run(request: Any) -> dict[str, Any]:
    """Write out/outputs for the samples of inputs["samples"] through the SavedModel inputs["model"]; return engine, signature and noise.

    `noise` holds, by output name, the largest absolute difference (real units) of a repeated call, and of one call with many samples against one call
    for each (where the signature takes a batch of any size), over the first samples.
    """
    loaded = tensorflow.load(request.inputs["model"], request.options)
    samples = request.inputs["samples"]
    total = read_index(samples)["count"]
    first: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = []
    with ShardWriter(request.out / "outputs") as writer:
        for done, sample in enumerate(read_samples(samples)):
            outputs = loaded.call(sample)
            check(outputs, loaded.signature["outputs"], f"sample {done}")
            writer.add(outputs)
            if done < _NOISE_SAMPLES:
                first.append((sample, outputs))
            if done % 16 == 0:
                request.progress(done, total)
    noise = {"repeat": _repeat(loaded, first)}
    if first and _takes_batches(loaded.signature):
        noise["batch"] = _batch(loaded, first)
    return {"engine": loaded.engine, "signature": loaded.signature, "count": total, "noise": noise}


def _repeat(loaded: Any, first: list[Any]) -> dict[str, float]:
    return _largest([(outputs, loaded.call(sample)) for sample, outputs in first])


def _batch(loaded: Any, first: list[Any]) -> dict[str, float]:
    together = loaded.call({name: np.concatenate([sample[name] for sample, _ in first]) for name in first[0][0]})
    rows = [{name: array[row : row + 1] for name, array in together.items()} for row in range(len(first))]
    return _largest([(outputs, row) for (_, outputs), row in zip(first, rows)])


def _takes_batches(signature: dict[str, Any]) -> bool:
    specs = [*signature["inputs"], *signature["outputs"]]
    return all(spec["shape"] is not None and len(spec["shape"]) > 0 and spec["shape"][0] is None for spec in specs)


def _largest(pairs: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for one, other in pairs:
        for name, array in one.items():
            if array.size and array.dtype.kind in "fiu":
                difference = float(np.max(np.abs(array.astype(np.float64) - other[name].astype(np.float64))))
                largest[name] = max(largest.get(name, 0.0), difference) if difference == difference else difference
    return largest
