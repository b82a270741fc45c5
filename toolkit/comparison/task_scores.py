"""Scores of a chain against the labels: each task metric at each stage that ran all samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from toolkit.comparison import compare, task_metrics, unasked
from toolkit.comparison.scored_task import Task
from toolkit.comparison.task_metrics import Labels, Rows, count_labels, gather, is_own, part
from toolkit.errors import UnjudgeableRun
from toolkit.findings import Finding


class Ran(Protocol):
    """One run of the chain; its outputs may be anywhere."""

    @property
    def stage(self) -> str:
        """The name of the stage."""

    @property
    def count(self) -> int:
        """The number of samples."""

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return the run for comparing, all of it or its first `count` samples."""


RanT = TypeVar("RanT", bound=Ran)


def require_labels(wanted: Sequence[str], labels: Labels | None) -> None:
    """Raise UnjudgeableRun where a metric is wanted and there are no labels."""
    if wanted and labels is None:
        raise UnjudgeableRun(
            f"task metric {wanted[0]}: the samples have no labels, by which it would be scored",
            "expected a set with labels (an .npz with an array `labels`, a folder for each class, ...)",
        )


def score(
    steps: Sequence[Ran], labels: Labels | None, wanted: Sequence[str], kinds: Mapping[str, str] | None = None
) -> list[Task]:
    """Return each wanted metric of this toolkit, by its canonical text, at the stages of a chain; if none is wanted, those of `unasked`.

    `kinds` is the meaning of outputs, by name, where it is known. UnjudgeableRun where a wanted metric is not available: without labels, or where it
    does not apply to such outputs and labels.
    """
    require_labels(wanted, labels)
    if labels is None:
        return []
    if not wanted:
        return [
            task
            for metric, least in _usual(steps[0], labels, kinds or {})
            if (task := _usual_task(steps, metric, labels, least))
        ]
    found = []
    for text in (text for text in wanted if not is_own(text)):
        metric = task_metrics.load(text)
        rows = {}
        for step in scorable(steps):
            found_rows = _rows(step, metric, labels)
            if isinstance(found_rows, str):
                raise UnjudgeableRun(f"task metric {metric}: says nothing about {step.stage}: {found_rows}")
            rows[step.stage] = found_rows
        found.append(_task(text, metric, rows))
    return found


def _usual(original: Ran, labels: Labels, kinds: Mapping[str, str]) -> list[tuple[task_metrics.TaskMetric, float]]:
    run = original.read(1)
    block = next(iter(run.blocks), None)
    specs = run.signature.outputs
    return (
        []
        if block is None
        else unasked.usual(specs, {each.name: block[each.name].shape[1:] for each in specs}, labels, kinds)
    )


def unscored(original: Ran, labels: Labels | None, found: Sequence[Task]) -> list[Finding]:
    """Return a finding where there are labels but no score."""
    block = next(iter(original.read(1).blocks), None)
    if labels is None or found or block is None:
        return []
    why = unasked.why_none({name: array.shape[1:] for name, array in block.items()}, labels)
    message = f"the samples have labels, but nothing is scored by them; choose a metric with --task-metric ({why})"
    return [Finding("labels-unused", "info", message)]


def _usual_task(steps: Sequence[Ran], metric: task_metrics.TaskMetric, labels: Labels, least: float) -> Task | None:
    """Return a metric that nobody asked for, scored; None where it does not apply to a step, or where the original's score is too low for it."""
    rows: dict[str, Rows] = {}
    for step in scorable(steps):
        found = _rows(step, metric, labels)
        if isinstance(found, str):
            return None
        rows[step.stage] = found
    task = _task(str(metric), metric, rows)
    return task if task.scores[steps[0].stage] >= least else None


def _task(text: str, metric: task_metrics.TaskMetric, rows: Mapping[str, Rows]) -> Task:
    return Task(text, metric.BETTER, {stage: metric.score(each) for stage, each in rows.items()}, rows)


def scorable(steps: Sequence[RanT]) -> list[RanT]:
    """Return the stages that are scored: those that ran all samples, and always the last one."""
    whole = [step for step in steps[:-1] if step.stage != "source" and step.count == steps[0].count]
    return [*whole, steps[-1]]


def _rows(step: Ran, metric: task_metrics.TaskMetric, labels: Labels) -> Rows | str:
    """Return the rows that the metric needs, one for each sample, or why it does not apply to the step."""
    run = step.read()
    specs = {spec.name: spec for spec in run.signature.outputs}
    truth = part(labels, 0, step.count) if step.count < count_labels(labels) else labels
    blocks = iter(run.blocks)
    block = next(blocks, None)
    if block is None:
        raise UnjudgeableRun(f"{step.stage}: no sample; nothing can be scored")
    reason = metric.applies({name: block[name].shape[1:] for name in specs}, truth)
    if reason is not None:
        return reason

    def real() -> Iterator[dict[str, task_metrics.Real]]:
        for each in (block, *blocks):
            yield {name: spec.dequantize(each[name]) for name, spec in specs.items()}

    return gather(metric, real(), truth)
