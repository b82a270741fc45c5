"""The linter of calibration sets: measures samples as a stream, and lets each check (a file of toolkit/lints) judge.

Of a sample only what the checks measured is kept. The samples lie in random order already, so of a very large set the first few thousand tell as much
as all, and memory and time are bounded.
"""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from toolkit.lints import Finding, Input, Judged, Side
from toolkit.worker.request import Request, write_whole
from toolkit.worker.shards import read_index, read_samples

_MOST_SAMPLES = 2000  # of each set: pairs are compared, so twice as many take four times as long

Rows = dict[tuple[str, str], list[np.ndarray]]


def samples(request: Request) -> dict[str, Any]:
    """Return `findings` about the drawn samples in inputs["samples"], and what was `skipped` (check, input or null, reason).

    Options: `limits` ({check: {name: value}}, the checks to make), `accepted` ({code: because}: findings that are information only), `names` (what
    messages call the sides), `split` (whether one set was split), `constant` (inputs that are meant never to change).
    """
    checks = _checks(request.options["limits"], ("input", "set"))
    folders = {side: request.inputs["samples"] / side for side in ("calibration", "verification")}
    told = _Told(request.options)
    inputs = _inputs(folders, request.options, told)
    applying = {}
    for one, (name, check) in itertools.product(inputs, checks.items()):
        if check.LOOKS_AT == "input":
            reason = check.applies(one)
            if reason is None:
                applying[one.name, name] = (one, check)
            else:
                told.add(name, one.name, reason)
    measured = {side: _measured(folder, inputs, applying) for side, folder in folders.items()}
    sides = {side: _side(request.options["names"][side], folder) for side, folder in folders.items()}
    for name, check in checks.items():
        if check.LOOKS_AT == "set":
            judged = check.judge(sides["calibration"], sides["verification"], told.limits(name, check))
            told.add(name, None, judged)
    for (input_name, name), (one, check) in applying.items():
        pair = [_with_rows(side, measured[key][input_name, name]) for key, side in sides.items()]
        told.add(name, input_name, check.judge(one, *pair, told.limits(name, check)))
    return told.result()


def ranges(request: Request) -> dict[str, Any]:
    """Return `findings` about the statistics in inputs["statistics"], and what was `skipped`; options: the first three of `samples`."""
    from toolkit.worker.statistics import Statistics

    statistics = Statistics.read(request.inputs["statistics"])
    told = _Told(request.options)
    for name, check in _checks(request.options["limits"], ("ranges",)).items():
        told.add(name, None, check.judge(statistics, told.limits(name, check)))
    return told.result()


def half_ranges(request: Request) -> dict[str, Any]:
    """Write out/ranges.json, the ranges that one random half of the samples in inputs["statistics"] spans, minimum to maximum.

    Options: `seed` of the draw, and `half`, 0 or 1.
    """
    from toolkit.lints.unstable import halves
    from toolkit.worker.statistics import Statistics

    statistics = Statistics.read(request.inputs["statistics"])
    half = halves(len(statistics.extremes), request.options["seed"])[request.options["half"]]
    extremes = statistics.extremes[half]
    spans = zip(statistics.names, extremes[:, :, 0].min(axis=0), extremes[:, :, 1].max(axis=0), strict=True)
    tensors = {name: [float(low), float(high)] for name, low, high in spans}
    write_whole(request.out / "ranges.json", json.dumps({"tensors": tensors}).encode())
    return {"samples": len(half), "tensors": len(tensors)}


class _Told:
    """What checks said, made into findings that name who they are about."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._findings: list[Finding] = []
        self._skipped: list[dict[str, str | None]] = []

    def limits(self, name: str, check: ModuleType) -> Any:
        return check.Limits(**self._options["limits"][name])

    def add(self, check: str, about: str | None, judged: Judged) -> None:
        if isinstance(judged, str):
            self._skipped.append({"check": check, "input": about, "reason": judged})
            return
        who = self._options["names"]["calibration"] + (f": input {about!r}" if about is not None else "")
        for found in judged:
            told = {**found, "message": f"{who}: {found['message']}"} | ({"input": about} if about is not None else {})
            because = self._options["accepted"].get(found["code"])
            if because is not None:
                told |= {"severity": "info", "message": f"{told['message']} (accepted: {because})"}
            self._findings.append(told)

    def result(self) -> dict[str, Any]:
        return {"findings": self._findings, "skipped": self._skipped}


def _checks(limits: Mapping[str, Any], looking_at: tuple[str, ...]) -> dict[str, ModuleType]:
    checks = {name: importlib.import_module(f"toolkit.lints.{name}") for name in limits}
    return {name: check for name, check in checks.items() if check.LOOKS_AT in looking_at}


def _inputs(folders: Mapping[str, Path], options: Mapping[str, Any], told: _Told) -> list[Input]:
    """Return the inputs to look at: not those that are meant never to change, and none whose samples differ in shape between the sets."""
    ours, theirs = (read_index(folder)["tensors"] for folder in folders.values())
    sequences = any((folder / "sequences.json").is_file() for folder in folders.values())
    found = []
    for name, spec in ours.items():
        shapes = [tensors[name]["shape"] for tensors in (ours, theirs)]
        if name in options["constant"]:
            told.add("input", name, "declared to be constant")
        elif shapes[0] != shapes[1]:
            told.add("input", name, f"samples have the shape {shapes[0]} in one set and {shapes[1]} in the other")
        else:
            shape = tuple(shapes[0][1:] if shapes[0][:1] == [1] else shapes[0])  # of one call: a batch of one
            found.append(Input(name, shape, spec["dtype"], split=options["split"], sequences=sequences))
    return found


def _measured(
    folder: Path, inputs: list[Input], applying: Mapping[tuple[str, str], tuple[Input, ModuleType]]
) -> dict[tuple[str, str], np.ndarray]:
    """Return (n, k) by input and check, in one pass over the samples."""
    rows: Rows = {key: [] for key in applying}
    for sample in itertools.islice(read_samples(folder), _MOST_SAMPLES):
        values = {one.name: _real(sample[one.name], one) for one in inputs}
        for key, (one, check) in applying.items():
            rows[key].append(check.measure(values[one.name], one))
    return {key: np.array(measured) for key, measured in rows.items()}


def _real(array: np.ndarray, one: Input) -> np.ndarray:
    """Return one sample without its batch axis; float32 where that holds the dtype exactly, else float64."""
    kind = np.float32 if np.can_cast(array.dtype, np.float32) else np.float64
    return np.ascontiguousarray(array, dtype=kind).reshape(one.shape)


def _side(name: str, folder: Path) -> Side:
    labels = folder / "labels.npy"
    return Side(
        name,
        read_index(folder)["count"],
        labels=np.load(labels) if labels.is_file() else None,
        origins=tuple(json.loads((folder / "origins.json").read_text())),
    )


def _with_rows(side: Side, rows: np.ndarray) -> Side:
    return Side(side.name, side.count, rows, side.labels, side.origins)
