"""Task metrics of a chain: the score of each stage's outputs by the labels, and the loss against the original's.

A task metric is a file of `toolkit/comparison/task_metrics`, named with its parameters, or a function of the user's, `module:function` or
`file.py:function`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from toolkit.comparison import compare, task_metrics, unasked
from toolkit.comparison.bootstrap import bootstrap
from toolkit.comparison.compare import Comparison, plain_json
from toolkit.comparison.deciding import ALL, deciding, for_scheme
from toolkit.comparison.intervals import clopper_pearson, samples_by_width
from toolkit.comparison.paired_difference import Drop, Scoring, all_hits, drop
from toolkit.comparison.task_metrics import Better, Labels, count_labels, gather, is_own, part
from toolkit.errors import UnjudgeableRun
from toolkit.files.shapes import Each, Either, Where

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound

_RELATIVE = "relative_drop"  # a bound's unit, as `toolkit.profiles` has it
_SEED = 0


class Ran(Protocol):
    """One run of the chain, wherever its outputs lie."""

    @property
    def stage(self) -> str:
        """What it is called as a stage."""

    @property
    def count(self) -> int:
        """How many samples it holds."""

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return the run for comparing, all of it or its first `count` samples."""


RanT = TypeVar("RanT", bound=Ran)


@dataclass(frozen=True, slots=True)
class Task:
    """A task metric, scored at each stage that ran all samples, and at the last one whatever it ran.

    `rows` is what it needs to know of each sample, by stage; None where a user's function gave one number for all of them.
    """

    metric: str
    better: Better
    scores: Mapping[str, float]
    rows: Mapping[str, Sequence[Any] | None]

    def drop(self, stage: str, confidence: float) -> Drop:
        """Return how much worse a stage is than the original on the samples that both ran; without rows its interval has no width."""
        first, rows = self.rows["original"], self.rows[stage]
        if first is None or rows is None:
            value = self.seen_drop(stage)
            return Drop(value, value, value, "one number for all samples, so without an interval")
        return drop(self.scoring, first[: len(rows)], rows, confidence)

    def seen_drop(self, stage: str) -> float:
        """Return how much worse a stage is than the original on the samples that both ran, as it was seen."""
        first, rows = self.rows["original"], self.rows[stage]
        sign = 1 if self.better == "higher" else -1
        before = self.scores["original"] if first is None or rows is None else self.scoring.score(first[: len(rows)])
        return sign * (before - self.scores[stage])

    def interval(self, stage: str, confidence: float) -> tuple[float, float] | None:
        """Return that of a stage's score: exact where rows are hits and misses, by the bootstrap else; None without rows."""
        rows = self.rows[stage]
        if rows is None:
            return None
        if all_hits(rows):
            return clopper_pearson(sum(rows), len(rows), confidence)
        return bootstrap(rows, self.scoring.score, confidence, _SEED)

    @property
    def scoring(self) -> Scoring:
        """What gives a score to any rows."""
        return scoring(self.metric, self.better)

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON, without what they were made of; NaN is "nan"."""
        return {"metric": self.metric, "better": self.better, "scores": plain_json(self.scores)}


def scoring(metric: str, better: Better) -> Scoring:
    """Return what gives a score to any rows of a metric, which may be a function of the user's."""
    return OwnScoring(better) if is_own(metric) else task_metrics.load(metric)


def own_json(found: Sequence[Task]) -> list[dict[str, Any]]:
    """Return what functions of the user's said, rows and all, as JSON: without the functions nobody can score again."""
    return [
        {**task.to_json(), "rows": {stage: None if rows is None else list(rows) for stage, rows in task.rows.items()}}
        for task in found
        if is_own(task.metric)
    ]


_SCORE = Either(float, "nan", "inf", "-inf")
OWN_JSON = [
    {
        "metric": Where(str, is_own, "the name of a function"),
        "better": Either("lower", "higher"),
        "scores": Each(_SCORE),
        "rows": Each(Either(None, [Either(float, None)])),
    }
]
"""What `own_json` writes (`toolkit.files.shapes`)."""


def from_json(document: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Return what `own_json` wrote; KeyError or TypeError for what is none."""
    return [
        Task(
            one["metric"],
            one["better"],
            {stage: float(value) for stage, value in one["scores"].items()},
            {stage: None if rows is None else tuple(rows) for stage, rows in one["rows"].items()},
        )
        for one in document
    ]


@dataclass(frozen=True, slots=True)
class OwnScoring:
    """How rows of a user's function are scored: their mean."""

    BETTER: Better
    RANGE: tuple[float, float] = (-math.inf, math.inf)  # nobody knows it

    def score(self, rows: Sequence[float | None]) -> float:
        """Return the mean; NaN where a sample had no finite number, or for no rows."""
        if not rows or None in rows:
            return math.nan
        return math.fsum(row for row in rows if row is not None) / len(rows)


def asked(said: Iterable[str], bounds: Iterable[Bound], scheme: str) -> tuple[str, ...]:
    """Return the task metrics that are asked for, or bounded for a scheme, each once."""
    return tuple(dict.fromkeys((*said, *(bound.metric for bound in _bounded(bounds, scheme) if not bound.is_silent))))


def _bounded(bounds: Iterable[Bound], scheme: str) -> list[Bound]:
    """Return the bounds that decide about drops of a scheme, those left out whose metric is switched off."""
    mine = [bound for bound in for_scheme(bounds, "total", scheme) if bound.is_of_task]
    return [bound for bound in deciding(mine, ALL) if not bound.off]


def require_labels(wanted: Sequence[str], labels: Labels | None) -> None:
    """Raise UnjudgeableRun where there is nothing to score by."""
    if wanted and labels is None:
        raise UnjudgeableRun(
            f"task metric {wanted[0]}: the samples have no labels, by which it would be scored",
            "expected a set with labels (an .npz with an array `labels`, a folder for each class, ...)",
        )


def score(
    steps: Sequence[Ran], labels: Labels | None, wanted: Sequence[str], kinds: Mapping[str, str] | None = None
) -> list[Task]:
    """Return each metric of ours that is wanted, by its canonical text, of the stages of a chain; where nothing is, what leaves no doubt (`unasked`).

    `kinds` is what outputs mean, by name, where somebody knows it. UnjudgeableRun where a metric that is wanted is not available: without labels, or
    where it says nothing about outputs and labels like these.
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


def unscored(original: Ran, labels: Labels | None, found: Sequence[Task]) -> list[dict[str, Any]]:
    """Return a finding where there are labels and nothing was scored by them."""
    block = next(iter(original.read(1).blocks), None)
    if labels is None or found or block is None:
        return []
    why = unasked.why_none({name: array.shape[1:] for name, array in block.items()}, labels)
    message = f"the samples have labels, but nothing is scored by them; choose a metric with --task-metric ({why})"
    return [{"code": "labels-unused", "severity": "info", "message": message}]


def _usual_task(steps: Sequence[Ran], metric: task_metrics.TaskMetric, labels: Labels, least: float) -> Task | None:
    """Return a metric that nobody asked for, scored; None where it says nothing about one of the steps, or the original scores too little for it."""
    rows: dict[str, list[Any]] = {}
    for step in scorable(steps):
        found = _rows(step, metric, labels)
        if isinstance(found, str):
            return None
        rows[step.stage] = found
    task = _task(str(metric), metric, rows)
    return task if task.scores[steps[0].stage] >= least else None


def _task(text: str, metric: task_metrics.TaskMetric, rows: Mapping[str, list[Any]]) -> Task:
    return Task(text, metric.BETTER, {stage: metric.score(each) for stage, each in rows.items()}, rows)


def scorable(steps: Sequence[RanT]) -> list[RanT]:
    """Return the stages that are scored: all but those that ran the first samples only; the last whatever it ran."""
    whole = [step for step in steps[:-1] if step.stage != "source" and step.count == steps[0].count]
    return [*whole, steps[-1]]


def _rows(step: Ran, metric: task_metrics.TaskMetric, labels: Labels) -> list[Any] | str:
    """Return what the metric needs of each sample, or why it says nothing about the step."""
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


def judge_drops(tasks: Sequence[Task], bounds: Sequence[Bound], scheme: str, last: str) -> tuple[Comparison, ...]:
    """Return a comparison for each bound on a drop: how much worse the stage `last` is than the original.

    UnjudgeableRun for a metric that was not scored, where a bound asks for it. A bound that fails only what is certain asks for nothing: it judges
    what was scored, of its metric with any parameters, where no other bound does.
    """
    chosen = _bounded(bounds, scheme)
    known = {task.metric: task for task in tasks}
    comparisons = []
    for bound in (bound for bound in chosen if not bound.is_silent):
        if bound.metric not in known:
            raise UnjudgeableRun(
                f"bound {bound.stage} {bound.metric}: was not scored; known: {', '.join(known) or 'none'}"
            )
        comparisons.append(_comparison(known.pop(bound.metric), bound, last))
    silent = {bound.metric: bound for bound in chosen if bound.is_silent}
    for task in known.values():
        found = silent.get(task.metric, silent.get(task.metric.partition(":")[0]))
        if found is not None and not math.isnan(task.scores["original"]):
            comparisons.append(_comparison(task, found, last))
    return tuple(comparisons)


def _comparison(task: Task, bound: Bound, last: str) -> Comparison:
    rows, found = task.rows[last], _in_unit(bound.unit, task, _drop(task, bound, last))
    samples = 0 if rows is None else len(rows)
    has_interval = rows is not None and found.low != found.high
    comparison = Comparison(
        stage=bound.stage,
        output="*",
        metric=task.metric,
        value=found.value,
        limit=bound.limit,
        unit=bound.unit,
        better="lower",
        because=bound.because,
        samples=samples,
        interval=(found.low, found.high) if has_interval else None,
        confidence=bound.confidence if has_interval else None,
        detail=found.detail,
        undecided=bound.undecided,
    )
    if comparison.status != "inconclusive":
        return comparison
    return replace(
        comparison, samples_needed=samples_by_width(found.value, (found.low, found.high), bound.limit, samples)
    )


def _drop(task: Task, bound: Bound, last: str) -> Drop:
    """Return the drop of a stage; of a bound that fails only what is certain, without a resampling that could change nothing.

    Where a resample had no score there is no interval, and what nobody knows is not certain.
    """
    if not bound.is_silent:
        return task.drop(last, bound.confidence)
    rows = task.rows[last]
    seen = task.seen_drop(last)
    kept = _in_unit(bound.unit, task, Drop(seen, seen, seen, "")).value <= bound.limit
    if rows is None or (kept and not all_hits(rows)):
        return Drop(seen, seen, seen, "within the limit as it was seen" if kept else "one number for all samples")
    found = task.drop(last, bound.confidence)
    open_ended = math.isfinite(found.value) and not (math.isfinite(found.low) and math.isfinite(found.high))
    return replace(found, low=-math.inf, high=math.inf) if open_ended else found


def _in_unit(unit: str, task: Task, found: Drop) -> Drop:
    """Return a drop as a share of what the original has where that is meant; infinite where the original has none."""
    if unit != _RELATIVE:
        return found
    whole = abs(task.scores["original"])

    def share(value: float) -> float:
        return value / whole if whole > 0 else value and math.copysign(math.inf, value)

    return Drop(share(found.low), share(found.value), share(found.high), found.detail)
