"""The facts of a release that are compared: its last run, its right answers, its measurements, its size and its findings."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError

from toolkit import findings
from toolkit.bundle import saved_report
from toolkit.bundle.bundle import LABELS, REPORT, RUNS, saved_tasks
from toolkit.comparison import compare, saved_runs, task_metrics
from toolkit.comparison.measured import Number, number
from toolkit.comparison.paired_difference import Scoring
from toolkit.comparison.saved_runs import SavedRun
from toolkit.comparison.scored_task import scoring
from toolkit.comparison.task_metrics import Better, count_labels, is_own
from toolkit.errors import RequestError
from toolkit.execution.latency import LatencyRow
from toolkit.files.foreign import open_plain
from toolkit.findings import CodeCount
from toolkit.report.documents import VerdictDocument
from toolkit.tensors.signature import Signature
from toolkit.wire import labels


class Outputs(Protocol):
    """Outputs of the first samples of a release."""

    @property
    def count(self) -> int:
        """The number of samples."""

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return the run for comparing, all of it or its first `count` samples. It can be read once."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task metric or a user's own function, and the row that it needs for each sample."""

    metric: str
    better: Better
    rows: tuple[Any, ...]

    @property
    def scoring(self) -> Scoring:
        """The scoring that turns rows into a score."""
        return scoring(self.metric, self.better)

    @property
    def is_bounded(self) -> bool:
        """Whether its scores have a finite lowest and highest value."""
        return all(map(math.isfinite, self.scoring.RANGE))


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """The interval of a latency, `low_ms` to `high_ms` (infinity if nothing bounds it), and `place`: the engine, the threads and the machine.

    Latencies of two places are not compared. `disturbed` is whether other programs ran meanwhile, so that it may be too long by any amount.
    """

    low_ms: float
    high_ms: float
    place: str
    disturbed: bool = False

    @classmethod
    def of(cls, row: LatencyRow) -> LatencyRecord:
        """Return the record of a report's latency."""
        low, high = map(number, row["interval_ms"])
        threads = f"{row['threads']} thread{'s' if row['threads'] != 1 else ''}"
        place = f"{row['engine']}, {row['timed']}, {threads}, {row['launcher']}: {row['cpu']}"
        return cls(low, high, place, row["disturbed"])

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> LatencyRecord:
        """Return what `to_json` wrote."""
        return cls(number(content["low_ms"]), number(content["high_ms"]), content["place"], content["disturbed"])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        high = "inf" if math.isinf(self.high_ms) else self.high_ms
        return {"low_ms": self.low_ms, "high_ms": high, "place": self.place, "disturbed": self.disturbed}


@dataclass(frozen=True, slots=True)
class Baseline:
    """A release, as it is compared with the next one.

    `stage` is the last run of the chain, whose outputs are compared. `samples_digest` is over the hashes of the first `count` samples. `findings` has
    the worst severity and the count of each code. `every` says that one in so many elements of an output is kept; 1 if the output is not named.
    `labels_digest` is None without labels. `truth` are the labels by target; files do not keep them. `engine` ran the stage, with its version.
    `order` is the order of inputs and outputs in the artifact itself. `latency` has the interval of `latency_ms`, and where it was measured. These
    three are None in files of earlier releases. `wanted` says which scheme was preferred to this one, and its result; files do not keep it.
    """

    path: Path
    target: str
    verdict: str
    scheme: str
    source_sha256: str
    artifact_sha256: str
    size_bytes: int
    signature: Signature
    stage: str
    count: int
    samples_digest: str
    labels_digest: str | None
    outputs_digest: str
    outputs: Outputs
    tasks: tuple[TaskRecord, ...]
    comparisons: tuple[Mapping[str, Any], ...]
    noise: Mapping[str, Mapping[str, Number]]
    findings: Mapping[str, CodeCount]
    tools: Mapping[str, str]
    latency_ms: float | None
    latency: LatencyRecord | None = None
    every: Mapping[str, int] = field(default_factory=dict)
    engine: str | None = None
    order: Mapping[str, Sequence[str]] | None = None
    wanted: str | None = field(default=None, compare=False, repr=False)
    truth: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


def of_bundle(
    bundle: Path, tasks: Sequence[str] | None = None, first: int | None = None, *, known: bool = False
) -> Baseline:
    """Return the release in a bundle, over all of its samples or the `first` ones.

    `tasks` are the task metrics to take. None takes those that the build scored; of the user's own functions, only those with a number for each
    sample. `known` is whether the bundle was just read in this way, so that nothing is measured again. Raise RequestError for a folder that is no
    bundle, and for files that changed since the build or do not belong to its report.
    """
    saved = saved_report.read(bundle)
    report = saved.report
    try:
        _require_artifact(saved)
        stage = list(report["runs"])[-1]
        run = saved_runs.read(bundle / RUNS / f"{stage}{saved_runs.SUFFIX}")
        if not known:
            _require_measured(saved, run)
        count = _count(run, report, first)
        truth = _labels(bundle, report["samples"]["verification"], count)
        own = _own_tasks(bundle, stage)
        wanted, latency = report.get("wanted"), report.get("latency")
        scored = [task["metric"] for task in report["tasks"] if not is_own(task["metric"]) or task["metric"] in own]
        return Baseline(
            path=bundle,
            target=report["target"],
            verdict=report["verdict"],
            scheme=report["artifact"]["scheme"],
            source_sha256=report["source"]["sha256"],
            artifact_sha256=report["artifact"]["sha256"],
            size_bytes=report["artifact"]["size_bytes"],
            signature=Signature.from_json(report["artifact"]["signature"]),
            stage=stage,
            count=count,
            samples_digest=_digest("".join(run.samples[:count]).encode()),
            labels_digest=None if truth is None else _digest(labels.packed(truth)),
            outputs_digest=_digest_of_outputs(run, count),
            outputs=run,
            tasks=() if truth is None else _tasks(run, truth, scored if tasks is None else tasks, own),
            comparisons=tuple(report["comparisons"]),
            noise=report["noise"],
            findings=findings.counted(findings.read(report["findings"])),
            tools=report["tools"],
            latency_ms=None if latency is None else latency["median_ms"],
            latency=None if latency is None else LatencyRecord.of(latency),
            # Reports of earlier releases have neither of these.
            engine=report["runs"][stage].get("engine"),
            order=report["artifact"]["signature"].get("order"),
            wanted=wanted["text"] if wanted else None,
            truth=truth,
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        problem = f"{bundle / REPORT}: is not a whole report ({type(error).__name__}: {error}); expected one that a build wrote"
        raise RequestError(problem) from error


def name_of(comparison: Mapping[str, Any]) -> str:
    """Return the unique name of a comparison in a report: stage, output, metric, and the unit if there is a choice."""
    chosen = f" {comparison['unit']}" if comparison["unit"] in ("real", "range", "lsb", "noise") else ""
    return f"{comparison['stage']} {comparison['output']} {comparison['metric']}{chosen}"


def _require_artifact(saved: saved_report.SavedBundle) -> None:
    """Raise RequestError if the artifact lies outside the bundle (reports alone, one of several sizes) and is not the report's artifact."""
    artifact = saved.report["artifact"]
    if saved.manifest.artifact is None:
        path = saved.folder / artifact["path"]
        try:
            with open_plain(path) as file:
                found = hashlib.sha256()
                for block in iter(lambda: file.read(1 << 20), b""):
                    found.update(block)
        except FileNotFoundError:
            problem = f"{path}: is missing, and the report is about it; expected the artifact beside its report"
            raise RequestError(problem) from None
        if found.hexdigest() != artifact["sha256"]:
            raise RequestError(f"{path}: is not the file that the report is about; build it again")


def _require_measured(saved: saved_report.SavedBundle, run: SavedRun) -> None:
    """Raise RequestError if new measurements of the last run against the original differ from the report's."""
    first = saved_runs.read(saved.folder / RUNS / f"original{saved_runs.SUFFIX}")
    saved_runs.require_same_samples(first, run)
    count = min(first.count, run.count)
    kinds = saved.report.get("output_kinds", {})
    parts = {output: tuple(kind["parts"]) for output, kind in kinds.items() if kind["parts"]}
    saved_report.require_its_total(saved, compare.measure(first.read(count), run.read(count), parts=parts))


def _count(run: SavedRun, report: VerdictDocument, first: int | None) -> int:
    """Return the number of samples to compare: the `first` ones, or all of the run. Raise RequestError if the run does not match its report."""
    said = report["runs"][run.stage]["samples"]
    if run.count != said or len(run.samples) != said:
        problem = f"{run.path}: holds {run.count} samples with {len(run.samples)} hashes; its report is about {said}"
        raise RequestError(f"{problem}; expected the runs of the same build")
    if said == 0:
        raise RequestError(f"{run.path}: holds no sample, so there is nothing to compare")
    return run.count if first is None else min(run.count, first)


def _labels(bundle: Path, drawn: int, count: int) -> dict[str, Any] | None:
    """Return the labels of the first `count` samples by target. The file holds the labels of all `drawn` samples; a run may have fewer."""
    path = bundle / RUNS / LABELS
    if not path.is_file():
        return None
    try:
        columns = labels.read(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise RequestError(f"{path}: cannot be read ({error}); expected labels that a build wrote") from error
    if not isinstance(columns, dict) or {len(column) for column in columns.values()} != {drawn}:
        raise RequestError(f"{path}: has not {drawn} labels of each target, one for each sample; build it again")
    return {target: column[:count] for target, column in columns.items()}


def _tasks(
    run: SavedRun, truth: Mapping[str, Any], asked: Sequence[str], own: Mapping[str, TaskRecord]
) -> tuple[TaskRecord, ...]:
    """Return the record of each requested task metric over the samples with these labels."""
    found, count = [], count_labels(truth)
    shapes = {name: array.shape[1:] for name, array in next(iter(run.read(1).blocks)).items()}
    for text in asked:
        if is_own(text):
            if text not in own:
                raise RequestError(
                    f"{run.path.parent.parent}: was not scored by {text}, a number for each sample; build it with --task-metric {text}"
                )
            found.append(replace(own[text], rows=own[text].rows[:count]))
            continue
        metric = task_metrics.load(text)
        reason = metric.applies(shapes, truth)
        if reason is not None:
            raise RequestError(f"{run.path}: {text} says nothing about it: {reason}")
        found.append(
            TaskRecord(str(metric), metric.BETTER, tuple(task_metrics.gather(metric, _real(run, count), truth)))
        )
    return tuple(found)


def _own_tasks(bundle: Path, stage: str) -> dict[str, TaskRecord]:
    """Return the records of the user's own functions for one stage, as the build saved them, if they have a row for each sample."""
    said = {task.metric: (task.better, task.rows[stage]) for task in saved_tasks(bundle)}
    return {
        metric: TaskRecord(metric, better, tuple(rows)) for metric, (better, rows) in said.items() if rows is not None
    }


def _real(run: SavedRun, count: int) -> Iterator[dict[str, task_metrics.Real]]:
    """Yield blocks of real values, as a stream."""
    for block in run.read(count).blocks:
        yield {spec.name: spec.dequantize(block[spec.name]) for spec in run.signature.outputs}


def _digest_of_outputs(run: SavedRun, count: int) -> str:
    found = {spec.name: hashlib.sha256() for spec in run.signature.outputs}
    for block in run.read(count).blocks:
        for name, array in block.items():
            found[name].update(np.ascontiguousarray(array).tobytes())
    return _digest("".join(f"{name} {each.hexdigest()}" for name, each in sorted(found.items())).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
