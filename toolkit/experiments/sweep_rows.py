"""The results of a sweep, one row for each variant, with the best rows marked, and the exit status."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.comparison.measure import plain_json
from toolkit.comparison.task_metrics import Better


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One variant on one target. A number that was not measured is None, and `problem` says why there is no verdict.

    `drift_db` has the SQNR of the worst output for each stage against the stage before it. `total_db` is that of the last stage against the original
    (None: no noise, or unknown). `score` is the last stage's score by the first task metric, `task`; `better` says whether higher or lower is better.
    `latency_ms` is the median time of one call, only if it is measured on the device. `keeps` is the actual scheme of the file; it differs from
    `scheme` if, for example, no weight became int8. `problem_status` is the exit status of the problem, None without one.
    """

    target: str
    scheme: str
    quantizer: str | None
    estimator: str | None
    calibration_samples: int | None
    size_bytes: int | None = None
    drift_db: Mapping[str, float | None] = field(default_factory=dict)
    total_db: float | None = None
    task: str | None = None
    better: Better | None = None
    score: float | None = None
    score_interval: tuple[float, float] | None = None
    latency_ms: float | None = None
    verdict: str | None = None
    guilty_stage: str | None = None
    findings: tuple[str, ...] = ()
    pareto: bool = False
    problem: str | None = None
    problem_status: int | None = None
    keeps: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON. Numbers that JSON does not have are "nan", "inf" and "-inf"."""
        return dict(plain_json(dataclasses.asdict(self)))


def exit_status(rows: Sequence[SweepRow]) -> int:
    """Return the exit status of a sweep with these rows: 0 if one passed, else 1 if all have a verdict, else the highest status of a problem.

    A row without a verdict might have passed.
    """
    if any(row.verdict == "passed" for row in rows):
        return 0
    return max((1 if row.problem_status is None else row.problem_status for row in rows), default=1)


def marked(rows: Sequence[SweepRow]) -> list[SweepRow]:
    """Return the rows with each target's Pareto front marked: no other row with a verdict is both smaller and nearer to the original."""
    return [dataclasses.replace(row, pareto=_is_best(row, rows)) for row in rows]


def _is_best(row: SweepRow, rows: Sequence[SweepRow]) -> bool:
    if row.verdict is None or row.size_bytes is None:
        return False
    mine = (row.size_bytes, -_fidelity(row))
    for other in rows:
        if other.target == row.target and other.verdict is not None and other.size_bytes is not None:
            theirs = (other.size_bytes, -_fidelity(other))
            if theirs != mine and all(a <= b for a, b in zip(theirs, mine, strict=True)):
                return False
    return True


def _fidelity(row: SweepRow) -> float:
    """Return the total SQNR, for ordering rows; infinite without any noise."""
    return math.inf if row.total_db is None else row.total_db
