"""The stages of a verdict: which runs happen in which order for a target and an artifact, and how each run is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from toolkit import launchers, registry
from toolkit.conversion.artifacts import Artifact
from toolkit.errors import EdgeToolkitError, WorkerCrashed, WorkerLied, WorkerRefused
from toolkit.execution.run import Execution, Run, model_of, on_this_machine, run_of, signature_of_run
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.jobs.graph import Goal
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.runtime_engine import engine_of_runtime, kernels_runtime
from toolkit.jobs.store import Entry
from toolkit.pipeline import rewriting
from toolkit.pipeline.float16_range import STAGE
from toolkit.pipeline.missing_operator import said_of_target
from toolkit.pipeline.model import Model
from toolkit.profiles.recipe import FLOAT
from toolkit.verdict.chain import ON_DEVICE
from toolkit.verdict.evidence import CandidateRow
from toolkit.verdict.stage_run import StageRun

if TYPE_CHECKING:
    from toolkit.profiles import Target

# Multiply-accumulates: reference kernels do this many in 1 to 2 s on one core of a desktop computer.
_MOST_ON_REFERENCE = 1_000_000_000
_FEWEST_ON_REFERENCE = 4
_FIRST_BLOCK = 32  # samples of a stage that may end early; checking them takes far less time than running them
_STATE = "VAR_HANDLE"  # the operator of a state that is kept between calls
_OF_ARTIFACT = ("quantization", "kernels", *rewriting.STAGES, *ON_DEVICE)  # the stages that run what ships


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a chain and its run. The run can get more samples or other kernels.

    `name` is a stage name of `toolkit.verdict.chain`. `of_target` is whether it runs on the target's engine; then the engine's version must be the
    profile's.
    """

    name: str
    job: Job
    model: Model
    target: Target
    artifact: Artifact
    of_target: bool = False

    @property
    def execution(self) -> Execution:
        """How its model is run."""
        return Execution.of(self.job)

    def longer(self, count: int) -> Stage:
        """Return the stage over the first `count` samples.

        The device resumes where it ended. Every other stage starts again at the first sample, because its run may have ended inside a sequence.
        """
        before, device = (self.job, self.target.name) if self.name in ON_DEVICE else (None, None)
        return replace(self, job=self.model.run(model_of(self.job), self.execution, count, before, device))

    def on(self, kernels: str) -> Stage:
        """Return the stage with its model on other kernels of the same engine, over all samples."""
        return replace(self, job=self.model.run(model_of(self.job), replace(self.execution, kernels=kernels)))

    def that_ran(self, executor: Executor) -> Stage:
        """Return the stage, on builtin kernels if reference kernels failed: in every release they abort on some models that all others run.

        Reference kernels that are the target's own are not replaced.
        """
        if self.of_target or self.job.options.get("kernels") != "reference":
            return self
        return self.on("builtin") if isinstance(self.error(executor), WorkerCrashed | WorkerRefused) else self

    def error(self, executor: Executor) -> EdgeToolkitError | None:
        """Return the error of its run, or None. The job runs first if it has not run yet."""
        (outcome,) = executor.outcomes([self.job])
        return outcome.error

    def read(self, executor: Executor) -> StageRun:
        """Return its finished run with the signature that its numbers are read by. Raise the job's error, worded for the target.

        Raise WorkerLied if the engine that ran for the target has another version than the profile's.
        """
        run = run_of(entry_of(self.job, self.target, self.artifact, executor))
        if self.of_target:
            require_version(run, self.target)
        if self.name not in _OF_ARTIFACT:
            return StageRun(self.name, run, run.signature)
        return StageRun(self.name, run, signature_of_run(self.artifact.signature.plain, run.signature))


@dataclass(frozen=True, slots=True)
class Own:
    """The toolkit's own artifact, and its run on the target's kernels on this machine."""

    run: Job
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class Chain:
    """One target and one artifact, with the stages in order. `made` is the job that converted the artifact, None for an existing file.

    `candidates` (JSON) are the variants that it was chosen from. The verdict reports the findings of the `linted` jobs. `account` compares each of
    the artifact's constants with the float conversion's, `account_before` those of the file that it was rewritten from; None for a format whose
    constants are not inspected. `clipping` compares its ranges with the values seen in calibration. `beyond_float16` looks for numbers that float16
    cannot hold; None if no stage computes in it. `estimate` tells what a delegate that nothing executes would take. `own` is the toolkit's own
    artifact of the same scheme, if the artifact came from somebody else. `findings` were found while it ran. `float_bytes` is the size of the float
    artifact of the same model.
    """

    model: Model
    target: Target
    artifact: Artifact
    made: Job | None
    stages: tuple[Stage, ...]
    candidates: tuple[CandidateRow, ...] = ()
    linted: tuple[Job, ...] = ()
    account: Job | None = None
    account_before: Job | None = None
    clipping: Job | None = None
    beyond_float16: Job | None = None
    estimate: Job | None = None
    own: Own | None = None
    findings: tuple[Finding, ...] = ()
    float_bytes: int | None = None

    def stage(self, name: str) -> Stage | None:
        """Return the stage of that name; None if the chain does not have it."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def with_stage(self, stage: Stage) -> Chain:
        """Return the chain with this stage in place of the one with the same name."""
        return replace(self, stages=tuple(stage if one.name == stage.name else one for one in self.stages))

    @property
    def goal(self) -> Goal:
        """The runs that a verdict needs, and all jobs of this chain, which are useless without a verdict.

        If reference kernels fail to run the artifact, other kernels run it. If they reach a limit, none do.
        """
        optional = [stage for stage in self.stages if stage.name == "quantization" and not stage.of_target]
        vital = [stage.job for stage in self.stages if stage not in optional]
        return Goal([*vital, *self._references], self.jobs, [stage.job for stage in optional])

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the verdict needs. The jobs that others wait for longest come first."""
        early = [stage.job for stage in self.stages if stage.name != "source"]
        late = [stage.job for stage in self.stages if stage.name == "source"]
        accounts = [self.account, self.account_before, self.clipping, self.beyond_float16, self.estimate]
        return [*early, *self._references, *(job for job in accounts if job is not None), *late]

    @property
    def _references(self) -> list[Job]:
        return [self.model.reference, *([self.model.on_cpu] if self.model.on_cpu else [])]


def engine_of(target: Target) -> Engine:
    """Return the engine of a target: the environment of its runtime, started by its launcher."""
    engine = engine_of_runtime(target.runtime.name, _release(target))
    return replace(engine, launcher=target.runtime.launcher, options=target.runtime.launcher_options)


def _release(target: Target) -> str | None:
    """Return the release of its environment that a target asks for; None where its launcher has versions of its own."""
    return None if launchers.has_own_versions(target.runtime.launcher) else target.runtime.version


def execution_of(target: Target) -> Execution:
    """Return how a target runs its model."""
    runtime = target.runtime
    return Execution(engine_of(target), runtime.name, runtime.kernels, runtime.threads)


def kernels_of(target: Target) -> Execution:
    """Return how this machine runs a target's kernels: the same engine and version, started here, without the delegate that the target may have.

    Where a launcher has versions of its own, the pinned version runs here; where no engine here has these kernels, that of the format.
    """
    runtime = kernels_runtime(target.runtime.name)
    if runtime is None:
        return on_this_machine(target.format)
    engine = engine_of_runtime(runtime, _release(target))
    kernels = "default" if _delegate_steps(target) else target.runtime.kernels
    return replace(execution_of(target), engine=engine, runtime=runtime, kernels=kernels)


def steps_of(target: Target) -> dict[str, Execution]:
    """Return the stages that a target adds to those of this machine, and how each runs: none where it is this machine, or nothing executes it.

    A runtime with a delegate has its own stages, up to that with the kernels that the profile asks for.
    """
    on_target, steps = execution_of(target), _delegate_steps(target)
    if not steps:
        launcher = on_target.engine.launcher
        return {} if launchers.is_host(launcher) or launchers.is_static(launcher) else {"device": on_target}
    names = list(steps)[: list(steps.values()).index(target.runtime.kernels) + 1]
    return {name: replace(on_target, kernels=steps[name]) for name in names}


def _delegate_steps(target: Target) -> dict[str, str]:
    """Return {stage: kernels} of the target's delegate; nothing for a runtime without one."""
    return dict(getattr(registry.load("execution/runtimes", target.runtime.name), "STEPS", {}))


def require_version(run: Run, target: Target) -> None:
    """Raise WorkerLied if the engine that ran for a target reports another version than the profile's."""
    ran, asked = run.engine.rpartition(" ")[2], target.runtime.version
    if ran != asked:
        raise WorkerLied(
            f"{target.name}: {run.engine} ran; its profile asks for {target.runtime.name} {asked}",
            "run `edge-toolkit doctor` to see which interpreter it ran in",
        )


def without_artifact(model: Model, artifact_format: str) -> list[Job]:
    """Return the jobs that a verdict needs whatever the scheme. The jobs that others wait for longest come first."""
    return [
        model.run_floats(artifact_format),
        model.reference,
        *([model.on_cpu] if model.on_cpu else []),
        model.rechecked,
    ]


def plan(model: Model, target: Target, artifact: Artifact, made: Job | None, floats: Entry) -> Chain:
    """Return the chain of a target and an artifact. `floats` is the finished conversion to the float artifact.

    A stage is left out if it would repeat the run of the stage before it (the float scheme, or a target that is this machine). A float artifact that
    already exists is somebody's conversion and is judged as a conversion.
    """
    here, before = on_this_machine(target.format), artifact.before or artifact
    held = before.path if made is None else model.conversions.file(made, target.format)
    shipped = held if before is artifact else artifact.path
    stage = partial(Stage, model=model, target=target, artifact=before)
    stages = [stage("source", model.rechecked)]
    if made is None and artifact.scheme == FLOAT:
        stages.append(stage("conversion", model.run(held, rewriting.before(artifact, here))))
    else:
        stages.append(stage("conversion", model.run_floats(target.format)))
        if made is not model.conversions.floats(target.format):
            first = _as_many_as_reference_kernels_can(floats, model.source.growth)
            quantized = held if made is None else model.conversions.before_packing(made, target.format)
            stages.append(stage("quantization", model.run(quantized, replace(here, kernels="reference"), first)))
    if before is not artifact or kernels_runtime(target.runtime.name) is not None:
        run_here = model.run(held, rewriting.before(artifact, kernels_of(target)))
        if run_here is not stages[-1].job:
            stages.append(stage("kernels", run_here))
    stage = partial(stage, artifact=artifact)
    for name, execution in rewriting.steps(artifact, kernels_of(target)).items():
        stages.append(stage(name, model.run(shipped, execution)))
    if kernels_runtime(target.runtime.name) is not None:
        stages[-1] = replace(stages[-1], of_target=_release(target) is not None)
    first = _FIRST_BLOCK if model.stops_early and not _keeps_state(artifact) else None
    for name, execution in steps_of(target).items():
        stages.append(stage(name, model.run(shipped, execution, first, device=target.name), of_target=True))
    chain = Chain(model, target, artifact, made, tuple(stages), float_bytes=floats.result["size_bytes"])
    return replace(
        chain,
        account=model.account(shipped, target.format, artifact),
        account_before=None if before is artifact else model.account(held, target.format, before),
        clipping=model.clipping(held, target.format, artifact.scheme),  # no range is rewritten
        beyond_float16=None if chain.stage(STAGE) is None else model.beyond_float16(shipped, target.format),
        estimate=model.estimate(shipped, target.runtime.name),
    )


def entry_of(job: Job, target: Target, artifact: Artifact, executor: Executor) -> Entry:
    """Return the store's entry of a job. The job runs first if it has not run yet. Raise its error, worded for the target."""
    (outcome,) = executor.outcomes([job])
    if outcome.error is not None:
        raise said_of_target(outcome.error, target, artifact.scheme)
    return outcome.entry


def _keeps_state(artifact: Artifact) -> bool:
    return any(operator["name"] == _STATE for operator in artifact.operators)


def _as_many_as_reference_kernels_can(floats: Entry, growth: int) -> int | None:
    """Return how many samples run on reference kernels, None for all. Their naive loops take thirty times as long as other kernels.

    A file counts open sizes as 1. `growth` is how many times larger a sample is.
    """
    operations = floats.result["multiply_accumulates"] * growth
    return max(_FEWEST_ON_REFERENCE, _MOST_ON_REFERENCE // operations) if operations else None
