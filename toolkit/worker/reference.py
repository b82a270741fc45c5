"""The original model as its framework runs it, and how far its own outputs wander when nothing was changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from toolkit.runtimes import tensorflow
from toolkit.worker.infer import check
from toolkit.worker.shards import ShardWriter, read_index, read_shards

_BATCH = 64  # samples in one call, where the model takes a batch of any size
_NOISE_SAMPLES = 16

Arrays = dict[str, np.ndarray]


def run(request: Any) -> dict[str, Any]:
    """Write out/outputs for the samples of inputs["samples"] through the SavedModel inputs["model"]; return engine, signature and noise.

    `noise` holds, by output name, the largest absolute difference (real units) of a repeated call, and of one call with many samples against one call
    for each (where the signature takes a batch of any size), over the first samples.
    """
    loaded = tensorflow.load(request.inputs["model"], request.options)
    samples = request.inputs["samples"]
    total = read_index(samples)["count"]
    batched = _takes_batches(loaded.signature)
    first: list[tuple[Arrays, Arrays]] = []
    done = 0
    with ShardWriter(request.out / "outputs") as writer:
        for chunk in _chunks(samples, _BATCH if batched else 1):
            for sample, outputs in _together(loaded, chunk) if batched else [(one, loaded.call(one)) for one in chunk]:
                check(outputs, loaded.signature["outputs"], f"sample {done}")
                writer.add(outputs)
                first += [(sample, outputs)] * (done < _NOISE_SAMPLES)
                done += 1
            request.progress(done, total)
    noise = {"repeat": _largest([(loaded.call(sample), loaded.call(sample)) for sample, _ in first])}
    if batched:
        noise["batch"] = _largest([(outputs, loaded.call(sample)) for sample, outputs in first])
    return {"engine": loaded.engine, "signature": loaded.signature, "count": total, "noise": noise}


def _chunks(samples: Any, size: int) -> Iterator[list[Arrays]]:
    """Yield the samples in lists of at most `size`."""
    for arrays in read_shards(samples):
        count = len(next(iter(arrays.values()), ()))
        for start in range(0, count, size):
            yield [
                {name: array[row, ...] for name, array in arrays.items()}
                for row in range(start, min(start + size, count))
            ]


def _together(loaded: Any, chunk: list[Arrays]) -> list[tuple[Arrays, Arrays]]:
    """Return each sample with its outputs, from one call for all of them."""
    outputs = loaded.call({name: np.concatenate([sample[name] for sample in chunk]) for name in chunk[0]})
    return [
        (sample, {name: array[row : row + 1] for name, array in outputs.items()}) for row, sample in enumerate(chunk)
    ]


def _takes_batches(signature: dict[str, Any]) -> bool:
    specs = [*signature["inputs"], *signature["outputs"]]
    return all(spec["shape"] is not None and len(spec["shape"]) > 0 and spec["shape"][0] is None for spec in specs)


def _largest(pairs: list[tuple[Arrays, Arrays]]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for one, other in pairs:
        for name, array in one.items():
            if array.size and array.dtype.kind in "fiu":
                difference = float(np.max(np.abs(array.astype(np.float64) - other[name].astype(np.float64))))
                largest[name] = float(np.maximum(largest.get(name, 0.0), difference))  # which lets no NaN get lost
    return largest
