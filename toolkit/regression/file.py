"""A release as one small JSON file, and back.

Only the outputs of the first samples are kept, as the engine gave them, in 512 KiB before compression. If fewer than 40 samples fit, an output that
is too large for its share is thinned: every n-th element is kept, always the same ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from toolkit import findings, printable
from toolkit.comparison import compare, comparison
from toolkit.comparison.runs import Blocks
from toolkit.comparison.saved_runs import DTYPES
from toolkit.comparison.task_metrics import Better
from toolkit.errors import DamagedFile, EdgeToolkitError, RequestError, suggestion
from toolkit.files.foreign import check, read_json
from toolkit.files.places import not_a_file
from toolkit.files.shapes import AMOUNT, COUNT, Each, Either
from toolkit.files.whole import whole_file
from toolkit.findings import CodeCount
from toolkit.regression.record import Baseline, LatencyRecord, TaskRecord, of_bundle
from toolkit.tensors import signature
from toolkit.tensors.signature import Signature

FORMAT = "edge-toolkit baseline"
SCHEMA = 1
OUTPUT_BYTES = 1 << 19
_FEWEST_SAMPLES = 40  # 36 samples that all agree show an agreement of 0.90, and fewer do not (Clopper-Pearson, 95 %)


class PackedArray(TypedDict):
    """An array in a baseline file: little-endian bytes, packed by zlib, as base64."""

    dtype: str
    shape: list[int]
    zlib_base64: str


class PackedTask(TypedDict):
    """A task metric in a baseline file. If all rows are 0 or 1, they are one text."""

    metric: str
    better: Better
    rows: str | list[Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """Outputs of the first samples, kept in a file: shape (count, *shape), or (count, elements) if not all elements are kept."""

    path: Path
    signature: Signature
    arrays: Mapping[str, np.ndarray]

    @property
    def count(self) -> int:
        """The number of samples."""
        return compare.count_samples(dict(self.arrays))

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return the run for comparing, all of it or its first `count` samples."""
        block = {name: array[:count] for name, array in self.arrays.items()}
        return compare.RunOutputs(f"baseline ({self.path})", self.signature, [block])


def thin(run: compare.RunOutputs, every: Mapping[str, int]) -> compare.RunOutputs:
    """Return a run in which each output named in `every` is flat and keeps one in `every[output]` elements. Other outputs are unchanged."""

    def blocks() -> Iterator[compare.Block]:
        for block in run.blocks:
            yield {
                name: array.reshape(len(array), -1)[:, :: every[name]] if name in every else array
                for name, array in block.items()
            }

    outputs = tuple(replace(spec, shape=None) if spec.name in every else spec for spec in run.signature.outputs)
    return compare.RunOutputs(run.name, replace(run.signature, outputs=outputs), Blocks(blocks))


def read(path: Path) -> Baseline:
    """Return the release in a baseline file or a bundle. Raise RequestError for a file that is no baseline, is damaged, or has another schema."""
    if os.path.isdir(path):
        return of_bundle(path)
    try:
        content = read_json(path, dict)
    except FileNotFoundError:
        near = suggestion(path.name, [each.name for each in path.parent.glob(f"*{path.suffix}")])
        raise RequestError(f"{path}: no such file; {near}", "--update-baseline writes one") from None
    except DamagedFile as error:
        raise _damaged(path, error) from error
    if content.get("format") != FORMAT:
        raise RequestError(f"{path}: is not a baseline; expected a file that --update-baseline wrote, or a bundle")
    if content.get("schema") != SCHEMA:
        problem = f"{path}: has schema {content.get('schema')}, this release knows {SCHEMA}"
        raise RequestError(f"{problem}; expected the release that wrote it, or a newer one")
    if content.pop("sha256", None) != _sha256(content):
        raise RequestError(
            f"{path}: was changed after it was written; recreate it from a bundle with --update-baseline"
        )
    try:
        check(content, SHAPE, path)
        return _from_json(path, content)
    except DamagedFile as error:
        raise _damaged(path, error) from error
    except (ValueError, zlib.error, EdgeToolkitError) as error:
        problem = (
            f"{path}: is not a whole baseline ({type(error).__name__}: {error}); recreate it with --update-baseline"
        )
        raise RequestError(problem) from error


def _damaged(path: Path, error: DamagedFile) -> DamagedFile:
    problem = "is not a whole baseline; recreate it if it was cut, or merged by hand"
    return DamagedFile(path, [printable.lines([problem, error.problem])], "--update-baseline writes one from a bundle")


def write(path: Path, baseline: Baseline) -> None:
    """Write a release to a file, whole or not at all. Raise RequestError if anything but a baseline is there."""
    content = _to_json(baseline)
    text = json.dumps({**content, "sha256": _sha256(content)}, indent=1, allow_nan=False) + "\n"
    with whole_file(path, refusal) as aside:
        aside.write_bytes(text.encode())


def refusal(path: Path) -> str | None:
    """Return why a path must not be replaced by a baseline. None if there is nothing, an empty file, or another baseline."""
    problem = not_a_file(path)
    if problem is not None or not path.exists() or not path.stat().st_size:
        return problem
    try:
        read(path)
    except RequestError as error:
        return f"is not a baseline, and stays: {error.problem}"
    return None


SHAPE = {
    **dict.fromkeys(("target", "scheme", "source_sha256", "artifact_sha256", "stage"), str),
    **dict.fromkeys(("samples_digest", "outputs_digest"), str),
    "verdict": Either("passed", "failed", "inconclusive"),
    "labels_digest": Either(str, None),
    "size_bytes": COUNT,
    "count": COUNT,
    "noise": Each(Each(AMOUNT)),
    "findings": Each({"severity": Either(*findings.SEVERITIES), "count": COUNT}),
    "tools": Each(str),
    "latency_ms": Either(AMOUNT, None),
    "latency?": {"low_ms": AMOUNT, "high_ms": Either(AMOUNT, "inf"), "place": str, "disturbed": bool},
    "engine?": str,
    "order?": {"inputs": [str], "outputs": [str]},
    "signature": signature.SHAPE,
    "outputs_signature": signature.SHAPE,
    "tasks": [{"metric": str, "better": Either("lower", "higher"), "rows": Either(str, list)}],
    "comparisons": [comparison.SHAPE],
    "outputs": Each({"dtype": Either(*DTYPES), "shape": [COUNT], "zlib_base64": str, "every": COUNT}),
}
"""The required content of a baseline file, besides its format, schema and checksum."""

_PLAIN = (
    "target", "verdict", "scheme", "source_sha256", "artifact_sha256", "size_bytes", "stage", "count", "samples_digest",
    "labels_digest", "outputs_digest", "noise", "findings", "tools", "latency_ms",
)  # fmt: skip
_LATER = ("confidence", "undecided")  # files of earlier releases do not have these
_OF_LATER = ("engine", "order")  # files of earlier releases do not have these
_OF_A_COMPARISON = ("stage", "output", "metric", "unit", "value", "limit", "better", "because")


def _to_json(baseline: Baseline) -> dict[str, Any]:
    every, arrays = _keep(baseline)
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        **{name: getattr(baseline, name) for name in _PLAIN},
        "findings": {code: held.to_json() for code, held in baseline.findings.items()},
        **{name: held for name in _OF_LATER if (held := getattr(baseline, name)) is not None},
        **({} if baseline.latency is None else {"latency": baseline.latency.to_json()}),
        "signature": baseline.signature.to_json(),
        "tasks": [
            {"metric": task.metric, "better": task.better, "rows": _packed_rows(task.rows)} for task in baseline.tasks
        ],
        "comparisons": [
            {name: each[name] for name in (*_OF_A_COMPARISON, *(name for name in _LATER if name in each))}
            for each in baseline.comparisons
        ],
        "outputs": {name: {**_packed(array), "every": every.get(name, 1)} for name, array in arrays.items()},
        "outputs_signature": baseline.outputs.read(0).signature.to_json(),
    }


def _from_json(path: Path, content: Mapping[str, Any]) -> Baseline:
    arrays = {name: _unpacked(held) for name, held in content["outputs"].items()}
    of_outputs = Signature.from_json(content["outputs_signature"])
    if len({len(array) for array in arrays.values()}) != 1 or arrays.keys() != {
        each.name for each in of_outputs.outputs
    }:
        raise ValueError("its outputs are not those that it names, of one number of samples")
    return Baseline(
        path=path,
        **{
            **{name: content[name] for name in _PLAIN},
            "findings": {code: CodeCount.from_json(held) for code, held in content["findings"].items()},
        },
        latency=LatencyRecord.from_json(content["latency"]) if "latency" in content else None,
        engine=content.get("engine"),
        order=content.get("order"),
        signature=Signature.from_json(content["signature"]),
        outputs=Kept(path, of_outputs, arrays),
        tasks=tuple(_task(each, content["count"]) for each in content["tasks"]),
        comparisons=tuple(content["comparisons"]),
        every={name: held["every"] for name, held in content["outputs"].items() if held["every"] > 1},
    )


def _task(said: PackedTask, count: int) -> TaskRecord:
    """Return a task metric with a row for each sample. Raise ValueError for rows that the metric cannot have written."""
    task = TaskRecord(said["metric"], said["better"], _unpacked_rows(said["rows"]))
    low, high = task.scoring.RANGE
    try:
        score = task.scoring.score(task.rows)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"rows of {task.metric} that it cannot score ({error})") from error
    if len(task.rows) != count or score < low or score > high:
        raise ValueError(f"{len(task.rows)} rows of {task.metric} for {count} samples, of the score {score:g}")
    return task


def _keep(baseline: Baseline) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Return which elements of each output are kept (one in so many), and these elements for as many samples as fit."""
    one = next(iter(baseline.outputs.read(1).blocks))
    most = min(baseline.outputs.count, baseline.count)
    room = OUTPUT_BYTES // max(1, sum(array.nbytes for array in one.values()))
    count = min(most, max(room, _FEWEST_SAMPLES))
    every: dict[str, int] = {}
    if room < count:
        share = OUTPUT_BYTES // (count * len(one))
        elements = {name: max(1, share // array.itemsize) for name, array in one.items()}
        every = {
            name: math.ceil(array.size / elements[name]) for name, array in one.items() if array.size > elements[name]
        }
    blocks = list(thin(baseline.outputs.read(count), every).blocks)
    return {**baseline.every, **every}, {name: np.concatenate([block[name] for block in blocks]) for name in one}


def _packed(array: np.ndarray) -> PackedArray:
    content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    data = base64.b64encode(zlib.compress(content, 9)).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "zlib_base64": data}


def _unpacked(held: PackedArray) -> np.ndarray:
    dtype = np.dtype(held["dtype"]).newbyteorder("<")
    size = math.prod(held["shape"]) * dtype.itemsize
    if size > OUTPUT_BYTES:
        raise ValueError(f"an output of {size} bytes; expected at most {OUTPUT_BYTES}")
    content = zlib.decompressobj().decompress(base64.b64decode(held["zlib_base64"], validate=True), size + 1)
    array = np.frombuffer(content, dtype).reshape(held["shape"])
    return array.astype(dtype.newbyteorder("="))


def _packed_rows(rows: tuple[Any, ...]) -> str | list[Any]:
    """Return rows as one text if all are 0 or 1, so that they take one line in the file. Return other rows unchanged."""
    return "".join(map(str, rows)) if all(type(row) is int and row in (0, 1) for row in rows) else list(rows)


def _unpacked_rows(rows: str | list[Any]) -> tuple[Any, ...]:
    return tuple(map(int, rows)) if isinstance(rows, str) else tuple(rows)


def _sha256(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
