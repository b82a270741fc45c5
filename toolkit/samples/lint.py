"""The linter of calibration sets: measures samples as a stream, and lets each check (a file of toolkit/samples/lints) judge.

Only the measurements of a sample are kept. Samples are already in random order, so the first few thousand of a very large set show as much as all.
This bounds memory and time.
"""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np

from toolkit.findings import Finding
from toolkit.samples.lint_request import LintOptions, LintResult, Skipped
from toolkit.samples.lints import Answer, Input, Judged, Side
from toolkit.wire import labels as labels_of
from toolkit.wire.request import Request, write_whole
from toolkit.wire.shards import TensorShape, read_index, read_samples

_MOST_SAMPLES = 2000  # of each set: checks compare pairs, so twice as many samples take four times as long

Rows = dict[tuple[str, str], list[np.ndarray]]
One = TypeVar("One", Input, Answer)


def samples(request: Request) -> LintResult:
    """Return `findings` about the drawn samples in inputs["samples"], and the `skipped` checks (check, input or null, reason).

    Options: `limits` ({check: {name: value}}, the checks to make), `accepted` ({code: because}: findings that are information only), `names` (the
    names of the sides in messages), `split` (whether one set was split), `constant` (inputs that are meant never to change).
    """
    checks = _checks(request.options["limits"], ("input", "set"))
    folders = {side: request.inputs["samples"] / side for side in ("calibration", "verification")}
    told = _Told(cast(LintOptions, request.options))
    inputs = _inputs(folders, cast(LintOptions, request.options), told)
    applying = _applying(checks, "input", inputs, told)
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


def ranges(request: Request) -> LintResult:
    """Return `findings` about the statistics in inputs["statistics"], and the `skipped` checks; options: the first three of `samples`."""
    from toolkit.wire.statistics import Statistics

    statistics = Statistics.read(request.inputs["statistics"])
    told = _Told(cast(LintOptions, request.options))
    for name, check in _checks(request.options["limits"], ("ranges",)).items():
        told.add(name, None, check.judge(statistics, told.limits(name, check)))
    return told.result()


def answers(request: Request) -> LintResult:
    """Return `findings` about the original's answers, inputs["outputs"], for the judging samples, inputs["samples"], and their labels.

    Options: `limits` and `accepted` as those of `samples`, `names` with "verification" alone, `constant`, `signature` (JSON) of the run, and `kinds`,
    the declared meaning of outputs, by name.
    """
    from toolkit.tensors.signature import TensorSpec

    options, folder = cast(LintOptions, request.options), request.inputs["samples"]
    told = _Told(options, options["names"]["verification"])
    checks = _checks(options["limits"], ("judging", "answers"))
    index = read_index(folder)["tensors"]
    varying = {name: spec for name, spec in index.items() if name not in options["constant"]}
    inputs = [replace(_input(name, spec), is_alone=len(varying) == 1) for name, spec in varying.items()]
    specs = {each["name"]: TensorSpec.from_json(each) for each in options["signature"]["outputs"]}
    shapes = {name: spec["shape"] for name, spec in read_index(request.inputs["outputs"])["tensors"].items()}
    outputs = [
        Answer(
            name, _of_one(shapes[name]), spec.dtype, spec.is_integer and not spec.scale, options["kinds"].get(name, "")
        )
        for name, spec in specs.items()
    ]
    of_inputs = _applying(checks, "judging", inputs, told)
    of_outputs = _applying(checks, "answers", outputs, told)
    rows = _measured(folder, inputs, of_inputs)
    kept: Rows = {key: [] for key in of_outputs}
    for sample in itertools.islice(read_samples(request.inputs["outputs"]), _MOST_SAMPLES):
        for key, (one, check) in of_outputs.items():
            kept[key].append(check.measure(specs[one.name].dequantize(sample[one.name]).reshape(one.shape), one))
    rows |= {key: np.array(measured) for key, measured in kept.items()}
    side = _side(options["names"]["verification"], folder, with_labels=False)
    held = labels_of.read(folder)
    applying: dict[tuple[str, str], tuple[Input | Answer, ModuleType]] = {**of_inputs, **of_outputs}
    for (about, name), (looked_at, check) in applying.items():
        mine = replace(side, rows=rows[about, name], origins=side.origins[: len(rows[about, name])])
        if isinstance(looked_at, Answer):
            mine = replace(mine, labels=_labels_of(about, held, len(mine.rows)))
        told.add(name, about, check.judge(looked_at, mine, told.limits(name, check)))
    return told.result(of_samples=True)


def _applying(
    checks: Mapping[str, ModuleType], looking_at: str, ones: Sequence[One], told: _Told
) -> dict[tuple[str, str], tuple[One, ModuleType]]:
    """Return {names of (input or output, check): both} for the checks that apply."""
    found = {}
    for one, (name, check) in itertools.product(ones, checks.items()):
        if looking_at == check.LOOKS_AT:
            reason = check.applies(one)
            if reason is None:
                found[one.name, name] = (one, check)
            else:
                told.add(name, one.name, reason)
    return found


def _labels_of(output: str, held: labels_of.Labels | None, count: int) -> np.ndarray | None:
    """Return the labels (count, ...) of an output: those of its name, or the only ones; None if there are none, or if they are not an array."""
    column: labels_of.Column | None
    if isinstance(held, dict):
        column = held.get(output, next(iter(held.values())) if len(held) == 1 else None)
    else:
        column = held
    if column is None:
        return None
    try:
        array = np.asarray(column)[:count]
    except ValueError:  # labels of different lengths
        return None
    return array if array.dtype.kind in "biuf" else None


def half_ranges(request: Request) -> dict[str, int]:
    """Write out/ranges.json: minimum and maximum of each tensor over a random half of the samples in inputs["statistics"].

    Options: `seed` of the draw, and `half`, 0 or 1.
    """
    from toolkit.samples.lints.unstable import halves
    from toolkit.wire.statistics import Statistics

    statistics = Statistics.read(request.inputs["statistics"])
    half = halves(len(statistics.extremes), request.options["seed"])[request.options["half"]]
    extremes = statistics.extremes[half]
    spans = zip(statistics.names, extremes[:, :, 0].min(axis=0), extremes[:, :, 1].max(axis=0), strict=True)
    tensors = {name: [float(low), float(high)] for name, low, high in spans}
    write_whole(request.out / "ranges.json", json.dumps({"tensors": tensors}).encode())
    return {"samples": len(half), "tensors": len(tensors)}


class _Told:
    """Collects the results of the checks as findings, each with the name of the set and of the input or output."""

    def __init__(self, options: LintOptions, name: str = "") -> None:
        self._options = options
        self._name = name or options["names"]["calibration"]
        self._findings: list[Finding] = []
        self._skipped: list[Skipped] = []

    def limits(self, name: str, check: ModuleType) -> Any:
        return check.Limits(**self._options["limits"][name])

    def add(self, check: str, about: str | None, judged: Judged) -> None:
        if isinstance(judged, str):
            self._skipped.append({"check": check, "input": about, "reason": judged})
            return
        who = self._name + (f": {self._what(check)} {about!r}" if about is not None else "")
        for found in judged:
            facts = found.facts if about is None else {**found.facts, self._what(check): about}
            told = replace(found, message=f"{who}: {found.message}", facts=facts)
            because = self._options["accepted"].get(found.code)
            if because is not None:
                told = replace(told, severity="info", message=f"{told.message} (accepted: {because})")
            self._findings.append(told)

    def _what(self, check: str) -> str:
        module = importlib.import_module(f"toolkit.samples.lints.{check}")
        return "output" if module.LOOKS_AT == "answers" else "input"

    def result(self, *, of_samples: bool = False) -> LintResult:
        found = (replace(each, of_samples=of_samples) for each in self._findings)
        return {"findings": [each.to_json() for each in found], "skipped": self._skipped}


def _checks(limits: Iterable[str], looking_at: tuple[str, ...]) -> dict[str, ModuleType]:
    checks = {name: importlib.import_module(f"toolkit.samples.lints.{name}") for name in limits}
    return {name: check for name, check in checks.items() if check.LOOKS_AT in looking_at}


def _inputs(folders: Mapping[str, Path], options: LintOptions, told: _Told) -> list[Input]:
    """Return the inputs to check, without those that are declared constant and those with different shapes in the two sets."""
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
            found.append(replace(_input(name, spec), split=options["split"], sequences=sequences))
    return found


def _input(name: str, spec: TensorShape) -> Input:
    return Input(name, _of_one(spec["shape"]), spec["dtype"])


def _of_one(shape: list[int]) -> tuple[int, ...]:
    """Return the shape of one sample: that of one call, without a batch axis of 1."""
    return tuple(shape[1:] if shape[:1] == [1] else shape)


def _measured(
    folder: Path, inputs: list[Input], applying: Mapping[tuple[str, str], tuple[Input, ModuleType]]
) -> dict[tuple[str, str], np.ndarray]:
    """Return the measured rows (n, k) for each key of `applying`, in one pass over the samples."""
    rows: Rows = {key: [] for key in applying}
    for sample in itertools.islice(read_samples(folder), _MOST_SAMPLES):
        values = {one.name: _real(sample[one.name], one) for one in inputs}
        for key, (one, check) in applying.items():
            rows[key].append(check.measure(values[one.name], one))
    return {key: np.array(measured) for key, measured in rows.items()}


def _real(array: np.ndarray, one: Input) -> np.ndarray:
    """Return one sample without its batch axis; float32 if that holds the dtype exactly, else float64."""
    kind = np.float32 if np.can_cast(array.dtype, np.float32) else np.float64
    return np.ascontiguousarray(array, dtype=kind).reshape(one.shape)


def _side(name: str, folder: Path, *, with_labels: bool = True) -> Side:
    labels = folder / "labels.npy"
    return Side(
        name,
        read_index(folder)["count"],
        labels=np.load(labels) if with_labels and labels.is_file() else None,
        origins=tuple(json.loads((folder / "origins.json").read_text())),
    )


def _with_rows(side: Side, rows: np.ndarray) -> Side:
    return Side(side.name, side.count, rows, side.labels, side.origins)
