"""A run in one file, to keep, send and compare again: the outputs of every sample, with all that reading them needs.

A .safetensors file has an array (N, *shape) for each output, and in its metadata, under "run", the fields of `SavedRun` as JSON. It is written and
read as a stream. An .npz of arrays (N, *shape) by output name, made by another program, can be read too; it does not identify its samples.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from toolkit.comparison import compare
from toolkit.comparison.runs import Blocks
from toolkit.errors import DamagedFile, EdgeToolkitError, RequestError
from toolkit.files import npz
from toolkit.files.foreign import check, parse_json, require_plain
from toolkit.files.shapes import COUNT, shown
from toolkit.tensors import signature
from toolkit.tensors.signature import Signature, TensorSpec
from toolkit.wire.shards import read_index, read_shards

SUFFIX = ".safetensors"
SCHEMA = 1
_ROWS_AT_ONCE = 1 << 20  # bytes of one output, read at once
_ID = 16  # hexadecimal digits of a sample's SHA-256: a billion samples have an equal pair by chance once in 37 times
# https://github.com/huggingface/safetensors#format
DTYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}


_SHAPE = {"stage": str, "signature": signature.SHAPE, "count": COUNT, "samples": [str], "sample_names?": [str]}


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run on disk.

    `samples` are the first digits of the SHA-256 of each input sample, in order; empty where the samples are unknown.
    `names` are the set's names of these samples, in the same order; empty where they are unknown.
    `about` says what ran it: engine, machine, launcher, kernels, as far as known.
    """

    path: Path
    stage: str
    signature: Signature
    count: int
    samples: tuple[str, ...] = ()
    about: Mapping[str, str | int] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return the run for comparing, all of it or its first `count` samples."""
        stop = self.count if count is None else min(count, self.count)
        return compare.RunOutputs(f"{self.stage} ({self.path})", self.signature, Blocks(lambda: self._blocks(stop)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all outputs, (N, *shape), in memory."""
        if self.path.suffix == SUFFIX:
            with safe_open(self.path, framework="np") as file:
                return {spec.name: file.get_tensor(spec.name) for spec in self.signature.outputs}
        with np.load(self.path, allow_pickle=False) as archive:
            return {spec.name: archive[spec.name] for spec in self.signature.outputs}

    def _blocks(self, stop: int) -> Iterator[compare.Block]:
        if self.path.suffix != SUFFIX:
            yield {name: array[:stop] for name, array in self.arrays().items()}
            return
        with safe_open(self.path, framework="np") as file:
            slices = {spec.name: file.get_slice(spec.name) for spec in self.signature.outputs}
            widest = max((math.prod(each.get_shape()[1:]) for each in slices.values()), default=1)
            step = max(1, _ROWS_AT_ONCE // (8 * max(1, widest)))
            for start in range(0, stop, step):
                yield {name: each[start : min(start + step, stop)] for name, each in slices.items()}


def write(path: Path, outputs: Path, said: Mapping[str, object], samples: Sequence[str]) -> None:
    """Write a run's outputs, a folder of shards, into one file.

    `said` is the JSON of `SavedRun` without its count and samples: stage, signature, what ran it, and "sample_names" where they are known.
    """
    index = read_index(outputs)
    run = {"schema": SCHEMA, **said, "count": index["count"], "samples": [digest[:_ID] for digest in samples]}
    header: dict[str, object] = {"__metadata__": {"run": json.dumps(run)}}
    begins = 0
    for name, spec in index["tensors"].items():
        shape = [index["count"], *spec["shape"]]
        ends = begins + math.prod(shape) * np.dtype(spec["dtype"]).itemsize
        header[name] = {"dtype": DTYPES[spec["dtype"]], "shape": shape, "data_offsets": [begins, ends]}
        begins = ends
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    with open(path, "wb") as file:
        file.write(len(content).to_bytes(8, "little") + content)
        for name in index["tensors"]:
            for shard in read_shards(outputs):
                array = shard[name]
                file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())


def read(path: Path) -> SavedRun:
    """Return a saved run; RequestError where the file is no saved run, is truncated, or comes from a later release."""
    try:
        require_plain(path)
        return _of_safetensors(path) if path.suffix == SUFFIX else _of_npz(path)
    except FileNotFoundError:
        raise RequestError(f"{path}: no such file; expected a run that was saved, {SUFFIX} or .npz") from None
    except (OSError, SafetensorError, zipfile.BadZipFile, ValueError, KeyError, TypeError, EdgeToolkitError) as error:
        if isinstance(error, DamagedFile):
            found = "; ".join(line.removeprefix(f"{path}: ") for line in error.problem.splitlines())
        elif isinstance(error, RequestError) and str(path) in error.problem:
            raise
        else:
            found = str(error)
        problem = f"{path}: is not a saved run ({found}); expected a {SUFFIX} of a bundle's runs folder, or an .npz of outputs by name"
        raise RequestError(problem) from error


def require_same_samples(reference: SavedRun, candidate: SavedRun) -> None:
    """Raise RequestError where two runs have different samples; one of them may have run only the first samples."""
    ours, theirs = reference.samples, candidate.samples
    count = min(len(ours), len(theirs))
    if ours[:count] != theirs[:count]:
        first = next(number for number in range(count) if ours[number] != theirs[number])
        raise RequestError(
            f"{reference.path} and {candidate.path}: are of different samples (the first is sample {first}); expected runs over the same set"
        )


def _of_safetensors(path: Path) -> SavedRun:
    with safe_open(path, framework="np") as file:
        metadata = file.metadata() or {}
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (not a dict)
    if "run" not in metadata:
        raise ValueError("its metadata has no 'run'")
    said = parse_json(metadata["run"], path, {"schema": object})
    if said["schema"] != SCHEMA:
        raise RequestError(
            f"{path}: has schema {shown(said['schema'])}, this release knows {SCHEMA}; expected the release that wrote it"
        )
    check(said, _SHAPE, path)
    of_run = Signature.from_json(said["signature"])
    names = {spec.name for spec in of_run.outputs}
    wrong = {name: shape for name, shape in shapes.items() if not shape or shape[0] != said["count"]}
    if names != shapes.keys() or wrong:
        raise ValueError(f"it holds {shapes}, but declares {said['count']} samples of {sorted(names)}")
    for each, what in (("samples", "hashes"), ("sample_names", "names")):
        if len(said.get(each, ())) not in (0, said["count"]):
            raise ValueError(f"it declares {said['count']} samples, and {len(said[each])} {what} of samples")
    about = {
        key: value
        for key, value in said.items()
        if key not in ("schema", "stage", "signature", "count", "samples", "sample_names")
    }
    samples = tuple(said["samples"]), tuple(said.get("sample_names", ()))
    return SavedRun(path, said["stage"], of_run, said["count"], samples[0], about, samples[1])


def _of_npz(path: Path) -> SavedRun:
    npz.require_sound(path)
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    counts = {len(array) if array.ndim else None for array in arrays.values()}
    if len(counts) != 1 or None in counts:
        raise ValueError("its arrays are not of one number of samples")
    outputs = tuple(TensorSpec(name, array.dtype.name, array.shape[1:]) for name, array in arrays.items())
    return SavedRun(path, path.stem, Signature("", (), outputs), counts.pop() or 0)
