"""The verbs, and the order in which a build is done: the only module that knows it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from toolkit import (
    bundle,
    casting,
    environments,
    launchers,
    matrix,
    outputs,
    own,
    registry,
    saved_runs,
    signatures,
    source,
)
from toolkit.attribution.guilty_operator import attributed
from toolkit.binding import Renamed, bound
from toolkit.chain import engine_of, execution_of, require_version
from toolkit.conversion import Artifact, Conversions, artifact_of, kind_of_artifact
from toolkit.environments import Status
from toolkit.errors import (
    EdgeToolkitError,
    InvalidConfig,
    InvalidSource,
    LimitReached,
    RequestError,
    Unconvertible,
    WorkerError,
)
from toolkit.executor import Executor
from toolkit.files.foreign import open_plain, require_reachable
from toolkit.jobs import Engine, Job, path_digest
from toolkit.meaning import with_kinds
from toolkit.next_steps import VerbRequest
from toolkit.opening import (
    Samples,
    draw,
    executing,
    make_environments,
    open_model,
    profiles_of,
    recipes_of,
    refuse_severe,
    require_kinds,
    require_known_outputs,
    settled,
)
from toolkit.recipe import Asked, Recipe, is_calibrated
from toolkit.runtime import Run, run_job, run_of
from toolkit.settings import Settings
from toolkit.signature import Signature
from toolkit.source import ALL, TENSORFLOW, Original
from toolkit.trial import Attempt, Trial, attempts_of, trial_of
from toolkit.verdict import Attempted, StageRun, Verdict
from toolkit.worker.kept_scheme import scheme_of
from toolkit.worker.lint import OF_SAMPLES
from toolkit.worker.shards import read_index

if TYPE_CHECKING:
    from toolkit.target import Target

Outcomes = dict[str, Attempt]


def build(
    original: Original,
    targets: Sequence[str],
    samples: Samples,
    out: Path,
    *,
    scheme: str | Asked | None = None,
    executor: Executor | None = None,
) -> Outcomes:
    """Convert, run and judge a model for each target, and write `out/<target>/`; return each target's verdict, or the error that kept it from one.

    Of a target's schemes, the first that passes is shipped, and one that came out as another only where no other passes; of a scheme's variants, the
    one that drifts least. `scheme` is one alone, or all that is asked of quantization in place of the profiles. Where several signatures are meant
    (`original.signature`), each is built and judged on its own: `out/<signature>/<target>/`, outcomes by "<signature>/<target>". For several sizes
    (`original.sizes`) one artifact is made, at the first of them, and judged at each: its verdict is the gravest, those at each size are in
    `out/<target>/sizes/<size>/`. Raises RequestError for what is wrong with the request as a whole.
    """
    asked = scheme if isinstance(scheme, Asked) else Asked(scheme)
    asking = settled(targets, original, samples, partial(recipes_of, asked=asked))
    profiles = [profile for profile, _ in asking]
    wanted = dict(zip(dict.fromkeys(targets), profiles, strict=True))
    names = {profile.name: recipes for profile, recipes in asking}
    reads = (*inputs_of(original, samples), *_files_of(targets))
    if original.signature != ALL:
        bundle.require_places(_places(original.signature, names, out), reads)
    with executing(executor, original) as running:
        if environments.find(TENSORFLOW.environment, settings=running.settings) is None:  # the first time here
            make_environments([(one, recipes_of(one, asked)) for one in profiles], running.settings)
        each = signatures.each_of(original, running)
        if original.signature == ALL:
            bundle.require_places(_places(tuple(str(one.signature) for one in each), names, out), reads)
        if len(each) == 1:
            return _build(each[0], wanted, samples, out, asked, running)
        samples.require_known([str(one.signature) for one in each])
        require_known_outputs(original, samples, running)
        outputs.require_writable(out)
        outcomes: Outcomes = {}
        for one in each:
            key = str(one.signature)
            place = out / signatures.folder_of(key)
            build_one = partial(_build, one, wanted, samples.of_signature(key), place, asked, running)
            outcomes |= signatures.on_its_own(key, names, build_one)
    return outcomes


def inputs_of(original: Original, samples: Samples) -> Iterator[Path | str | None]:
    """Yield what a verb reads, as it was said: paths, and texts that may be no path."""
    yield from (original.path, original.map, samples.limits, (original.builder or "").rpartition(":")[0] or None)
    for sets in (samples.calibration, samples.evaluation):
        yield from sets.values() if isinstance(sets, Mapping) else (sets,)


def _files_of(targets: Iterable[str]) -> list[str]:
    """Return the profiles that are named by their files; a name alone is no file, even where one is called so."""
    return [each for each in targets if each.endswith(".toml")]


def _places(signature: str | tuple[str, ...] | None, names: Iterable[str], out: Path) -> list[Path]:
    """Return the folder of each target's bundle; of several signatures each has its own."""
    several = isinstance(signature, tuple) and len(signature) > 1
    folders = [out / signatures.folder_of(key) for key in signature or ()] if several else [out]
    return [folder / name for folder in folders for name in names]


def _build(
    original: Original, wanted: Mapping[str, Target], samples: Samples, out: Path, asked: Asked, executor: Executor
) -> Outcomes:
    """Do what `build` does, for one signature; `wanted` are the targets, by what they were called."""
    profiles = list(wanted.values())
    began = time.monotonic()
    outcomes: Outcomes = {}
    opened = matrix.opened_at_each(original, executor)
    casting.refuse_arithmetic(opened[0], [profile.format for profile in profiles])
    casting.refuse_ends(opened[0])
    require_kinds(opened[0], samples, profiles)
    outputs.require_writable(out)
    recipes = {profile.name: recipes_of(profile, asked) for profile in profiles}
    make_environments([(profile, recipes[profile.name]) for profile in profiles], executor.settings)
    model, *others = matrix.drawn_at_each(opened, samples, [recipe for each in recipes.values() for recipe in each])
    sizes = matrix.Sizes(others, model.source.size)
    attempts: dict[str, list[tuple[str, Attempt]]] = {profile.name: [] for profile in profiles}
    tried: dict[tuple[str, str], Trial] = {}

    def next_trials() -> list[Trial]:
        return [trial_of(model, one, recipes[one.name].pop(0)) for one in profiles if one.name not in outcomes]

    trials = next_trials()
    if any(is_calibrated(trial.scheme) for trial in trials):  # nothing else is made with that set
        refuse_severe(model, executor, [job for trial in trials for job in trial.jobs])
    while trials:
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
            shown = outcome
            if not others:  # with several sizes, the numbers may be of another one than this model's
                shown = attributed(model, tried[profile.name, str(outcome.artifact.asked)], outcome, executor)
            shown = VerbRequest(original, samples, given, permissions=executor.settings.permissions).after_build(
                shown, out
            )
            outcomes[profile.name] = shown
            bundle.write(shown, out, sizes.of(outcome))
    return {profile.name: outcomes[profile.name] for profile in profiles}


def convert(
    original: Original,
    scheme: str | Recipe,
    samples: Samples,
    out: Path,
    *,
    artifact_format: str = "tflite",
    executor: Executor | None = None,
) -> Artifact:
    """Convert a model by one scheme and write the artifact to the file `out`; nothing is judged.

    As there is nothing to choose by, it is the first of the scheme's variants that can be made. Of several declared sizes the first calibrates.
    """
    recipe = Recipe(scheme) if isinstance(scheme, str) else scheme
    variants = recipe.variants(artifact_format)
    kind = kind_of_artifact(artifact_format)
    outputs.require_files([outputs.OutputPath(out, kind.refusal)], inputs_of(original, samples))
    samples.require_readable([recipe], judges=False)
    with executing(executor, original) as running:
        opened = open_model(matrix.first_of(original), running)
        casting.refuse_arithmetic(opened, [artifact_format])
        conversions = _conversions(opened, samples, recipe, running)
        first: EdgeToolkitError | None = None
        for variant in variants:
            job = conversions.artifact(variant, artifact_format)
            (outcome,) = running.outcomes([job])
            if outcome.error is None:
                artifact = artifact_of(outcome.entry, recipe.scheme)
                outputs.copy_whole(artifact.path, out, kind)
                return replace(artifact, path=out)
            first = first or source.said_of_limit(outcome.error, opened, recipe.scheme)
            if isinstance(outcome.error, LimitReached):
                break
    raise first or RequestError(f"scheme {recipe.scheme}: has no variant")


def _conversions(opened: source.Source, samples: Samples, recipe: Recipe, executor: Executor) -> Conversions:
    """Return a model's conversions, with the samples that would calibrate in `build`, or all of them where none would be left to judge."""
    from toolkit import dataset

    calibration, _ = samples.of(opened.key)
    if calibration is None and not is_calibrated(recipe.scheme):
        return Conversions(source.canonical_job(opened, None).output("saved_model"), None)
    model = draw(opened, samples, [recipe])
    (drawn,) = executor.outcomes([model.samples])
    if drawn.error is None or calibration is None:
        return model.conversions
    alone = dataset.calibration_job(calibration, opened.signature).output("calibration")
    canonical = source.canonical_job(opened, alone).output("saved_model")
    return Conversions(canonical, alone, model.histograms, model.conversions.sizes)


def run(
    artifact: Path, name: str, samples: str, out: Path, *, trust: bool = False, executor: Executor | None = None
) -> Run:
    """Run an artifact over all samples of a set, in its order, on a target's runtime; write the outputs, (N, *shape) by name.

    `out` is an .npz, or a .safetensors, which tells also what ran and of which samples (`toolkit.saved_runs`). A quantized input takes real numbers,
    which are quantized for it, or integers of its own dtype, as they are; `Run.fed` says which. `trust` lets it run where nothing confines it.
    """
    from toolkit import dataset, target

    profile = target.runnable(name)
    kind = bundle.RUN if out.suffix == saved_runs.SUFFIX else bundle.NPZ
    outputs.require_files([outputs.OutputPath(out, kind.refusal)], (artifact, samples, *_files_of([name])))
    dataset.require_readable(samples)
    with executing(executor, Original(artifact, trust=trust)) as running:
        held = artifact_at(artifact, running)
        drawn = dataset.whole_set_job(samples, _as_fed(held.signature))
        job = run_job(artifact, drawn.output("verification"), execution_of(profile))
        entry, samples_entry = running.run(job, drawn)
        result = replace(run_of(entry), fed=_how_fed(held.signature, samples_entry.out / "verification"))
        require_version(result, profile)
        if out.suffix == saved_runs.SUFFIX:
            bundle.write_run(
                StageRun(profile.name, result, Signature.from_json(result.signature)),
                samples_entry.out / "verification",
                out,
            )
        else:
            bundle.write_npz(result, out)
    return result


def verify(
    artifact: Path | Renamed,
    original: Original,
    targets: Sequence[str],
    samples: Samples,
    out: Path | None = None,
    *,
    executor: Executor | None = None,
) -> Outcomes:
    """Judge an artifact that is already there against its original, as `build` does; only reports are written, and only if `out` is given.

    Where inputs or outputs of the artifact are called otherwise, a `Renamed` says which is which.
    With the calibration set of its build in `samples`, the samples that judge are those that judged there, and none that calibrated is among them.
    Of an artifact with several signatures each is judged on its own, against the original's of that name, with outcomes as those of `build`; one that
    only one of them has is an error among the outcomes.
    """
    names = [profile.name for profile, _ in settled(targets, original, samples, lambda _: [])]
    named = artifact if isinstance(artifact, Renamed) else Renamed(artifact)
    reads = (*inputs_of(original, samples), named.path, *_files_of(targets))
    if out is not None:
        bundle.require_places(_places(original.signature, names, out), reads, reports=True)
        outputs.require_writable(out)
    outcomes: Outcomes = {}
    with executing(executor, original) as running:
        source.signatures_of(original, running)  # what is wrong with the original is said first
        pairs = signatures.paired(original, artifacts_at(named.path, running), running)
        if out is not None and not isinstance(pairs, tuple):
            bundle.require_places(_places(tuple(pairs), names, out), reads, reports=True)
        if isinstance(pairs, tuple):
            return _verify(pairs, targets, samples, out, running, named.renames)
        if named.renames:
            raise RequestError("--rename: of one signature; --signature with it would be right")
        samples.require_known(pairs)
        require_known_outputs(original, samples, running)
        for key, pair in pairs.items():
            place = None if out is None else out / signatures.folder_of(key)
            verify_one = partial(_verify, pair, targets, samples.of_signature(key), place, running)
            outcomes |= signatures.on_its_own(key, names, verify_one)
    return outcomes


def _verify(
    pair: signatures.Pair | EdgeToolkitError,
    targets: Sequence[str],
    samples: Samples,
    out: Path | None,
    executor: Executor,
    renames: Sequence[str] = (),
) -> Outcomes:
    """Do what `verify` does, for one signature; raise what is wrong with the pair, if something is."""
    if isinstance(pair, EdgeToolkitError):
        raise pair
    began = time.monotonic()
    original, held = pair
    profiles, opened = profiles_of(targets), matrix.opened_at_each(original, executor)
    require_kinds(opened[0], samples, profiles)
    has_calibration = samples.of(opened[0].key)[0] is not None
    wanted = {one.name: own.asked(one, held, has_calibration=has_calibration) for one in profiles}
    model, *others = matrix.drawn_at_each(opened, samples, own.recipes_of(wanted.values()))
    held, called = bound(held, model.source, renames)
    for one in (model, *others):
        one.held = called
    held = replace(held, findings=(*held.findings, *matrix.said_of_one_size(held, model.source)))
    sizes = matrix.Sizes(others, model.source.size)
    trials = [
        Trial(model, one, held, own.own_candidates(model, one, wanted[one.name]), wanted[one.name].why)
        for one in profiles
    ]
    executor.outcomes(
        [job for trial in trials for job in trial.jobs], [goal for trial in trials for goal in trial.goals]
    )
    outcomes: Outcomes = {}
    attempts = attempts_of(model, trials, executor, began)
    for given, trial, attempt in zip(dict.fromkeys(targets), trials, attempts, strict=True):
        outcome = sizes.at_each(attempt, trial.target, executor, began)
        at_each = sizes.of(outcome) if isinstance(outcome, Verdict) else {}
        if isinstance(outcome, Verdict) and not others:
            outcome = attributed(model, trial, outcome, executor)
        if isinstance(outcome, Verdict):
            renamed, permissions = bool(called.inputs or called.outputs), executor.settings.permissions
            asked = VerbRequest(original, samples, given, tuple(renames), renamed, permissions)
            outcome = asked.after_verify(outcome)
        outcomes[trial.target.name] = outcome
        if isinstance(outcome, Verdict) and out is not None:
            bundle.write_reports(outcome, out, at_each)
    return outcomes


def inspect(
    model: Path | Original, *, kinds: Mapping[str, str] = MappingProxyType({}), executor: Executor | None = None
) -> dict[str, Any]:
    """Return what a source or an artifact is, as JSON: kind, signatures, operators, findings; for a source also writer, loader, variables and needs.

    A source's files alone are looked at, and nothing in them is run; one that is given with a builder or with tensors to cut at is loaded too, and
    `coverage` tells which variables were restored. For an artifact sizes and dtypes are told. `output_kinds` tells for each signature's key ("" for
    none) what its outputs are taken for; `kinds` is what somebody says of them. RequestError where that does not fit.
    """
    original = model if isinstance(model, Original) else Original(model)
    with executing(executor, original if original.loads else None) as running:
        found = (
            _inspect_artifact(original.path, running)
            if _format_of(original.path) is not None
            else source.inspect_source(original, running)
        )
    return with_kinds(found, kinds)


def _format_of(path: Path) -> str | None:
    """Return the format of an artifact, by its suffix or its identifier (tflite/schema/schema.fbs: file_identifier "TFL3"); None for none."""
    require_reachable(path)
    if not path.is_file():
        return None
    for name in registry.names("converters"):
        if path.suffix == registry.load("converters", name).SUFFIX:
            return name
    try:
        with open_plain(path) as file:
            return "tflite" if file.read(8)[4:] == b"TFL3" else None
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror}); a source or an artifact would be right"
        ) from error


def _inspect_artifact(path: Path, executor: Executor) -> dict[str, Any]:
    kind = _format_of(path) or "tflite"
    engine = Engine(registry.load("converters", kind).HOST_RUNTIME, preload=False)
    job = Job(f"inspect {path.name}", f"converters.{kind}", "inspect", engine, inputs={"model": path})
    (entry,) = executor.run(job)
    return {"kind": kind, "size_bytes": path.stat().st_size, "sha256": path_digest(path), **entry.result}


def doctor(settings: Settings) -> list[Status]:
    """Return what works on this machine: the cache, environments, launchers, how jobs are confined, and each target with what it needs."""
    from toolkit import access, pruning, target

    rows = [pruning.status(settings), *environments.status(settings), *launchers.status(settings), access.status()]
    for name in target.names():
        try:
            profile = target.runnable(name)
        except InvalidConfig as error:  # one's own; the others still work
            rows.append(
                Status("target", name, False, name, None, error.problem, f"mend {error.problem.partition(': ')[0]}")
            )
            continue
        launcher = registry.load("launchers", profile.runtime.launcher)
        engine = engine_of(profile)
        ready = launcher.ready(engine.environment, engine.options, settings)
        wanted = " ".join(launchers.setup_names_of(engine.launcher, engine.environment))
        fix = None if ready else f"edge-toolkit setup {wanted}"
        problem = None if ready else f"{engine.name} is not set up"
        rows.append(Status("target", name, ready, profile.about, None, problem, fix))
    return rows


def _another_may_do_better(attempt: Attempt, trial: Trial, executor: Executor) -> bool:
    """Return whether the next scheme is worth trying: this was refused or came out as another, or an engine failed at it and at nothing before it.

    Samples that cannot show whether an artifact is right, or that are wrong, judge every other one as little.
    """
    if isinstance(attempt, Verdict):
        if any(OF_SAMPLES in found and found["severity"] in ("error", "inconclusive") for found in attempt.findings):
            return False
        return not attempt.passed or attempt.artifact.is_another
    if isinstance(attempt, Unconvertible):
        return True
    return isinstance(attempt, WorkerError) and executor.lost(trial.goal) is None


def _shown(attempts: Sequence[tuple[str, Attempt]]) -> Attempt:
    """Return the attempt that passed, as what was asked for if any did, else the first verdict, with all that were tried; without any, an error.

    A limit that was reached before that verdict comes first: without it the scheme might have passed.
    """
    verdicts = [attempt for _, attempt in attempts if isinstance(attempt, Verdict)]
    passed = sorted((one for one in verdicts if one.passed), key=lambda one: one.artifact.is_another)
    first = next((attempt for _, attempt in attempts if isinstance(attempt, Verdict | LimitReached)), attempts[0][1])
    chosen = passed[0] if passed else first
    if isinstance(chosen, EdgeToolkitError):
        return chosen
    tried = tuple(Attempted(scheme, None if attempt is chosen else attempt) for scheme, attempt in attempts)
    return replace(chosen, attempts=tried)


def artifact_at(path: Path, executor: Executor) -> Artifact:
    """Return the artifact that lies somewhere; RequestError where there is none, InvalidSource for one with several signatures."""
    first, *others = artifacts_at(path, executor)
    if others:
        keys = ", ".join(str(one.key) for one in (first, *others))
        raise InvalidSource(f"{path}: has the signatures {keys}; an artifact with one would be right")
    return first


def artifacts_at(path: Path, executor: Executor) -> tuple[Artifact, ...]:
    """Return what lies somewhere as an artifact of each of its signatures; RequestError where there is none, InvalidSource for one without any."""
    require_reachable(path)
    if not path.is_file():
        raise RequestError(f"{path}: no such file; an artifact (.tflite) would be right")
    held = _inspect_artifact(path, executor)
    if not held["signatures"]:
        raise InvalidSource(f"{path}: has no signature, and no graph; an artifact with one would be right")
    several = len(held["signatures"]) > 1
    operators = [each["name"] for each in held["operators"]]
    scheme = held.get("scheme") or scheme_of(held["weights_bytes"], held["activations"], operators)
    return tuple(
        Artifact(
            path=path,
            scheme=scheme,
            size_bytes=held["size_bytes"],
            sha256=held["sha256"],
            signature=signature,
            operators=tuple(held["operators"]),
            findings=tuple(held["findings"]),
            key=signature["key"] if several else None,
        )
        for signature in held["signatures"]
    )


def _as_fed(signature: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a signature as samples must fit it: a quantized input takes real numbers, which are quantized for it, or its own integers."""
    inputs = [
        {"name": spec["name"], "dtype": spec["dtype"], "shape": spec["shape"]}
        | ({"dtype": "float32", "integers": spec["dtype"]} if "scale" in spec else {})
        for spec in signature["inputs"]
    ]
    return {**signature, "inputs": inputs}


def _how_fed(signature: Mapping[str, Any], samples: Path) -> dict[str, str]:
    """Return for each quantized input what became of the samples."""
    given = read_index(samples)["tensors"]
    return {
        spec["name"]: f"{spec['dtype']}, as given"
        if given[spec["name"]]["dtype"] == spec["dtype"]
        else f"{given[spec['name']]['dtype']}, quantized to {spec['dtype']}"
        for spec in signature["inputs"]
        if "scale" in spec
    }
