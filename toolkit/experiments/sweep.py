"""Quantization experiments: every variant of every scheme, for several set sizes and targets, with the cost and the drift of each.

What variants have in common (source, float artifact, statistics, the original's outputs) is one job each; what is finished stays in the store, so a
sweep that was killed goes on where it was. A variant that an engine fails at is a row that says so.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit import launchers, registry
from toolkit.comparison.measure import plain_json
from toolkit.comparison.task_metrics import Better
from toolkit.conversion.artifacts import Conversions, artifact_of
from toolkit.errors import EdgeToolkitError, LimitReached, RequestError
from toolkit.execution.run import run_job
from toolkit.jobs.executor import Executor
from toolkit.jobs.graph import Goal
from toolkit.jobs.job import Engine, Job, Output
from toolkit.pipeline.evaluate import evaluate
from toolkit.pipeline.model import Model
from toolkit.pipeline.prepare import (
    Samples,
    draw,
    executing,
    make_environments,
    open_model,
    refuse_severe,
    require_kinds,
    settled,
)
from toolkit.pipeline.stages import Chain, execution_of, kernels_of, plan, without_artifact
from toolkit.profiles.recipe import Asked, Estimator, Recipe, Variant, estimator
from toolkit.source.original import Original
from toolkit.source.source import said_of_limit
from toolkit.verdict.noise import decibels, noise_share
from toolkit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.profiles import Target

CONFIDENCE = 0.95  # of the interval of a task metric
_TIMED_CALLS = 24
_FIRST_CALLS = 4  # that touch memory for the first time


@dataclass(frozen=True, slots=True)
class Asking:
    """What a sweep varies; what is left empty is the target's own: its schemes, every estimator of our own, all calibration samples.

    `sizes` are numbers of calibration samples; `quantizer`, `granularity` and `keep_float` of `of` hold for every variant.
    """

    schemes: tuple[str, ...] = ()
    estimators: tuple[Estimator, ...] = ()
    sizes: tuple[int, ...] = ()
    of: Asked = field(default_factory=Asked)


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One variant on one target. What was not measured is None, and `problem` says why there is no verdict.

    `drift_db` holds the SQNR of the worst output for each stage against the one before it, `total_db` that of the last against the original (None:
    no noise, or nothing that can be told); `score` is the last stage's by the first task metric, `task`, of which `better` says what is good;
    `latency_ms` is the median of one call, only where it is real. `keeps` is the scheme that the file keeps: another than `scheme` where, say, no
    weight became int8. `problem_status` is the exit status of the problem, None without one.
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
        """Return plain JSON; numbers that JSON has not are "nan", "inf" and "-inf"."""
        return dict(plain_json(dataclasses.asdict(self)))


@dataclass(frozen=True, slots=True)
class _Cell:
    """One row to be: a variant with the calibration set that it is made with."""

    target: Target
    variant: Variant
    size: int | None
    made: Job
    run: Job


def sweep(
    original: Original,
    targets: Sequence[str],
    samples: Samples,
    asking: Asking = Asking(),
    *,
    executor: Executor | None = None,
) -> list[SweepRow]:
    """Make, run and judge every variant, and return a row for each; nothing is written.

    RequestError for what is not available with any target; what goes wrong with one variant is its row's `problem`.
    """
    asked = settled(targets, original, samples, partial(_recipes, asking=asking))
    profiles, recipes = [profile for profile, _ in asked], {profile.name: recipes for profile, recipes in asked}
    with executing(executor, original) as running:
        opened = open_model(original, running)
        require_kinds(opened, samples, profiles)
        make_environments([(profile, recipes[profile.name]) for profile in profiles], running.settings)
        model = draw(opened, samples, [recipe for each in recipes.values() for recipe in each])
        sized = _sets(model, asking.sizes)
        cells = [cell for one in profiles for cell in _cells(model, one, recipes[one.name], sized)]
        if not cells:
            raise RequestError("nothing to sweep: no scheme has a variant")
        shared = [job for one in profiles for job in without_artifact(model, one.format)]
        first, goals = [*shared, *(cell.run for cell in cells)], _goals(model, cells)
        refuse_severe(model, running, first)
        running.outcomes(first, goals)
        _refuse_lost(model, profiles, running)
        planned = [_planned(model, cell, running, goals) for cell in cells]
        chains = [chain for chain in planned if isinstance(chain, Chain)]
        running.outcomes([job for chain in chains for job in chain.jobs], [chain.goal for chain in chains])
        counted = _calibration_count(model, running)
        rows = [_row(cell, chain, running, counted) for cell, chain in zip(cells, planned, strict=True)]
        timed = [_timed(model, cell, row, running) for cell, row in zip(cells, rows, strict=True)]
    return marked(timed)


def exit_status(rows: Sequence[SweepRow]) -> int:
    """Return the status that a sweep with these rows ends with: 0 where one passed, else 1 where all have a verdict, else what kept one has.

    A verdict that is missing may be the one that would have passed.
    """
    if any(row.verdict == "passed" for row in rows):
        return 0
    return max((1 if row.problem_status is None else row.problem_status for row in rows), default=1)


def marked(rows: Sequence[SweepRow]) -> list[SweepRow]:
    """Return the rows with the Pareto front of each target marked: of those with a verdict, none other is both smaller and nearer to the original."""
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
    """Return the total SQNR, by which rows are ordered; where there is no noise at all it is infinite."""
    return math.inf if row.total_db is None else row.total_db


def _recipes(profile: Target, asking: Asking) -> list[Recipe]:
    """Return a recipe for each scheme, with all the estimators that are asked for."""
    estimators = asking.estimators or tuple(
        estimator(name) for name in registry.names("conversion/estimators") if Estimator(name).needs != "converter"
    )
    recipes = []
    for scheme in asking.schemes or profile.schemes:
        recipe = dataclasses.replace(profile.recipe(scheme), estimators=estimators)
        if registry.load("conversion/schemes", scheme).QUANTIZERS:
            recipe = asking.of.of(recipe)
        recipe.variants(profile.format)
        recipes.append(recipe)
    return recipes


def _sets(model: Model, sizes: Iterable[int]) -> dict[int | None, Conversions]:
    """Return the conversions with the whole calibration set, or with its first samples, by their number."""
    calibration = model.conversions.calibration
    if calibration is None:
        return {None: model.conversions}
    found: dict[int | None, Conversions] = {}
    for size in sizes:
        found[size] = model.conversions.calibrated_with(_first(calibration, size))
    return found or {None: model.conversions}


def _first(samples: Output, count: int) -> Output:
    if count < 1:
        raise RequestError(f"--size {count}: expected a number of calibration samples, 1 or more")
    engine = Engine("dataset")
    job = Job(
        f"taking the first {count} samples",
        "wire.subset",
        "first",
        engine,
        {"count": count},
        inputs={"samples": samples},
    )
    return job.output("samples")


def _cells(
    model: Model, target: Target, recipes: Sequence[Recipe], sized: Mapping[int | None, Conversions]
) -> list[_Cell]:
    cells: list[_Cell] = []
    for recipe in recipes:
        variants = recipe.variants(target.format)
        variants = [variant for variant in variants if not variant.fallback] or variants
        calibrated = registry.load("conversion/schemes", recipe.scheme).CALIBRATED
        for size, conversions in sized.items() if calibrated else [(None, model.conversions)]:
            cells += [_cell(model, target, each, size, conversions) for each in variants]
    return cells


def _cell(model: Model, target: Target, variant: Variant, size: int | None, conversions: Conversions) -> _Cell:
    made = conversions.artifact(variant, target.format)
    run = model.run(model.conversions.file(made, target.format), kernels_of(target))
    return _Cell(target, variant, size, made, run)


def _common(model: Model, target: Target) -> Goal:
    """Return what no row of a target can do without."""
    return Goal([model.samples, model.canonical, *without_artifact(model, target.format)], ())


def _goals(model: Model, cells: Sequence[_Cell]) -> list[Goal]:
    """Return the cells as goals: what one of them reaches a limit at, those of the same target and quantizer with other ranges would as well."""
    groups: dict[tuple[Any, ...], list[_Cell]] = {}
    for cell in cells:
        name = (cell.target.name, cell.variant.recipe.scheme, cell.variant.quantizer, cell.size)
        groups.setdefault(name, []).append(cell)
    return [
        Goal(
            _common(model, group[0].target).vital,
            [job for cell in group for job in (cell.made, cell.run)],
            [job for cell in group for job in (cell.made, cell.run)],
        )
        for group in groups.values()
    ]


def _refuse_lost(model: Model, profiles: Sequence[Target], executor: Executor) -> None:
    """Raise the limit that the model itself reached, where it did for every target: each row could only repeat it."""
    lost = [executor.lost(_common(model, one)) for one in profiles]
    if lost and all(isinstance(error, LimitReached) for error in lost):
        raise next(said_of_limit(error, model.source, "sweep") for error in lost if error is not None)


def _planned(model: Model, cell: _Cell, executor: Executor, goals: Sequence[Goal]) -> Chain | EdgeToolkitError:
    floats, made = executor.outcomes([model.conversions.floats(cell.target.format), cell.made], goals)
    failed = made.error or floats.error
    if failed is not None:
        return failed
    return plan(model, cell.target, artifact_of(made.entry, cell.variant.recipe.scheme), cell.made, floats.entry)


def _calibration_count(model: Model, executor: Executor) -> int | None:
    (drawn,) = executor.outcomes([model.samples])
    calibration = drawn.entry.result["calibration"]  # without samples there is nothing that any row could say
    return calibration["count"] if calibration else None


def _row(cell: _Cell, chain: Chain | EdgeToolkitError, executor: Executor, counted: int | None) -> SweepRow:
    recipe = cell.variant.recipe
    calibrated = registry.load("conversion/schemes", recipe.scheme).CALIBRATED
    row = SweepRow(
        target=cell.target.name,
        scheme=recipe.scheme,
        quantizer=", ".join(filter(None, (cell.variant.quantizer, cell.variant.telling))) or None,
        estimator=None if cell.variant.estimator is None else str(cell.variant.estimator),
        calibration_samples=(cell.size or counted) if calibrated else None,
    )
    try:
        if isinstance(chain, EdgeToolkitError):
            raise chain
        return _judged(row, evaluate(chain, executor, 0.0))
    except EdgeToolkitError as error:
        size = None if isinstance(chain, EdgeToolkitError) else chain.artifact.size_bytes
        return dataclasses.replace(row, size_bytes=size, problem=error.problem, problem_status=error.exit_status)


def _judged(row: SweepRow, verdict: Verdict) -> SweepRow:
    if verdict.tasks:
        task, stage = verdict.tasks[0], verdict.steps[-1].stage
        interval = task.interval(stage, CONFIDENCE)
        row = dataclasses.replace(
            row, task=task.metric, better=task.better, score=task.scores[stage], score_interval=interval
        )
    last = verdict.stages[-1].stage
    return dataclasses.replace(
        row,
        size_bytes=verdict.artifact.size_bytes,
        drift_db={stage.stage: decibels(noise_share(stage.measured)) for stage in verdict.stages},
        total_db=decibels(noise_share(verdict.cumulative[last])),
        verdict=verdict.outcome,
        guilty_stage=verdict.guilty_stage,
        findings=tuple(f"{finding['severity']}: {finding['message']}" for finding in verdict.artifact.findings),
        keeps=verdict.artifact.scheme,
    )


def _timed(model: Model, cell: _Cell, row: SweepRow, executor: Executor) -> SweepRow:
    """Measure one call where its duration is the device's, with nothing else of ours at work."""
    if row.verdict is None or not launchers.is_timed(cell.target.runtime.launcher):
        return row
    file = model.conversions.file(cell.made, cell.target.format)
    job = run_job(file, model.verification, execution_of(cell.target), first=_TIMED_CALLS)
    (ran,) = executor.outcomes([dataclasses.replace(job, title=f"timing {row.scheme}", cached=False)])
    if ran.error is not None:
        return dataclasses.replace(row, findings=(*row.findings, f"warning: latency not measured: {ran.error.problem}"))
    calls = np.load(ran.entry.out / "call_ms.npy")[_FIRST_CALLS:]
    return row if not len(calls) else dataclasses.replace(row, latency_ms=statistics.median(calls.tolist()))
