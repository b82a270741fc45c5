"""The verbs, and the order in which a build is done: the only module that knows it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import bundle, environments, launchers, registry, source
from toolkit.chain import FLOAT_IO, Chain, Model, engine_of, execution_of, plan, settle
from toolkit.conversion import Artifact, artifact_of, convert_job, is_calibrated
from toolkit.environments import Status
from toolkit.errors import EdgeToolkitError, InvalidSource, OutsideError, RequestError, Unconvertible, WorkerError
from toolkit.executor import Executor
from toolkit.jobs import Engine, Job, path_digest
from toolkit.runtime import HOST_RUNTIME, Run, run_job, run_of
from toolkit.settings import Settings
from toolkit.source import TENSORFLOW, Original
from toolkit.store import Entry
from toolkit.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.target import Target

Attempt = Verdict | EdgeToolkitError
Outcomes = dict[str, Attempt]


@contextlib.contextmanager
def _executor(given: Executor | None) -> Iterator[Executor]:
    """Give the executor that a verb was called with, or one of its own with the default settings."""
    if given is not None:
        yield given
        return
    with Executor(Settings()) as own:
        yield own


@dataclass(frozen=True, slots=True)
class Samples:
    """Which samples calibrate and which verify: each a recipe or the data itself, as `toolkit.dataset.recipe` takes it."""

    calibration: str | None = None
    evaluation: str | None = None


def build(
    original: Original,
    targets: Sequence[str],
    samples: Samples,
    out: Path,
    *,
    scheme: str | None = None,
    executor: Executor | None = None,
) -> Outcomes:
    """Convert, run and judge a model for each target, and write `out/<target>/`; return each target's verdict, or the error that kept it from one.

    Of a target's schemes, the first that passes is shipped. Raises RequestError for what is wrong with the request as a whole.
    """
    began = time.monotonic()
    outcomes: Outcomes = {}
    with _executor(executor) as running:
        if environments.find(TENSORFLOW.environment, settings=running.settings) is None:  # the first time here
            _make_environments(_profiles(targets), running.settings)
        opened = _open(original, running)
        profiles = _profiles(targets)
        bundle.require_writable(out)
        _make_environments(profiles, running.settings)
        open_schemes = {profile.name: [scheme] if scheme else list(profile.schemes) for profile in profiles}
        must_calibrate = any(is_calibrated(name) for names in open_schemes.values() for name in names)
        attempts: dict[str, list[Attempt]] = {profile.name: [] for profile in profiles}
        model = _model(opened, samples, must_calibrate=must_calibrate)
        while chains := [
            plan(model, one, open_schemes[one.name].pop(0)) for one in profiles if one.name not in outcomes
        ]:
            running.outcomes([job for chain in chains for job in chain.jobs])
            for chain in chains:
                name = chain.target.name
                attempt = _attempt(chain, running, time.monotonic() - began)
                attempts[name].append(attempt)
                if not open_schemes[name] or not _another_may_do_better(attempt, chain, running):
                    outcomes[name] = _shown(attempts[name])
        for outcome in outcomes.values():
            if isinstance(outcome, Verdict):
                bundle.write(outcome, out)
    return {profile.name: outcomes[profile.name] for profile in profiles}


def convert(
    original: Original,
    scheme: str,
    samples: Samples,
    out: Path,
    *,
    io: Mapping[str, str] | None = None,
    executor: Executor | None = None,
) -> Artifact:
    """Convert a model by one scheme and write the artifact to the file `out`; nothing is judged.

    `io` holds the dtypes of "inputs" and "outputs" (float32; int8 or uint8 where the scheme has integers).
    """
    calibrated = is_calibrated(scheme)
    bundle.require_writable_file(out)
    with _executor(executor) as running:
        opened = _open(original, running)
        if samples.calibration is None and not calibrated:
            canonical = source.canonical_job(opened, None)
            job = convert_job(canonical.output("saved_model"), None, scheme, io or FLOAT_IO)
        else:
            job = _model(opened, samples, must_calibrate=calibrated).convert(scheme, io or FLOAT_IO)
        (entry,) = running.run(job)
        artifact = artifact_of(entry, scheme)
        bundle.copy_whole(artifact.path, out)
    return replace(artifact, path=out)


def run(artifact: Path, name: str, samples: str, out: Path, *, executor: Executor | None = None) -> Run:
    """Run an artifact over all samples of a set, in its order, on a target's runtime; write the outputs, (N, *shape) by name, to an .npz."""
    from toolkit import dataset, target

    profile = target.find(name)
    bundle.require_writable_file(out)
    with _executor(executor) as running:
        held = _artifact(artifact, running)
        drawn = dataset.whole_set_job(samples, _as_fed(held.signature))
        (entry,) = running.run(run_job(artifact, drawn.output("verification"), execution_of(profile)))
        result = run_of(entry)
        bundle.write_npz(result, out)
    return result


def verify(
    artifact: Path,
    original: Original,
    targets: Sequence[str],
    samples: Samples,
    out: Path | None = None,
    *,
    executor: Executor | None = None,
) -> Outcomes:
    """Judge an artifact that is already there against its original, as `build` does; only reports are written, and only if `out` is given.

    With the calibration set of its build in `samples`, the samples that judge are those that judged there, and none that calibrated is among them.
    """
    began = time.monotonic()
    profiles = _profiles(targets)
    if out is not None:
        bundle.require_writable(out)
    with _executor(executor) as running:
        opened = _open(original, running)
        held = _artifact(artifact, running)
        model = _model(opened, samples, must_calibrate=False)
        _require_same_names(held, model.source)
        chains = [plan(model, profile, held.scheme, held) for profile in profiles]
        running.outcomes([job for chain in chains for job in chain.jobs])
        outcomes = {chain.target.name: _attempt(chain, running, time.monotonic() - began) for chain in chains}
        for outcome in outcomes.values():
            if isinstance(outcome, Verdict) and out is not None:
                bundle.write_reports(outcome, out)
    return outcomes


def inspect(model: Path | Original, *, executor: Executor | None = None) -> dict[str, Any]:
    """Return what a source or an artifact is, as JSON: kind, signatures, operators, findings; for a source also writer, loader, variables and needs.

    A source's files alone are looked at, and nothing in them is run; one that is given with a builder or with tensors to cut at is loaded too, and
    `coverage` tells which variables were restored. For an artifact sizes and dtypes are told.
    """
    original = model if isinstance(model, Original) else Original(model)
    with _executor(executor) as running:
        return (
            _inspect_artifact(original.path, running)
            if _is_artifact(original.path)
            else source.inspect_source(original, running)
        )


def _is_artifact(path: Path) -> bool:
    """Return whether a file is a .tflite, by its suffix or its identifier (tflite/schema/schema.fbs: file_identifier "TFL3")."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return path.suffix == ".tflite" or file.read(8)[4:] == b"TFL3"


def _inspect_artifact(path: Path, executor: Executor) -> dict[str, Any]:
    engine = Engine(HOST_RUNTIME, preload=False)
    job = Job(f"inspect {path.name}", "worker.tflite_file", "inspect", engine, inputs={"model": path})
    (entry,) = executor.run(job)
    return {"kind": "tflite", "size_bytes": path.stat().st_size, "sha256": path_digest(path), **entry.result}


def doctor(settings: Settings) -> list[Status]:
    """Return what works on this machine: environments, launchers, and each target with what it needs."""
    from toolkit import target

    rows = [*environments.status(settings), *launchers.status(settings)]
    for name in target.names():
        profile = target.find(name)
        launcher = registry.load("launchers", profile.runtime.launcher)
        engine = engine_of(profile)
        ready = launcher.ready(engine.environment, engine.options, settings)
        fix = (
            None
            if ready
            else f"edge-toolkit setup {engine.environment}" + (" qemu" if engine.launcher == "qemu" else "")
        )
        problem = None if ready else f"{engine.name} is not set up"
        rows.append(Status("target", name, ready, profile.about, None, problem, fix))
    return rows


def _profiles(names: Sequence[str]) -> list[Target]:
    from toolkit import target  # pydantic, and what it reads, takes longer to import than the rest of the host

    profiles = [target.find(name) for name in dict.fromkeys(names)]
    if not profiles:
        raise RequestError("no target; --target NAME would be right", f"known: {', '.join(target.names())}")
    return profiles


def _make_environments(profiles: Sequence[Target], settings: Settings) -> None:
    """Make what the targets need and is not there, several at once; what cannot be made is said where it is missed, target by target."""
    engines = [TENSORFLOW, Engine(HOST_RUNTIME), *(engine_of(profile) for profile in profiles)]
    missing = set()
    for engine in engines:
        if not registry.load("launchers", engine.launcher).ready(engine.environment, engine.options, settings):
            missing.add(environments.QEMU if engine.launcher == "qemu" else engine.environment)
        if environments.find(engine.environment, settings=settings) is None:  # its kernels are run on this machine too
            missing.add(engine.environment)
    if missing and not settings.offline:
        with contextlib.suppress(OutsideError):
            environments.setup(sorted(missing), settings)


def _open(original: Original, executor: Executor) -> source.Source:
    """Look into the model, and let TensorFlow import meanwhile if it has not been looked into before: of all that follows it takes longest."""
    executor.expect(TENSORFLOW)
    return source.open_source(original, executor)


def _model(opened: source.Source, samples: Samples, *, must_calibrate: bool) -> Model:
    from toolkit import dataset

    drawn = dataset.samples_job(
        samples.calibration, samples.evaluation, opened.signature, must_calibrate=must_calibrate
    )
    return Model(opened, drawn, calibrates=samples.calibration is not None)


def _attempt(chain: Chain, executor: Executor, seconds: float) -> Attempt:
    try:
        return settle(chain, executor, seconds)
    except EdgeToolkitError as error:
        return error


def _another_may_do_better(attempt: Attempt, chain: Chain, executor: Executor) -> bool:
    """Return whether the next scheme is worth trying: this one was refused, or an engine failed at it and at nothing before it."""
    if isinstance(attempt, Verdict):
        return not attempt.passed
    if isinstance(attempt, Unconvertible):
        return True
    return isinstance(attempt, WorkerError) and all(
        isinstance(outcome, Entry) for outcome in executor.outcomes(chain.before_scheme)
    )


def _shown(attempts: Sequence[Attempt]) -> Attempt:
    """Return the last attempt if it passed or nothing could follow it, else the first verdict; the others are what was tried beside it."""
    verdicts = [attempt for attempt in attempts if isinstance(attempt, Verdict)]
    if not verdicts:
        return attempts[0]
    chosen = verdicts[-1] if verdicts[-1].passed else verdicts[0]
    return replace(chosen, tried=tuple(attempt for attempt in attempts if attempt is not chosen))


def _artifact(path: Path, executor: Executor) -> Artifact:
    if not path.is_file():
        raise RequestError(f"{path}: no such file; an artifact (.tflite) would be right")
    held = _inspect_artifact(path, executor)
    if len(held["signatures"]) != 1:
        keys = ", ".join(str(signature["key"]) for signature in held["signatures"])
        raise InvalidSource(f"{path}: has the signatures {keys}; an artifact with one would be right")
    return Artifact(
        path=path,
        scheme=_scheme_of(held),
        size_bytes=held["size_bytes"],
        sha256=held["sha256"],
        signature=held["signatures"][0],
        operators=tuple(held["operators"]),
        findings=tuple(held["findings"]),
    )


def _require_same_names(artifact: Artifact, original: source.Source) -> None:
    """Raise RequestError where inputs or outputs are not called the same in both: by which one is which could only be guessed."""
    problems = []
    for side in ("inputs", "outputs"):
        ours, theirs = (
            [spec["name"] for spec in signature[side]] for signature in (original.signature, artifact.signature)
        )
        if set(ours) != set(theirs):
            problems.append(f"{artifact.path}: {side} are called {theirs}; in {original.path} they are called {ours}")
    if problems:
        raise RequestError(
            "\n".join(problems), "convert it with the signature of its original, so that both have the same names"
        )


def _scheme_of(held: Mapping[str, Any]) -> str:
    """Return the scheme that an artifact was made by, as the dtypes of its weights and activations tell it."""
    if "int8" in held["weights_bytes"]:
        return "static_wi8_ai8" if "int8" in held["activations"] else "dynamic_wi8_afp32"
    return "float16" if "float16" in held["weights_bytes"] else "float32"


def _as_fed(signature: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a signature as samples must fit it: a quantized input takes real numbers, which are quantized for it."""
    inputs = [{**spec, "dtype": "float32"} if "scale" in spec else dict(spec) for spec in signature["inputs"]]
    return {
        **signature,
        "inputs": [{"name": spec["name"], "dtype": spec["dtype"], "shape": spec["shape"]} for spec in inputs],
    }
