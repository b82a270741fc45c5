"""The jobs behind a verdict: what is converted, what is run where, and what all targets of one model share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import launchers, registry, source
from toolkit.conversion import Artifact, Conversions
from toolkit.errors import WorkerLied
from toolkit.job_graph import Goal
from toolkit.jobs import Engine, Job, Output
from toolkit.originals import DEFAULT_KEY
from toolkit.output_kinds.declaring import Declared
from toolkit.recipe import FLOAT, is_calibrated
from toolkit.runtime import Called, Execution, Run, run_job
from toolkit.source import TENSORFLOW, Source
from toolkit.store import Entry
from toolkit.weights import ACCOUNTED, account_job, clipping_job

if TYPE_CHECKING:
    from toolkit.linting import Limits
    from toolkit.target import Target

# The canonical form is the same graph in the same framework: what is wrong with it shows in each sample.
_RECHECKED_SAMPLES = 64
_NOISE_SAMPLES = 16
# Multiply-accumulates, that reference kernels do in 1 to 2 s on one core of a desktop computer.
_MOST_ON_REFERENCE = 1_000_000_000
_FEWEST_ON_REFERENCE = 4
_FIRST_BLOCK = 32  # samples of a stage that may end early; what looks at them takes far less than what runs them
_STATE = "VAR_HANDLE"  # the operator of a state that one call leaves to the next


@dataclass(slots=True)
class Model:
    """A source with its samples, and the jobs that its targets and schemes have in common: each is made once.

    `histograms` is whether any estimator that will be asked for looks at them; `limits` are those by which a calibration set is looked at: `linted`
    does so, None where there is no such set. `stops_early` is whether a device need not run what is left once its verdict is certain. `held` is which
    signature of an artifact's file is run, where that has several. `task_metrics` are those that samples' labels are used for, canonical.
    `said_kinds` are kinds of outputs, as the command line and the set say them.
    """

    source: Source
    samples: Job
    calibrates: bool
    histograms: bool = False
    limits: Limits | None = None
    stops_early: bool = False
    held: Called = field(default_factory=Called)
    task_metrics: tuple[str, ...] = ()
    said_kinds: Declared = field(default_factory=Declared)
    _runs: dict[tuple[Any, ...], Job] = field(default_factory=dict)
    _linted_ranges: dict[str, Job] = field(default_factory=dict)
    linted: Job | None = field(init=False)
    canonical: Job = field(init=False)
    conversions: Conversions = field(init=False)
    reference: Job = field(init=False)
    on_cpu: Job | None = field(init=False)
    rechecked: Job = field(init=False)

    def __post_init__(self) -> None:
        self.canonical = source.canonical_job(self.source, self.verification)
        calibration = self.samples.output("calibration") if self.calibrates else None
        sizes = self.source.shapes if self.source.canonical is not None else None
        self.conversions = Conversions(self.canonical.output("saved_model"), calibration, self.histograms, sizes)
        self.linted = None
        if self.calibrates and self.limits is not None:
            from toolkit.linting import lint_job

            self.linted = lint_job(self.samples, self.limits)
        device = self.source.device
        self.reference = source.reference_job(self.source, self.verification, device=device)
        self.on_cpu = None
        if device != "cpu":
            self.on_cpu = source.reference_job(self.source, self.verification, device="cpu", first=_NOISE_SAMPLES)
        self.rechecked = self._recheck()

    @property
    def verification(self) -> Output:
        """The samples that judge."""
        return self.samples.output("verification")

    def lint_ranges(self, artifact_format: str) -> Job | None:
        """Return what looks at the statistics of a format's activations; None where nothing is to be looked at."""
        if self.linted is None or self.limits is None:
            return None
        if artifact_format not in self._linted_ranges:
            from toolkit.linting import lint_ranges_job

            statistics = self.conversions.statistics(artifact_format).output("statistics")
            self._linted_ranges[artifact_format] = lint_ranges_job(statistics, self.samples, self.limits)
        return self._linted_ranges[artifact_format]

    def _recheck(self) -> Job:
        """Return the run of the canonical form in TensorFlow, over the first samples: it must still be the original."""
        kernels = "gpu" if self.source.device == "gpu" else "default"
        model, execution = self.canonical.output("saved_model"), Execution(TENSORFLOW, "tensorflow", kernels)
        return run_job(model, self.verification, execution, signature=DEFAULT_KEY, first=_RECHECKED_SAMPLES)

    def run(
        self, model: Output | Path, execution: Execution, first: int | None = None, before: Job | None = None
    ) -> Job:
        """Return the run of a model over the samples that judge, all of them or the `first` so many, going on from the run `before`."""
        of = model if isinstance(model, Path) else (model.job, model.name)
        name = (of, execution.engine.name, execution.runtime, execution.kernels, execution.threads, first)
        if name not in self._runs:
            key = self.held if isinstance(model, Path) else None
            self._runs[name] = run_job(model, self.verification, execution, signature=key, first=first, before=before)
        return self._runs[name]

    def account(self, model: Output | Path, artifact_format: str) -> Job | None:
        """Return what accounts for the constants of an artifact; None for a format whose files are not looked into so."""
        if artifact_format != ACCOUNTED:
            return None
        name = ("account", model if isinstance(model, Path) else (model.job, model.name))
        if name not in self._runs:
            floats = self.conversions.file(self.conversions.floats(artifact_format), artifact_format)
            self._runs[name] = account_job(
                model, floats, signature=self.held.signature if isinstance(model, Path) else None
            )
        return self._runs[name]

    def clipping(self, model: Output | Path, artifact_format: str, scheme: str) -> Job | None:
        """Return what holds an artifact's ranges against what the calibration set showed; None where there is none, or no range.

        For a file that was there already the set is run for it, with histograms.
        """
        known = scheme in registry.names("schemes")  # that of somebody's file may be one that nothing here makes
        if artifact_format != ACCOUNTED or not self.calibrates or not known or not is_calibrated(scheme):
            return None
        name = ("clipping", model if isinstance(model, Path) else (model.job, model.name))
        if name not in self._runs:
            floats = self.conversions.file(self.conversions.floats(artifact_format), artifact_format)
            gathered = self.conversions.statistics(artifact_format, histograms=isinstance(model, Path))
            key = self.held.signature if isinstance(model, Path) else None
            self._runs[name] = clipping_job(model, floats, gathered.output("statistics"), signature=key)
        return self._runs[name]

    def run_floats(self, artifact_format: str) -> Job:
        """Return the run of a format's float artifact on this machine."""
        floats = self.conversions.floats(artifact_format)
        return self.run(self.conversions.file(floats, artifact_format), on_this_machine(artifact_format))


@dataclass(frozen=True, slots=True)
class Own:
    """The run of the toolkit's own artifact on the target's kernels, on this machine, and the artifact."""

    run: Job
    artifact: Artifact


@dataclass(slots=True)
class Chain:
    """One target and one artifact: the jobs of every stage; `made` is what converted it, None for a file that was already there.

    `candidates` (JSON) are the variants among which it was chosen; what `linted` jobs find is said in the verdict. `account` holds each of the
    artifact's constants against the float conversion's, None for a format where nothing does; `clipping` its ranges against what calibration
    showed. `own` is what the toolkit makes by the same scheme, where the artifact is somebody's; `findings` were noticed while it was planned.
    """

    model: Model
    target: Target
    artifact: Artifact
    made: Job | None
    links: list[tuple[str, Job]]
    candidates: tuple[Mapping[str, Any], ...] = ()
    linted: tuple[Job, ...] = ()
    account: Job | None = None
    clipping: Job | None = None
    own: Own | None = None
    findings: tuple[Mapping[str, Any], ...] = ()

    @property
    def goal(self) -> Goal:
        """The runs that a verdict cannot do without, and all jobs of this chain, which are of no use without one.

        Where reference kernels cannot run the artifact others do, but not where they take too long.
        """
        vital = [job for stage, job in self.links if stage != "quantization"]
        slow = [job for stage, job in self.links if stage == "quantization"]
        return Goal(
            [*vital, self.model.reference, *([self.model.on_cpu] if self.model.on_cpu else [])], self.jobs, slow
        )

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the verdict needs, those first that others wait for longest."""
        late = [job for stage, job in self.links if stage == "source"]
        references = [self.model.reference, *([self.model.on_cpu] if self.model.on_cpu else [])]
        accounts = [job for job in (self.account, self.clipping) if job is not None]
        return [*(job for _, job in self.links if job not in late), *references, *accounts, *late]


def engine_of(target: Target) -> Engine:
    """Return the engine that executes for a target: its runtime's environment, in its launcher."""
    options = {"cpu": target.runtime.cpu} if target.runtime.cpu is not None else {}
    return Engine(target.runtime.name, target.runtime.launcher, options)


def execution_of(target: Target) -> Execution:
    """Return how a target runs its model."""
    runtime = target.runtime
    return Execution(engine_of(target), runtime.name, runtime.kernels, runtime.threads)


def kernels_of(target: Target) -> Execution:
    """Return how this machine runs a target's kernels: the same engine and version, started here."""
    return replace(execution_of(target), engine=Engine(target.runtime.name))


def require_version(run: Run, target: Target) -> None:
    """Raise WorkerLied where an engine that ran for a target says that it is of another version than the profile's."""
    ran, asked = run.engine.rpartition(" ")[2], target.runtime.version
    if ran != asked:
        raise WorkerLied(
            f"{target.name}: {run.engine} ran; its profile asks for {target.runtime.name} {asked}",
            "edge-toolkit doctor tells which interpreter it ran in",
        )


def on_this_machine(artifact_format: str) -> Execution:
    """Return how this machine runs a format by itself, whatever the target."""
    runtime = registry.load("converters", artifact_format).HOST_RUNTIME
    return Execution(Engine(runtime), runtime)


def without_artifact(model: Model, artifact_format: str) -> list[Job]:
    """Return the jobs that a verdict needs whatever the scheme, those first that others wait for longest."""
    return [
        model.run_floats(artifact_format),
        model.reference,
        *([model.on_cpu] if model.on_cpu else []),
        model.rechecked,
    ]


def plan(model: Model, target: Target, artifact: Artifact, made: Job | None, floats: Entry) -> Chain:
    """Return the chain of a target and an artifact; `floats` is the finished conversion to the float artifact.

    A stage that would run what the stage before it ran (the float scheme, or a target that is this machine) is left out. A float artifact that was
    already there is somebody's conversion, and is judged as one.
    """
    here = on_this_machine(target.format)
    shipped = artifact.path if made is None else model.conversions.file(made, target.format)
    links = [("source", model.rechecked)]
    if made is None and artifact.scheme == FLOAT:
        links.append(("conversion", model.run(shipped, here)))
    else:
        links.append(("conversion", model.run_floats(target.format)))
        if made is not model.conversions.floats(target.format):
            first = _as_many_as_reference_kernels_can(floats, model.source.growth)
            links.append(("quantization", model.run(shipped, replace(here, kernels="reference"), first)))
    on_target = execution_of(target)
    on_host = model.run(shipped, kernels_of(target))
    if on_host is not links[-1][1]:
        links.append(("kernels", on_host))
    if not launchers.is_host(on_target.engine.launcher):
        first = _FIRST_BLOCK if model.stops_early and not _keeps_state(artifact) else None
        links.append(("device", model.run(shipped, on_target, first)))
    account = model.account(shipped, target.format)
    clipping = model.clipping(shipped, target.format, artifact.scheme)
    return Chain(model, target, artifact, made, links, account=account, clipping=clipping)


def longer(chain: Chain, run: Job, count: int) -> Job:
    """Return a run of the device over `count` samples that goes on from one over fewer of them."""
    return chain.model.run(model_of(run), execution_of(chain.target), count, run)


def model_of(run: Job) -> Output | Path:
    """Return the model that a job runs."""
    model = run.inputs["model"]
    if isinstance(model, Job):
        raise TypeError(f"{run.title}: runs all that {model.title} wrote")
    return model


def _keeps_state(artifact: Artifact) -> bool:
    return any(operator["name"] == _STATE for operator in artifact.operators)


def _as_many_as_reference_kernels_can(floats: Entry, growth: int) -> int | None:
    """Return how many samples run on reference kernels, None for all: naive loops take thirty times what the others do.

    A file counts sizes that it leaves open as 1; `growth` is how many times as much a sample holds.
    """
    operations = floats.result["multiply_accumulates"] * growth
    return max(_FEWEST_ON_REFERENCE, _MOST_ON_REFERENCE // operations) if operations else None
