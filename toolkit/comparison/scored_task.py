"""A task metric with the scores of each stage, and the rows behind them.

A task metric is a file of `toolkit/comparison/task_metrics`, named with its parameters, or a user's function, `module:function` or
`file.py:function`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from toolkit.comparison import task_metrics
from toolkit.comparison.bootstrap import bootstrap
from toolkit.comparison.compare import plain_json
from toolkit.comparison.intervals import clopper_pearson
from toolkit.comparison.measured import Number
from toolkit.comparison.paired_difference import Drop, Scoring, all_hits, drop
from toolkit.comparison.task_metrics import Better, Rows, is_own
from toolkit.files.shapes import Each, Either, Where

_SEED = 0


class TaskRow(TypedDict):
    """The scores of a `Task` as JSON, by stage."""

    metric: str
    better: Better
    scores: dict[str, Number]


class OwnTaskRow(TaskRow):
    """The scores of a user's function, and the numbers behind them."""

    rows: dict[str, list[Any] | None]


@dataclass(frozen=True, slots=True)
class Task:
    """A task metric, scored at each stage that ran all samples, and always at the last stage.

    `rows` are the data that it needs of each sample, by stage; None where a user's function gave one number for all of them.
    """

    metric: str
    better: Better
    scores: Mapping[str, float]
    rows: Mapping[str, Rows | None]

    def drop(self, stage: str, confidence: float) -> Drop:
        """Return how much worse a stage is than the original on the samples that both ran; without rows the interval has no width."""
        first, rows = self.rows["original"], self.rows[stage]
        if first is None or rows is None:
            value = self.seen_drop(stage)
            return Drop(value, value, value, "one number for all samples, so without an interval")
        return drop(self.scoring, first[: len(rows)], rows, confidence)

    def seen_drop(self, stage: str) -> float:
        """Return how much worse a stage is than the original on the samples that both ran, without an interval."""
        first, rows = self.rows["original"], self.rows[stage]
        sign = 1 if self.better == "higher" else -1
        before = self.scores["original"] if first is None or rows is None else self.scoring.score(first[: len(rows)])
        return sign * (before - self.scores[stage])

    def interval(self, stage: str, confidence: float) -> tuple[float, float] | None:
        """Return the interval of a stage's score: exact where rows are hits and misses, else by the bootstrap; None without rows."""
        rows = self.rows[stage]
        if rows is None:
            return None
        if all_hits(rows):
            return clopper_pearson(sum(rows), len(rows), confidence)
        return bootstrap(rows, self.scoring.score, confidence, _SEED)

    @property
    def scoring(self) -> Scoring:
        """The function that scores any rows."""
        return scoring(self.metric, self.better)

    def to_json(self) -> TaskRow:
        """Return the scores as JSON, without the rows; NaN is "nan"."""
        return {"metric": self.metric, "better": self.better, "scores": plain_json(self.scores)}


def scoring(metric: str, better: Better) -> Scoring:
    """Return the scoring of any rows of a metric, which may be a user's function."""
    return OwnScoring(better) if is_own(metric) else task_metrics.load(metric)


@dataclass(frozen=True, slots=True)
class OwnScoring:
    """The scoring of rows of a user's function: their mean."""

    BETTER: Better
    RANGE: tuple[float, float] = (-math.inf, math.inf)  # unknown

    def score(self, rows: Sequence[float | None]) -> float:
        """Return the mean; NaN where a sample has no finite number, or for no rows."""
        if not rows or None in rows:
            return math.nan
        return math.fsum(row for row in rows if row is not None) / len(rows)


def own_json(found: Sequence[Task]) -> list[OwnTaskRow]:
    """Return the results of the user's functions as JSON, with rows: they cannot be scored again without the functions."""
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


def from_json(document: Sequence[OwnTaskRow]) -> list[Task]:
    """Return the tasks that `own_json` wrote; KeyError or TypeError for other JSON."""
    return [
        Task(
            one["metric"],
            one["better"],
            {stage: float(value) for stage, value in one["scores"].items()},
            {stage: None if rows is None else tuple(rows) for stage, rows in one["rows"].items()},
        )
        for one in document
    ]
