"""What is compared of a release: its last run, its right answers, its measurements, its size and its findings."""

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
from toolkit.comparison.measured import Number
from toolkit.comparison.paired_difference import Scoring
from toolkit.comparison.saved_runs import SavedRun
from toolkit.comparison.scored_task import scoring
from toolkit.comparison.task_metrics import Better, count_labels, is_own
from toolkit.errors import RequestError
from toolkit.files.foreign import open_plain
from toolkit.findings import CodeCount
from toolkit.report.documents import VerdictDocument
from toolkit.tensors.signature import Signature
from toolkit.wire import labels


class Outputs(Protocol):
    """Outputs of the first samples of a release."""

    @property
    def count(self) -> int:
        """Of how many samples."""

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return the run for comparing, all of it or its first `count` samples; it can be read once."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task metric, or a function of the user's, and what it needs to know of each sample."""

    metric: str
    better: Better
    rows: tuple[Any, ...]

    @property
    def scoring(self) -> Scoring:
        """What gives a score to any rows."""
        return scoring(self.metric, self.better)

    @property
    def is_bounded(self) -> bool:
        """Whether its scores lie between two numbers, so that a share of what lies between is a share of it."""
        return all(map(math.isfinite, self.scoring.RANGE))


@dataclass(frozen=True, slots=True)
class Baseline:
    """A release, as it is compared with the next one.

    `stage` is the run whose outputs count: the last of the chain. `samples` is the digest of the first of them, for each count that was
    asked: see `digest_of_samples`. `findings` has the worst severity and the count of each code. `every` is which elements of an output
    are kept, one in so many; 1 where it is not named. `labels` is a digest, None where there are none; `truth` are the labels by target, which a file
    does not keep. `engine` is what ran them, with its version, and `order` in which order the artifact itself has its inputs and outputs; None in
    files of earlier releases. `wanted` says which scheme was wanted in place of this one and what became of it; no file keeps it.
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
    every: Mapping[str, int] = field(default_factory=dict)
    engine: str | None = None
    order: Mapping[str, Sequence[str]] | None = None
    wanted: str | None = field(default=None, compare=False, repr=False)
    truth: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


def of_bundle(
    bundle: Path, tasks: Sequence[str] | None = None, first: int | None = None, *, known: bool = False
) -> Baseline:
    """Return the release that lies in a bundle, over all of its samples or the `first` of them.

    `tasks` are the task metrics to take; None takes those that the build scored, of the user's functions those that gave a number for each sample.
    `known` is whether the bundle was read this way just now, so that nothing is measured again. RequestError for a folder that is no bundle, or whose
    files are not those that its build wrote, or are not what its report is on.
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
        wanted = report.get("wanted")
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
            # Emulated latency is none, and a build writes none then.
            latency_ms=report.get("latency_ms"),
            # Reports of earlier releases have neither.
            engine=report["runs"][stage].get("engine"),
            order=report["artifact"]["signature"].get("order"),
            wanted=wanted["text"] if wanted else None,
            truth=truth,
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        problem = f"{bundle / REPORT}: is not a whole report ({type(error).__name__}: {error}); expected one that a build wrote"
        raise RequestError(problem) from error


def name_of(comparison: Mapping[str, Any]) -> str:
    """Return what tells a comparison of a report from the others: stage, output, metric, and the unit where there is a choice."""
    chosen = f" {comparison['unit']}" if comparison["unit"] in ("real", "range", "lsb", "noise") else ""
    return f"{comparison['stage']} {comparison['output']} {comparison['metric']}{chosen}"


def _require_artifact(saved: saved_report.SavedBundle) -> None:
    """Raise RequestError where the artifact lies elsewhere (reports alone, one of several sizes) and is another than the report is of."""
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
    """Raise RequestError where the last run against the original is not what the report measured."""
    first = saved_runs.read(saved.folder / RUNS / f"original{saved_runs.SUFFIX}")
    saved_runs.require_same_samples(first, run)
    count = min(first.count, run.count)
    kinds = saved.report.get("output_kinds", {})
    parts = {output: tuple(kind["parts"]) for output, kind in kinds.items() if kind["parts"]}
    saved_report.require_its_total(saved, compare.measure(first.read(count), run.read(count), parts=parts))


def _count(run: SavedRun, report: VerdictDocument, first: int | None) -> int:
    """Return how many samples count: all of the run, which must be as many as its report says, or the first of them."""
    said = report["runs"][run.stage]["samples"]
    if run.count != said or len(run.samples) != said:
        problem = f"{run.path}: holds {run.count} samples with {len(run.samples)} hashes; its report is about {said}"
        raise RequestError(f"{problem}; expected the runs of the same build")
    if said == 0:
        raise RequestError(f"{run.path}: holds no sample, so there is nothing to compare")
    return run.count if first is None else min(run.count, first)


def _labels(bundle: Path, drawn: int, count: int) -> dict[str, Any] | None:
    """Return the labels of the first `count` samples by target; the file holds those of all that were drawn, a run may be over fewer."""
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
    """Return what each task metric needs of the samples that have these labels."""
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
    """Return what functions of the user's said in the build of the samples of one stage, one by one."""
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
