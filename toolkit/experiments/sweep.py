"""Quantization experiments: every variant of every scheme, for several set sizes and targets, with the cost and the drift of each.

Variants share some jobs (source, float artifact, statistics, the original's outputs); each of these runs once. Finished jobs stay in the store, so a
killed sweep resumes there. If an engine fails on a variant, the variant's row says so.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from toolkit import registry
from toolkit.conversion.artifacts import artifact_of
from toolkit.errors import EdgeToolkitError, LimitReached, RequestError
from toolkit.execution.run import model_of, run_job
from toolkit.experiments.cells import Cell, cells_of, common_goal, conversions_by_size, goals_of
from toolkit.experiments.sweep_rows import SweepRow, marked
from toolkit.jobs.executor import Executor
from toolkit.jobs.graph import Goal
from toolkit.pipeline import capability_gate
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
from toolkit.pipeline.rewriting import rewritten
from toolkit.pipeline.stages import Chain, execution_of, plan, without_artifact
from toolkit.pipeline.timing import timed
from toolkit.pipeline.variants import WITHOUT_SET, untried
from toolkit.profiles.recipe import Asked, Estimator, Recipe, Variant, estimator
from toolkit.source.original import Original
from toolkit.source.source import said_of_limit
from toolkit.verdict.noise import decibels, noise_share
from toolkit.verdict.refusals import findings_of
from toolkit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.profiles import Target

CONFIDENCE = 0.95  # of the interval of a task metric
_TIMED_CALLS = 24
_FIRST_CALLS = 4  # these touch memory for the first time


@dataclass(frozen=True, slots=True)
class Asking:
    """The values that a sweep varies. An empty field means the default: the target's schemes, every estimator of the toolkit, all samples.

    `sizes` are numbers of calibration samples. `quantizer`, `granularity` and `keep_float` of `of` apply to every variant.
    """

    schemes: tuple[str, ...] = ()
    estimators: tuple[Estimator, ...] = ()
    sizes: tuple[int, ...] = ()
    of: Asked = field(default_factory=Asked)


def sweep(
    original: Original,
    targets: Sequence[str],
    samples: Samples,
    asking: Asking = Asking(),
    *,
    executor: Executor | None = None,
) -> list[SweepRow]:
    """Make, run and judge every variant. Return a row for each. Nothing is written.

    Raise RequestError for a request that is not available with any target. An error of one variant is the `problem` of its row.
    """
    asked = settled(targets, original, samples, partial(_recipes, asking=asking))
    profiles, recipes = [profile for profile, _ in asked], {profile.name: recipes for profile, recipes in asked}
    with executing(executor, original) as running:
        opened = open_model(original, running)
        require_kinds(opened, samples, profiles)
        make_environments([(profile, recipes[profile.name]) for profile in profiles], running.settings)
        model = draw(opened, samples, [recipe for each in recipes.values() for recipe in each])
        sized = conversions_by_size(model, asking.sizes)
        cells = [cell for one in profiles for cell in cells_of(model, one, recipes[one.name], sized)]
        if not cells:
            raise RequestError("nothing to sweep: no scheme has a variant")
        shared = [job for one in profiles for job in without_artifact(model, one.format)]
        first, goals = [*shared, *(cell.run for cell in cells)], goals_of(model, cells)
        refuse_severe(model, running, first)
        running.outcomes(first, goals)
        _refuse_lost(model, profiles, running)
        planned = [_planned(model, cell, running, goals) for cell in cells]
        chains = [chain for chain in planned if isinstance(chain, Chain)]
        running.outcomes([job for chain in chains for job in chain.jobs], [chain.goal for chain in chains])
        counted = _calibration_count(model, running)
        rows = [_row(cell, chain, running, counted) for cell, chain in zip(cells, planned, strict=True)]
        found = [_timed(chain, row, running) for chain, row in zip(planned, rows, strict=True)]
        left = [_untried_row(one, each) for one in profiles for each in _untried(model, one, recipes[one.name])]
    return marked([*found, *left])


def _recipes(profile: Target, asking: Asking) -> list[Recipe]:
    """Return a recipe for each scheme, with all requested estimators."""
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


def _refuse_lost(model: Model, profiles: Sequence[Target], executor: Executor) -> None:
    """Raise the limit that the model itself reached on every target: each row would only repeat it."""
    lost = [executor.lost(common_goal(model, one)) for one in profiles]
    if lost and all(isinstance(error, LimitReached) for error in lost):
        raise next(said_of_limit(error, model.source, "sweep") for error in lost if error is not None)


def _planned(model: Model, cell: Cell, executor: Executor, goals: Sequence[Goal]) -> Chain | EdgeToolkitError:
    floats, made = executor.outcomes([model.conversions.floats(cell.target.format), cell.made], goals)
    failed = made.error or floats.error
    if failed is not None:
        return failed
    artifact = artifact_of(made.entry, cell.variant.recipe.scheme)
    try:
        artifact = rewritten(artifact, model, cell.target, cell.made, executor)
    except EdgeToolkitError as error:
        return error
    refused = capability_gate.refusal(artifact, cell.target)
    known = () if refused is None else findings_of(refused)
    chain = plan(model, cell.target, artifact, cell.made, floats.entry)
    return dataclasses.replace(chain, findings=(*known, *capability_gate.not_known(artifact, cell.target)))


def _calibration_count(model: Model, executor: Executor) -> int | None:
    (drawn,) = executor.outcomes([model.samples])
    calibration = drawn.entry.result["calibration"]  # without samples, no row can have a result
    return calibration["count"] if calibration else None


def _row(cell: Cell, chain: Chain | EdgeToolkitError, executor: Executor, counted: int | None) -> SweepRow:
    calibrated = cell.variant.needs is not None
    row = _blank(cell.target, cell.variant, (cell.size or counted) if calibrated else None)
    try:
        if isinstance(chain, EdgeToolkitError):
            raise chain
        return _judged(row, timed(evaluate(chain, executor, 0.0), chain, executor), chain)
    except EdgeToolkitError as error:
        size = None if isinstance(chain, EdgeToolkitError) else chain.artifact.size_bytes
        return dataclasses.replace(row, size_bytes=size, problem=error.problem, problem_status=error.exit_status)


def _blank(target: Target, variant: Variant, samples: int | None) -> SweepRow:
    """Return the row of a variant that is made with so many calibration samples, without results."""
    return SweepRow(
        target=target.name,
        scheme=variant.recipe.scheme,
        quantizer=", ".join(filter(None, (variant.quantizer, variant.telling))) or None,
        estimator=None if variant.estimator is None else str(variant.estimator),
        calibration_samples=samples,
    )


def _untried(model: Model, target: Target, recipes: Sequence[Recipe]) -> list[Variant]:
    return [variant for recipe in recipes for variant in untried(model, recipe, target.format)]


def _untried_row(target: Target, variant: Variant) -> SweepRow:
    return dataclasses.replace(_blank(target, variant, None), problem=WITHOUT_SET)


def _judged(row: SweepRow, verdict: Verdict, chain: Chain) -> SweepRow:
    if verdict.tasks:
        task, stage = verdict.tasks[0], verdict.steps[-1].stage
        interval = task.interval(stage, CONFIDENCE)
        row = dataclasses.replace(
            row, task=task.metric, better=task.better, score=task.scores[stage], score_interval=interval
        )
    last = verdict.stages[-1].stage
    said = (*verdict.artifact.findings, *(each for each in chain.findings if each.is_grave))
    return dataclasses.replace(
        row,
        size_bytes=verdict.artifact.size_bytes,
        drift_db={stage.stage: decibels(noise_share(stage.measured)) for stage in verdict.stages},
        total_db=decibels(noise_share(verdict.cumulative[last])),
        latency_ms=None if verdict.latency is None else verdict.latency.median_ms,
        verdict=verdict.outcome,
        guilty_stage=verdict.guilty_stage,
        findings=tuple(f"{finding.severity}: {finding.message}" for finding in said),
        keeps=verdict.artifact.scheme,
    )


def _timed(chain: Chain | EdgeToolkitError, row: SweepRow, executor: Executor) -> SweepRow:
    """Return the row with the median latency in ms of the file that was judged, if the launcher measures the device's own time.

    No other job runs meanwhile. A row that has a latency, as a budget needed it, keeps that.
    """
    if isinstance(chain, EdgeToolkitError) or row.verdict is None or row.latency_ms is not None:
        return row
    if not chain.target.verification.timed:
        return row
    file = model_of(chain.stages[-1].job)
    job = run_job(file, chain.model.verification, execution_of(chain.target), first=_TIMED_CALLS)
    (ran,) = executor.outcomes([dataclasses.replace(job, title=f"timing {row.scheme}", cached=False, alone=True)])
    if ran.error is not None:
        return _untimed(row, ran.error.problem)
    calls = np.load(ran.entry.out / "call_ms.npy")[_FIRST_CALLS:]
    median = statistics.median(calls.tolist()) if len(calls) else None
    if median == 0:
        return _untimed(row, "the clock of the device is too coarse: it saw no time pass in a call")
    return row if median is None else dataclasses.replace(row, latency_ms=median)


def _untimed(row: SweepRow, why: str) -> SweepRow:
    return dataclasses.replace(row, findings=(*row.findings, f"warning: latency not measured: {why}"))
