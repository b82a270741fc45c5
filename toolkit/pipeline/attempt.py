"""The attempts for a target and their results: a choice among variants, then the chain of stages and its verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from toolkit.conversion.artifacts import Artifact
from toolkit.errors import EdgeToolkitError
from toolkit.jobs.executor import Executor
from toolkit.jobs.graph import Goal
from toolkit.jobs.job import Job
from toolkit.jobs.store import Entry
from toolkit.pipeline import capability_gate, rewriting
from toolkit.pipeline.evaluate import evaluate
from toolkit.pipeline.missing_operator import said_of_target
from toolkit.pipeline.model import Model
from toolkit.pipeline.own_artifact import beside
from toolkit.pipeline.stages import Chain, kernels_of, plan, without_artifact
from toolkit.pipeline.timing import timed
from toolkit.pipeline.variants import (
    WITHOUT_SET,
    Candidate,
    Refuse,
    admitted,
    by_quantizer,
    candidates,
    choose,
    preferred,
    untried,
    untried_row,
    without_spoiled,
)
from toolkit.profiles.recipe import Recipe
from toolkit.source.source import said_of_limit
from toolkit.verdict.evidence import CandidateRow
from toolkit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.profiles import Target

Attempt = Verdict | EdgeToolkitError


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried for a target: an artifact that already exists (`ready`), or candidates from which one is chosen.

    If `ready` is given, the candidates are the toolkit's own artifacts, and the best of them is compared with `ready`. `no_own` says why there
    are none. `untried` are the rows of variants that are no candidates.
    """

    model: Model
    target: Target
    ready: Artifact | None = None
    candidates: tuple[Candidate, ...] = ()
    no_own: str = ""
    untried: tuple[CandidateRow, ...] = ()

    @property
    def scheme(self) -> str:
        """The scheme of the artifact, or of all candidates."""
        return self.candidates[0].variant.recipe.scheme if self.ready is None else self.ready.scheme

    @property
    def is_calibrated(self) -> bool:
        """Whether no candidate does without a calibration set."""
        return any(one.variant.recipe.is_calibrated for one in self.candidates)

    @property
    def refuse(self) -> Refuse:
        """Returns why an artifact cannot run on the target."""
        return partial(capability_gate.refusal, target=self.target)

    @property
    def before_candidates(self) -> list[Job]:
        """The jobs that do not depend on what is tried."""
        model = self.model
        return [model.samples, model.canonical, *without_artifact(model, self.target.format)]

    @property
    def goal(self) -> Goal:
        """The jobs that every verdict needs, whatever is tried, and the jobs that are useless without a verdict."""
        common = [*without_artifact(self.model, self.target.format), *self.linted]
        return Goal(self.before_candidates, common, self.calibrating)

    @property
    def goals(self) -> list[Goal]:
        """`goal`, and one goal for the candidates of each quantizer."""
        goal = self.goal
        groups = by_quantizer(self.candidates)
        return [goal, *(Goal(goal.vital, one.jobs, [*goal.within_limits, *one.within_limits]) for one in groups)]

    @property
    def calibrating(self) -> tuple[Job, ...]:
        """The jobs that run the float artifact over the calibration set for the candidates.

        If one of them reaches a limit, the model is the cause, not a candidate.
        """
        estimators = () if self.ready is not None else {one.variant.estimator for one in self.candidates}
        ours = any(estimator is not None and estimator.needs != "converter" for estimator in estimators)
        return (self.model.conversions.statistics(self.target.format),) if ours else ()

    @property
    def linted(self) -> tuple[Job, ...]:
        """The jobs that check the calibration set: its samples, and the ranges if ranges are taken from them."""
        tried = self.candidates if self.ready is None else ()
        estimators = [one.variant.estimator for one in tried if one.variant.estimator is not None]
        ours = any(estimator.needs != "converter" for estimator in estimators)
        ranges = self.model.lint_ranges(self.target.format) if ours else None
        return tuple(job for job in (self.model.linted, ranges) if job is not None)

    @property
    def jobs(self) -> list[Job]:
        """All jobs that can run before a candidate is chosen. The jobs that others wait for longest come first."""
        chosen_by = [job for candidate in preferred(list(self.candidates)) for job in candidate.jobs]
        return [*chosen_by, *without_artifact(self.model, self.target.format), *self.linted]


def trial_of(model: Model, target: Target, recipe: Recipe) -> Trial:
    """Return the trial of one recipe for a target, with all of its variants as candidates."""
    found = candidates(model, recipe, target.format, kernels_of(target))
    left = [untried_row(each, WITHOUT_SET) for each in untried(model, recipe, target.format)]
    return Trial(model, target, None, tuple(found), untried=tuple(left))


def refused_by_floats(trials: Sequence[Trial], executor: Executor) -> dict[str, EdgeToolkitError]:
    """Return the targets whose runtimes lack operators that every artifact of the model needs, each with the error.

    The float artifacts are made first, and nothing calibrates yet.
    """
    trials = [trial for trial in trials if executor.lost(trial.goal) is None]
    executor.begin([job for trial in trials for job in trial.before_candidates])
    made = [trial.model.conversions.floats(trial.target.format) for trial in trials]
    ended = executor.outcomes(made, [trial.goal for trial in trials])
    found = {
        trial.target.name: capability_gate.refusal_of_floats(floats.entry.result["uses"], trial.target)
        for trial, floats in zip(trials, ended, strict=True)
        if floats.error is None
    }
    return {name: error for name, error in found.items() if error is not None}


def admitted_trials(trials: Sequence[Trial], executor: Executor) -> list[Trial]:
    """Return the trials, each with the candidates refused that cannot run on its target. Their files are made first; other jobs run meanwhile."""
    able = [trial for trial in trials if executor.lost(trial.goal) is None]
    goals = [goal for trial in able for goal in trial.goals]
    executor.begin([one.made for trial in able for one in preferred(list(trial.candidates))])
    executor.begin([job for trial in able for job in trial.before_candidates])
    return [_admitted(trial, executor, goals) if trial in able else trial for trial in trials]


def _admitted(trial: Trial, executor: Executor, goals: Sequence[Goal]) -> Trial:
    first = admitted(preferred(list(trial.candidates)), executor, trial.refuse, goals)
    later = [one for one in trial.candidates if one.made not in {each.made for each in first}]
    return replace(trial, candidates=(*first, *later))


def attempts_of(model: Model, trials: Sequence[Trial], executor: Executor, began: float) -> list[Attempt]:
    """Return the result of each trial. All chosen artifacts run before the first is judged, so that all cores have work."""
    planned = [chain_of(model, trial, executor) for trial in trials]
    chains = [chain for chain in planned if isinstance(chain, Chain)]
    executor.outcomes([job for chain in chains for job in chain.jobs], [chain.goal for chain in chains])
    return [
        chain if isinstance(chain, EdgeToolkitError) else _attempt(chain, executor, time.monotonic() - began)
        for chain in planned
    ]


def chain_of(model: Model, trial: Trial, executor: Executor) -> Chain | EdgeToolkitError:
    """Return the chain of a trial, or the error that prevents one."""
    lost = executor.lost(trial.goal)
    if lost is not None:
        return _of_stage(lost, model, trial, executor)
    try:
        floats, *_ = executor.run(model.conversions.floats(trial.target.format))
        if trial.ready is not None:
            there = _planned(trial, _taken(trial, trial.ready, None, executor), None, floats)
            return beside(there, trial.candidates, trial.no_own, executor)
        try:
            fit, spoiled = without_spoiled(list(trial.candidates), trial.linted, executor)
            chosen = choose(fit, executor, trial.refuse)
        except EdgeToolkitError as error:
            raise said_of_target(error, trial.target, trial.scheme) from error
        job = chosen.candidate.made
        made = _planned(trial, _taken(trial, chosen.artifact, job, executor), job, floats)
    except EdgeToolkitError as error:
        return said_of_limit(error, model.source, trial.scheme)
    return replace(made, candidates=(*chosen.candidates, *spoiled, *trial.untried))


def _taken(trial: Trial, artifact: Artifact, made: Job | None, executor: Executor) -> Artifact:
    """Return an artifact as the target's runtime takes it. Raise the error that refuses it once it is rewritten."""
    taken = rewriting.rewritten(artifact, trial.model, trial.target, made, executor)
    refusal = None if taken is artifact else trial.refuse(taken)
    if refusal is not None:
        raise refusal
    return taken


def _planned(trial: Trial, artifact: Artifact, made: Job | None, floats: Entry) -> Chain:
    """Return the chain of an artifact, with what is not known of the target's runtime among its findings."""
    chain = plan(trial.model, trial.target, artifact, made, floats)
    return replace(chain, linted=trial.linted, findings=tuple(capability_gate.not_known(artifact, trial.target)))


def _attempt(chain: Chain, executor: Executor, seconds: float) -> Attempt:
    try:
        return timed(evaluate(chain, executor, seconds), chain, executor)
    except EdgeToolkitError as error:
        return said_of_limit(error, chain.model.source, chain.artifact.scheme)


def _of_stage(error: EdgeToolkitError, model: Model, trial: Trial, executor: Executor) -> EdgeToolkitError:
    """Return the error that prevents a verdict for every scheme. An error about a limit gets the stage that reached it."""
    stages = {
        "samples": [model.samples],
        "source": [model.canonical, model.rechecked],
        "original": [model.reference, *([model.on_cpu] if model.on_cpu else [])],
        "conversion": [model.run_floats(trial.target.format)],  # fails with the error of the conversion
        "calibration": list(trial.calibrating),
    }
    lost = (stage for stage, jobs in stages.items() if executor.lost(Goal((), (), jobs)) is error)
    return said_of_limit(error, model.source, next(lost, "model"))
