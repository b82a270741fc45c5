"""Bounds on task metrics: which metrics are bounded, and how much worse the last stage scores than the original."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.comparison.compare import Comparison
from toolkit.comparison.deciding import ALL, deciding, for_scheme
from toolkit.comparison.intervals import samples_by_width
from toolkit.comparison.paired_difference import Drop, all_hits
from toolkit.comparison.scored_task import Task
from toolkit.errors import UnjudgeableRun

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound

_RELATIVE = "relative_drop"  # a bound's unit, as `toolkit.profiles` has it


def asked(said: Iterable[str], bounds: Iterable[Bound], scheme: str) -> tuple[str, ...]:
    """Return the task metrics that are asked for or bounded for a scheme, each once."""
    return tuple(dict.fromkeys((*said, *(bound.metric for bound in _bounded(bounds, scheme) if not bound.is_silent))))


def _bounded(bounds: Iterable[Bound], scheme: str) -> list[Bound]:
    """Return the bounds that decide about drops of a scheme, without those whose metric is switched off."""
    mine = [bound for bound in for_scheme(bounds, "total", scheme) if bound.is_of_task]
    return [bound for bound in deciding(mine, ALL) if not bound.off]


def judge_drops(tasks: Sequence[Task], bounds: Sequence[Bound], scheme: str, last: str) -> tuple[Comparison, ...]:
    """Return a comparison for each bound on a drop: how much worse the stage `last` is than the original.

    UnjudgeableRun where a bound asks for a metric that was not scored. A bound with `undecided` "passed", which fails only what is certain, asks for
    nothing: it judges scores of its metric, with any parameters, where no other bound does.
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
    """Return the drop of a stage. For a bound that fails only what is certain, no resampling is done where it cannot change the result.

    Where a resample has no score there is no interval, and the drop is not certain.
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
    """Return a drop in a bound's unit. A relative drop is a share of the original's score; where that is 0, any drop is infinite."""
    if unit != _RELATIVE:
        return found
    whole = abs(task.scores["original"])

    def share(value: float) -> float:
        return value / whole if whole > 0 else value and math.copysign(math.inf, value)

    return Drop(share(found.low), share(found.value), share(found.high), found.detail)
