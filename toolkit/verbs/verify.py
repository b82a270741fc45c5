"""Judge an existing artifact against its original."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from toolkit.bundle import bundle
from toolkit.conversion.artifacts import Artifact
from toolkit.diagnosis.attribute import attributed
from toolkit.errors import EdgeToolkitError, InvalidSource, RequestError
from toolkit.execution.latency import LatencyRequest
from toolkit.files import outputs
from toolkit.files.foreign import require_reachable
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.pipeline import capability_gate, declared_shapes, own_artifact, signatures
from toolkit.pipeline.attempt import Trial, attempts_of
from toolkit.pipeline.binding import Renamed, bound
from toolkit.pipeline.prepare import (
    Samples,
    Sets,
    executing,
    profiles_of,
    require_kinds,
    require_known_outputs,
    require_some_timed,
    settled,
)
from toolkit.source import source
from toolkit.source.original import Original
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
from toolkit.verbs.build import Outcomes
from toolkit.verbs.inspect import artifacts_of, inspect_artifact
from toolkit.verbs.next_steps import VerbRequest
from toolkit.verdict.verdict import Verdict

_NOT_KEPT = Finding("rewritten-not-kept", "info", "the rewritten file was not written anywhere: --out DIR keeps it")


def verify(
    artifact: Place | Renamed,
    original: Original | Place,
    targets: Targets,
    samples: Samples | None = None,
    out: Place | None = None,
    *,
    calibration: Sets = None,
    evaluation: Sets = None,
    timing: LatencyRequest | None = None,
    executor: Executor | None = None,
) -> Outcomes:
    """Judge an existing artifact against its original, as `build` does, and return the outcomes; reports are written only if `out` is given.

    If inputs or outputs of the artifact have other names, a `Renamed` maps them. `samples` replace `calibration` and `evaluation`. With the
    calibration set of its build, the same samples judge as in the build, and none of them calibrated. Each of several signatures is judged on its
    own, against the original's signature of that name, with outcomes like those of `build`. A signature that only one side has is an error among the
    outcomes.
    """
    timing = timing or LatencyRequest()
    original, targets = original_of(original), targets_of(targets)
    samples = samples_from(samples, calibration, evaluation)
    out = None if out is None else Path(out)
    named = artifact if isinstance(artifact, Renamed) else Renamed(Path(artifact))
    reads = (*inputs_of(original, samples), named.path, *profile_files(targets))

    def require_places(names: list[str]) -> None:
        if out is not None:
            bundle.require_places(bundle_places(original.signature, names, out), reads, reports=True)

    profiles = [profile for profile, _ in settled(targets, original, samples, lambda _: [], require_places)]
    require_some_timed(profiles, timing)
    names = [profile.name for profile in profiles]
    if out is not None:
        outputs.require_writable(out)
    outcomes: Outcomes = {}
    with executing(executor, original) as running:
        source.signatures_of(original, running)  # errors of the original come first
        pairs = signatures.paired(original, artifacts_at(named.path, running), running)
        if out is not None and not isinstance(pairs, tuple):
            bundle.require_places(bundle_places(tuple(pairs), names, out), reads, reports=True)
        if isinstance(pairs, tuple):
            return _verify(pairs, targets, samples, out, running, named.renames, timing=timing)
        if named.renames:
            raise RequestError("--rename: is for one signature; give --signature with it")
        samples.require_known(pairs)
        require_known_outputs(original, samples, running)
        for key, pair in pairs.items():
            place = None if out is None else out / signatures.folder_of(key)
            verify_one = partial(_verify, pair, targets, samples.of_signature(key), place, running, timing=timing)
            outcomes |= signatures.on_its_own(key, names, verify_one)
    return outcomes


def _verify(
    pair: signatures.Pair | EdgeToolkitError,
    targets: Sequence[str],
    samples: Samples,
    out: Path | None,
    executor: Executor,
    renames: Sequence[str] = (),
    *,
    timing: LatencyRequest,
) -> Outcomes:
    """Do the work of `verify` for one signature; raise the error of the pair if there is one."""
    if isinstance(pair, EdgeToolkitError):
        raise pair
    began = time.monotonic()
    original, held = pair
    profiles, opened = profiles_of(targets), declared_shapes.opened_at_each(original, executor)
    require_kinds(opened[0], samples, profiles)
    has_calibration = samples.of(opened[0].key)[0] is not None
    wanted = {one.name: own_artifact.asked(one, held, has_calibration=has_calibration) for one in profiles}
    recipes = own_artifact.recipes_of(wanted.values())
    model, *others = declared_shapes.drawn_at_each(opened, samples, recipes, timing)
    held, called = bound(held, model.source, renames)
    for one in (model, *others):
        one.held = called
    held = replace(held, findings=(*held.findings, *declared_shapes.said_of_one_size(held, model.source)))
    sizes = declared_shapes.Sizes(others, model.source.size)
    outcomes: Outcomes = {one.name: error for one in profiles if (error := capability_gate.refusal(held, one))}
    places = dict(zip(dict.fromkeys(targets), profiles, strict=True))
    able = {given: one for given, one in places.items() if one.name not in outcomes}
    trials = [
        Trial(model, one, held, own_artifact.own_candidates(model, one, wanted[one.name]), wanted[one.name].why)
        for one in able.values()
    ]
    executor.outcomes(
        [job for trial in trials for job in trial.jobs], [goal for trial in trials for goal in trial.goals]
    )
    attempts = attempts_of(model, trials, executor, began)
    for given, trial, attempt in zip(able, trials, attempts, strict=True):
        outcome = sizes.at_each(attempt, trial.target, executor, began)
        at_each = sizes.of(outcome) if isinstance(outcome, Verdict) else {}
        if isinstance(outcome, Verdict) and not others:
            outcome = attributed(model, trial, outcome, executor)
        if isinstance(outcome, Verdict):
            renamed, permissions = bool(called.inputs or called.outputs), executor.settings.permissions
            asked = VerbRequest(original, samples, given, tuple(renames), renamed, permissions)
            outcome = asked.after_verify(outcome)
            if out is None and outcome.artifact.before is not None:
                outcome = replace(outcome, findings=(*outcome.findings, _NOT_KEPT))
        outcomes[trial.target.name] = outcome
        if isinstance(outcome, Verdict) and out is not None:
            bundle.write_reports(outcome, out, at_each)
    return {one.name: outcomes[one.name] for one in profiles}


def artifact_at(path: Path, executor: Executor) -> Artifact:
    """Return the artifact at a path; RequestError if there is none, InvalidSource if it has several signatures."""
    first, *others = artifacts_at(path, executor)
    if others:
        keys = ", ".join(str(one.key) for one in (first, *others))
        raise InvalidSource(f"{path}: has the signatures {keys}; expected an artifact with one")
    return first


def artifacts_at(path: Path, executor: Executor) -> tuple[Artifact, ...]:
    """Return the file at a path as one artifact for each signature; RequestError if there is no artifact, InvalidSource if it has no signature."""
    require_reachable(path)
    if not path.is_file():
        raise RequestError(f"{path}: no such file; expected an artifact (.tflite, .onnx or .ort)")
    held = inspect_artifact(path, executor)
    if not held["signatures"]:
        raise InvalidSource(f"{path}: has no signature, and no graph; expected an artifact with one")
    return artifacts_of(path, held)
