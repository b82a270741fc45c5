"""Samples, and outputs by sample, as a folder of shards that is written and read as a stream.

index.json          {"count": N, "shards": [{"file": ..., "count": n}], "tensors": {name: {"dtype": ..., "shape": [...]}}}
00000.safetensors   per name an array (n, *shape): row i is exactly what one call takes or gives
sequences.json      {"length": n}, where a model's state begins anew after each n samples
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TypedDict

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from toolkit.files.foreign import read_json
from toolkit.files.shapes import COUNT, INSIDE, Each
from toolkit.wire.request import write_whole

SHARD_BYTES = 8 << 20
_INDEX = {
    "count": COUNT,
    "shards": [{"file": INSIDE, "count": COUNT}],
    "tensors": Each({"dtype": str, "shape": [COUNT]}),
}


class TensorShape(TypedDict):
    """What one call takes or gives of a tensor: numpy's name of the dtype, and the shape with the batch axis."""

    dtype: str
    shape: list[int]


class Shard(TypedDict):
    """One file of a folder, and how many samples it holds."""

    file: str
    count: int


class Index(TypedDict):
    """What a folder's index.json says; `tensors` are by name."""

    count: int
    shards: list[Shard]
    tensors: dict[str, TensorShape]


class ShardWriter:
    """Writes one sample at a time (`add`) and keeps at most one shard in memory. The index is written at the end, if there was no error."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._rows: dict[str, list[np.ndarray]] = {}
        self._bytes = 0
        self._shards: list[Shard] = []
        self._tensors: dict[str, TensorShape] | None = None

    def add(self, sample: dict[str, np.ndarray]) -> None:
        """Append one sample: every name, dtype and shape as in the first one, else ValueError."""
        arrays = {name: np.asarray(array) for name, array in sample.items()}
        tensors: dict[str, TensorShape] = {
            name: {"dtype": array.dtype.name, "shape": list(array.shape)} for name, array in arrays.items()
        }
        if self._tensors is None:
            self._tensors = tensors
            self._rows = {name: [] for name in tensors}
        elif tensors != self._tensors:
            raise ValueError(f"sample {len(self)}: {tensors} differs from the first sample: {self._tensors}")
        for name, array in arrays.items():
            self._rows[name].append(array.copy())
            self._bytes += array.nbytes
        if self._bytes >= SHARD_BYTES:
            self._flush()

    def __len__(self) -> int:
        return sum(shard["count"] for shard in self._shards) + len(next(iter(self._rows.values()), ()))

    def _flush(self) -> None:
        count = len(next(iter(self._rows.values()), ()))
        if count:
            file = f"{len(self._shards):05d}.safetensors"
            save_file({name: np.stack(rows) for name, rows in self._rows.items()}, self._folder / file)
            self._shards.append({"file": file, "count": count})
        self._rows = {name: [] for name in self._rows}
        self._bytes = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            count = sum(shard["count"] for shard in self._shards)
            index = {"count": count, "shards": self._shards, "tensors": self._tensors or {}}
            write_whole(self._folder / "index.json", json.dumps(index).encode())


def read_index(folder: Path) -> Index:
    """Return the folder's index: count, shards, and dtype and shape by name; DamagedFile where it is none."""
    index: Index = read_json(folder / "index.json", _INDEX)
    return index


def sequence_length(folder: Path) -> int | None:
    """Return how many samples make a sequence, after which a model's state begins anew; None where the set has no sequences."""
    path = folder / "sequences.json"
    return int(read_json(path, {"length": COUNT})["length"]) if path.is_file() else None


def sample_names(folder: Path) -> tuple[str, ...]:
    """Return the names of a folder's samples in reports, in order; () where the folder has none."""
    path = folder / "origins.json"
    return tuple(read_json(path, [str])) if path.is_file() else ()


def read_shards(folder: Path) -> Iterator[dict[str, np.ndarray]]:
    """Yield each shard as {name: array (n, *shape)}; ValueError where a shard is not what the index says."""
    index = read_index(folder)
    for shard in index["shards"]:
        yield _read_shard(folder, shard, index["tensors"])


def _read_shard(folder: Path, shard: Shard, tensors: dict[str, TensorShape]) -> dict[str, np.ndarray]:
    with safe_open(folder / shard["file"], framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    said = {name: ((shard["count"], *spec["shape"]), spec["dtype"]) for name, spec in tensors.items()}
    found = {name: (array.shape, array.dtype.name) for name, array in arrays.items()}
    if said != found:
        raise ValueError(f"{folder / shard['file']}: holds {found}, the index says {said}")
    return arrays


def read_samples(folder: Path, start: int = 0, stop: int | None = None) -> Iterator[dict[str, np.ndarray]]:
    """Yield the samples from `start` to before `stop`, all by default, as {name: array of the shape that one call takes}."""
    index = read_index(folder)
    stop = index["count"] if stop is None else stop
    first = 0
    for shard in index["shards"]:
        rows = range(max(start - first, 0), min(stop - first, shard["count"]))
        first += shard["count"]
        if rows:
            yield from _rows(_read_shard(folder, shard, index["tensors"]), rows)


def _rows(arrays: dict[str, np.ndarray], rows: range) -> Iterator[dict[str, np.ndarray]]:
    """Yield copies of rows: a view would keep its shard in memory while the next one is read."""
    for row in rows:
        yield {name: array[row, ...].copy() for name, array in arrays.items()}


def read_all(folder: Path, name: str) -> np.ndarray:
    """Return one tensor over all samples, (N, *shape), in memory: for small sets."""
    shards = [arrays[name] for arrays in read_shards(folder)]
    if shards:
        return np.concatenate(shards)
    spec = read_index(folder)["tensors"][name]
    return np.zeros((0, *spec["shape"]), spec["dtype"])
