"""From a model to a verified bundle for each target: only this module knows the order of the steps."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import environments
from toolkit.bundle import bundle
from toolkit.diagnosis.attribute import attributed
from toolkit.errors import EdgeToolkitError, LimitReached, Unconvertible, WorkerError
from toolkit.execution.latency import LatencyRequest
from toolkit.files import outputs
from toolkit.jobs.executor import Executor
from toolkit.pipeline import declared_shapes, signatures, unsupported_dtypes
from toolkit.pipeline.attempt import Attempt, Trial, admitted_trials, attempts_of, refused_by_floats, trial_of
from toolkit.pipeline.prepare import (
    Samples,
    Sets,
    executing,
    make_environments,
    recipes_of,
    refuse_severe,
    require_kinds,
    require_known_outputs,
    require_some_timed,
    settled,
)
from toolkit.profiles.recipe import Asked
from toolkit.source.loading_job import TENSORFLOW
from toolkit.source.original import ALL, Original
from toolkit.verbs.arguments import (
    Place,
    Targets,
    bundle_places,
    inputs_of,
    original_of,
    profile_files,
    samples_from,
    targets_of,
)
from toolkit.verbs.next_steps import VerbRequest
from toolkit.verdict.refusals import DoesNotFit
from toolkit.verdict.verdict import Attempted, Verdict

if TYPE_CHECKING:
    from toolkit.profiles import Target

Outcomes = dict[str, Attempt]


def build(
    original: Original | Place,
    targets: Targets,
    samples: Samples | None = None,
    out: Place = "dist",
    *,
    calibration: Sets = None,
    evaluation: Sets = None,
    scheme: str | Asked | None = None,
    timing: LatencyRequest | None = None,
    executor: Executor | None = None,
) -> Outcomes:
    """Convert, run and judge a model for each target, and write `out/<target>/`; return each target's verdict, or the error in its place.

        toolkit.build("model", targets="host", calibration="digits.toml", out="dist")

    Models, profiles and sets are given by their paths, a target also by its name. An `Original` and `samples` can say more; `samples` then replace
    `calibration` and `evaluation`.
    The build ships the first of a target's schemes that passes; an artifact that came out as another scheme ships only if no other passes. Of a
    scheme's variants it takes the one that drifts least. `scheme` is a single scheme, or the whole request for quantization in place of the
    profiles'. Each of several signatures (`original.signature`) is built and judged on its own: `out/<signature>/<target>/`, outcomes by
    "<signature>/<target>". For several sizes (`original.sizes`) one artifact is made, at the first size, and judged at each: its verdict is the
    gravest, and the verdicts of the sizes are in `out/<target>/sizes/<size>/`. `timing` asks for the latency on targets that are the device itself.
    Raises RequestError for mistakes in the request as a whole.
    If the bundle of one of several targets cannot be written, the error is that target's outcome; for a single target it is raised.
    """
    timing = timing or LatencyRequest()
    asked = scheme if isinstance(scheme, Asked) else Asked(scheme)
    original, targets, out = original_of(original), targets_of(targets), Path(out)
    samples = samples_from(samples, calibration, evaluation)
    reads = (*inputs_of(original, samples), *profile_files(targets))

    def require_places(names: list[str]) -> None:
        if original.signature != ALL:
            bundle.require_places(bundle_places(original.signature, names, out), reads)

    asking = settled(targets, original, samples, partial(recipes_of, asked=asked), require_places)
    profiles = [profile for profile, _ in asking]
    require_some_timed(profiles, timing)
    wanted = dict(zip(dict.fromkeys(targets), profiles, strict=True))
    names = {profile.name: recipes for profile, recipes in asking}
    with executing(executor, original) as running:
        if environments.find(TENSORFLOW.environment, settings=running.settings) is None:  # the first build
            make_environments([(one, recipes_of(one, asked)) for one in profiles], running.settings)
        each = signatures.each_of(original, running)
        if original.signature == ALL:
            bundle.require_places(bundle_places(tuple(str(one.signature) for one in each), names, out), reads)
        if len(each) == 1:
            return _build(each[0], wanted, samples, out, asked, running, timing=timing)
        samples.require_known([str(one.signature) for one in each])
        require_known_outputs(original, samples, running)
        outputs.require_writable(out)
        outcomes: Outcomes = {}
        for one in each:
            key = str(one.signature)
            place = out / signatures.folder_of(key)
            build_one = partial(_build, one, wanted, samples.of_signature(key), place, asked, running, timing=timing)
            outcomes |= signatures.on_its_own(key, names, build_one)
    return outcomes


def _build(
    original: Original,
    wanted: Mapping[str, Target],
    samples: Samples,
    out: Path,
    asked: Asked,
    executor: Executor,
    *,
    timing: LatencyRequest,
) -> Outcomes:
    """Do the work of `build` for one signature; `wanted` are the targets by their names in the request."""
    profiles = list(wanted.values())
    began = time.monotonic()
    outcomes: Outcomes = {}
    opened = declared_shapes.opened_at_each(original, executor)
    unsupported_dtypes.refuse_arithmetic(opened[0], [profile.format for profile in profiles])
    unsupported_dtypes.refuse_ends(opened[0])
    require_kinds(opened[0], samples, profiles)
    outputs.require_writable(out)
    recipes = {profile.name: recipes_of(profile, asked) for profile in profiles}
    make_environments([(profile, recipes[profile.name]) for profile in profiles], executor.settings)
    model, *others = declared_shapes.drawn_at_each(
        opened, samples, [recipe for each in recipes.values() for recipe in each], timing
    )
    sizes = declared_shapes.Sizes(others, model.source.size)
    attempts: dict[str, list[tuple[str, Attempt]]] = {profile.name: [] for profile in profiles}
    tried: dict[tuple[str, str], Trial] = {}

    def next_trials() -> list[Trial]:
        return [trial_of(model, one, recipes[one.name].pop(0)) for one in profiles if one.name not in outcomes]

    trials = next_trials()
    if any(trial.is_calibrated for trial in trials):  # nothing else needs that set
        refuse_severe(model, executor, [job for trial in trials for job in trial.before_candidates])
    outcomes |= refused_by_floats(trials, executor)
    trials = [trial for trial in trials if trial.target.name not in outcomes]
    while trials:
        trials = admitted_trials(trials, executor)
        executor.outcomes(
            [job for trial in trials for job in trial.jobs], [goal for trial in trials for goal in trial.goals]
        )
        for trial, attempt in zip(trials, attempts_of(model, trials, executor, began), strict=True):
            name, judged = trial.target.name, sizes.at_each(attempt, trial.target, executor, began)
            attempts[name].append((trial.scheme, judged))
            tried[name, trial.scheme] = trial
            if not recipes[name] or not _another_may_do_better(judged, trial, executor):
                outcomes[name] = _shown(attempts[name])
        trials = next_trials()
    for given, profile in wanted.items():
        outcome = outcomes[profile.name]
        if isinstance(outcome, Verdict):
            request = VerbRequest(original, samples, given, permissions=executor.settings.permissions)
            trial = tried[profile.name, str(outcome.artifact.asked)]
            try:
                outcomes[profile.name] = _bundled(trial, outcome, sizes, request, out, executor)
            except EdgeToolkitError as error:  # of this target's folder: the others are still written
                if len(profiles) == 1:
                    raise
                outcomes[profile.name] = error
    return {profile.name: outcomes[profile.name] for profile in profiles}


def _bundled(
    trial: Trial, verdict: Verdict, sizes: declared_shapes.Sizes, request: VerbRequest, out: Path, executor: Executor
) -> Verdict:
    """Write the bundle of a verdict; return the verdict with the operator that made it fail, and with the next command."""
    shown = verdict
    if not sizes.others:  # with several sizes, the numbers may be those of another size
        shown = attributed(trial.model, trial, verdict, executor)
    shown = request.after_build(shown, out)
    bundle.write(shown, out, sizes.of(verdict))
    return shown


def _another_may_do_better(attempt: Attempt, trial: Trial, executor: Executor) -> bool:
    """Return whether to try the next scheme: this one did not pass, came out as another, or an engine failed at it and not before it.

    Samples that are wrong, or that cannot show whether an artifact is right, cannot judge the next one either, and no other scheme brings a device.
    """
    if isinstance(attempt, Verdict):
        if any(found.of_samples and found.is_grave for found in attempt.findings) or attempt.lacks_a_device_only:
            return False
        return not attempt.passed or attempt.artifact.is_another
    if isinstance(attempt, Unconvertible | DoesNotFit):
        return True
    return isinstance(attempt, WorkerError) and executor.lost(trial.goal) is None


def _shown(attempts: Sequence[tuple[str, Attempt]]) -> Attempt:
    """Return the attempt that passed, preferably as the requested scheme; else the first verdict, with all attempts; without a verdict, an error.

    If a limit was reached before that verdict, its error is returned: without the limit, that scheme might have passed.
    """
    verdicts = [attempt for _, attempt in attempts if isinstance(attempt, Verdict)]
    passed = sorted((one for one in verdicts if one.passed), key=lambda one: one.artifact.is_another)
    first = next((attempt for _, attempt in attempts if isinstance(attempt, Verdict | LimitReached)), attempts[0][1])
    chosen = passed[0] if passed else first
    if isinstance(chosen, EdgeToolkitError):
        return chosen
    tried = tuple(Attempted(scheme, None if attempt is chosen else attempt) for scheme, attempt in attempts)
    return replace(chosen, attempts=tried)
