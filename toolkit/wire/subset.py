"""Makes a set of samples from another one: a part of it, or all of it changed. Jobs read it as any other set."""

from __future__ import annotations

import itertools
import json
from typing import TypedDict

import numpy as np

from toolkit.errors import InvalidSamples
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter, read_index, read_samples, sequence_length


class CountResult(TypedDict):
    """How many samples were written."""

    count: int


def first(request: Request) -> CountResult:
    """Write out/samples with the first options["count"] samples of inputs["samples"], in whole sequences where it has sequences.

    InvalidSamples where there are fewer samples, or where a sequence would be cut.
    """
    wanted, held = request.options["count"], read_index(request.inputs["samples"])["count"]
    if wanted > held:
        raise InvalidSamples(
            f"{wanted} calibration samples were asked for, and there are {held}",
            f"declare calibration = {wanted} under [sampling] of the set's recipe, or give more samples",
        )
    length = sequence_length(request.inputs["samples"])
    if length is not None and wanted % length:
        raise InvalidSamples(
            f"{wanted} samples do not make whole sequences of {length}; expected a multiple of {length}"
        )
    with ShardWriter(request.out / "samples") as writer:
        for sample in itertools.islice(read_samples(request.inputs["samples"]), wanted):
            writer.add(sample)
    if length is not None:
        (request.out / "samples" / "sequences.json").write_text(json.dumps({"length": length}))
    return {"count": wanted}


def one(request: Request) -> CountResult:
    """Write out/samples with one sample of inputs["samples"], that at options["index"]."""
    with ShardWriter(request.out / "samples") as writer:
        writer.add(next(itertools.islice(read_samples(request.inputs["samples"]), request.options["index"], None)))
    return {"count": 1}


def nudged(request: Request) -> CountResult:
    """Write out/samples: inputs["samples"] with each float moved to its dtype's next one, up and down in turn; other dtypes unchanged."""
    folder, count = request.inputs["samples"], 0
    with ShardWriter(request.out / "samples") as writer:
        for sample in read_samples(folder):
            writer.add({name: _moved(array) for name, array in sample.items()})
            count += 1
    length = sequence_length(folder)
    if length is not None:
        (request.out / "samples" / "sequences.json").write_text(json.dumps({"length": length}))
    return {"count": count}


def _moved(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    ends = np.where(np.arange(array.size).reshape(array.shape) % 2 == 0, np.inf, -np.inf).astype(array.dtype)
    return np.asarray(np.where(np.isfinite(array), np.nextafter(array, ends), array))
