"""The jobs behind a verdict: what is converted, what is run where, and what all targets of one model share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import compare, source
from toolkit.conversion import Artifact, artifact_of, convert_job
from toolkit.errors import EdgeToolkitError, Unconvertible, WorkerCrashed, WorkerRefused
from toolkit.executor import Executor
from toolkit.jobs import Engine, Job, Output
from toolkit.originals import DEFAULT_KEY
from toolkit.runtime import HOST_RUNTIME, Execution, run_job, run_of
from toolkit.signature import Signature
from toolkit.source import TENSORFLOW, Source
from toolkit.store import Entry
from toolkit.verdict import Evidence, Step, Verdict, judge

if TYPE_CHECKING:
    from toolkit.target import Target

FLOAT_IO = {"inputs": "float32", "outputs": "float32"}
_FLOAT = "float32"
_RECHECKED_SAMPLES = (
    64  # the canonical form is the same graph in the same framework: what is wrong with it shows in each of them
)
_NOISE_SAMPLES = 16
_HOST = Execution(Engine(HOST_RUNTIME), HOST_RUNTIME)
_NO_OPERATOR = re.compile(r"[Dd]idn't find op for builtin opcode '(\w+)' version '(\d+)'")
_UNRESOLVED = re.compile(r"unresolved custom op: (\w+)")


@dataclass(slots=True)
class Model:
    """A source with its samples, and the jobs that its targets and schemes have in common: each is made once."""

    source: Source
    samples: Job
    calibrates: bool
    _converted: dict[tuple[str, ...], Job] = field(default_factory=dict)
    _runs: dict[tuple[Any, ...], Job] = field(default_factory=dict)
    canonical: Job = field(init=False)
    reference: Job = field(init=False)
    on_cpu: Job | None = field(init=False)
    rechecked: Job = field(init=False)

    def __post_init__(self) -> None:
        self.canonical = source.canonical_job(self.source, self.verification)
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

    def convert(self, scheme: str, io: Mapping[str, str]) -> Job:
        """Return the conversion by one scheme, with the dtypes of inputs and outputs that `io` asks for."""
        name = (scheme, io["inputs"], io["outputs"])
        if name not in self._converted:
            calibration = self.samples.output("calibration") if self.calibrates else None
            self._converted[name] = convert_job(self.canonical.output("saved_model"), calibration, scheme, io)
        return self._converted[name]

    def _recheck(self) -> Job:
        """Return the run of the canonical form in TensorFlow, over the first samples: it must still be the original."""
        kernels = "gpu" if self.source.device == "gpu" else "default"
        model, execution = self.canonical.output("saved_model"), Execution(TENSORFLOW, "tensorflow", kernels)
        return run_job(model, self.verification, execution, signature=DEFAULT_KEY, first=_RECHECKED_SAMPLES)

    def run(self, model: Output | Path, execution: Execution) -> Job:
        """Return the run of a model over the samples that judge."""
        of = model if isinstance(model, Path) else (model.job, model.name)
        name = (of, execution.engine.name, execution.runtime, execution.kernels, execution.threads)
        if name not in self._runs:
            self._runs[name] = run_job(model, self.verification, execution)
        return self._runs[name]


@dataclass(slots=True)
class Chain:
    """One target and one scheme: the jobs of every stage. `artifact` is a conversion, or a file that is already there."""

    model: Model
    target: Target
    scheme: str
    artifact: Job | Artifact
    links: list[tuple[str, Job]]

    @property
    def before_scheme(self) -> list[Job]:
        """The jobs that do not depend on the scheme."""
        model = self.model
        return [
            model.samples,
            model.reference,
            model.canonical,
            *([model.on_cpu] if model.on_cpu else []),
            *(job for stage, job in self.links if stage in ("source", "conversion")),
        ]

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the verdict needs, those first that others wait for longest: conversions before runs of TensorFlow."""
        late = [job for stage, job in self.links if stage == "source"]
        conversions = [self.artifact] if isinstance(self.artifact, Job) else []
        references = [self.model.reference, *([self.model.on_cpu] if self.model.on_cpu else [])]
        return [*conversions, *(job for _, job in self.links if job not in late), *references, *late]


def engine_of(target: Target) -> Engine:
    """Return the engine that executes for a target: its runtime's environment, in its launcher."""
    options = {"cpu": target.runtime.cpu} if target.runtime.cpu is not None else {}
    return Engine(target.runtime.name, target.runtime.launcher, options)


def execution_of(target: Target) -> Execution:
    """Return how a target runs its model."""
    runtime = target.runtime
    return Execution(engine_of(target), runtime.name, runtime.kernels, runtime.threads)


def plan(model: Model, target: Target, scheme: str, ready: Artifact | None = None) -> Chain:
    """Return the chain of a target and scheme; for an artifact that is there already (`ready`), nothing but the float one is converted.

    A stage that would run what the stage before it ran (the float scheme, or a target that is this machine) is left out.
    """
    floats = model.convert(_FLOAT, FLOAT_IO).output("model.tflite")
    artifact = ready or model.convert(scheme, target.conversion.model_dump())
    shipped = artifact.path if isinstance(artifact, Artifact) else artifact.output("model.tflite")
    links = [("source", model.rechecked), ("conversion", model.run(floats, _HOST))]
    if scheme != _FLOAT or ready is not None:
        links.append(("quantization", model.run(shipped, replace(_HOST, kernels="reference"))))
    on_target = execution_of(target)
    here = model.run(shipped, replace(on_target, engine=Engine(target.runtime.name)))
    if here is not links[-1][1]:
        links.append(("kernels", here))
    if on_target.engine.launcher != "local":
        links.append(("device", model.run(shipped, on_target)))
    return Chain(model, target, scheme, artifact, links)


def settle(chain: Chain, executor: Executor, seconds: float) -> Verdict:
    """Return the verdict on a chain whose jobs have been run; raise the error of the first that failed, said of the target."""
    samples = _entry(executor, chain.model.samples, chain)
    findings = [*chain.model.source.findings, *samples.result["findings"], *_about_the_target(chain.target)]
    artifact = chain.artifact
    if isinstance(artifact, Job):
        artifact = artifact_of(_entry(executor, artifact, chain), chain.scheme)
    reference = _entry(executor, chain.model.reference, chain)
    steps = [Step("original", run_of(reference), Signature.from_json(run_of(reference).signature))]
    for stage, planned in chain.links:
        job = planned
        if stage == "quantization" and _reference_kernels_fail(executor, job):
            job = chain.model.run(_model_of(job), replace(_HOST, kernels="builtin"))
            message = "reference kernels do not run this model; the builtin ones, without delegates, stand in for them"
            findings.append({"code": "reference-kernels-failed", "severity": "warning", "message": message})
        run = run_of(_entry(executor, job, chain))
        signature = artifact.signature if stage in ("quantization", "kernels", "device") else run.signature
        steps.append(Step(stage, run, Signature.from_json(_as_run(signature, run.signature))))
    labels = samples.out / "verification" / "labels.npy"
    evidence = Evidence(
        steps=tuple(steps),
        samples={
            part: samples.result[part]["count"] for part in ("calibration", "verification") if samples.result[part]
        },
        labels=labels if labels.is_file() else None,
        noise=_noise(reference, executor, chain),
        findings=tuple(findings),
        seconds=seconds,
    )
    return judge(chain.target, chain.model.source, artifact, evidence)


def _noise(reference: Entry, executor: Executor, chain: Chain) -> dict[str, dict[str, float]]:
    """Return how far the original wanders by itself: what its own run measured, and between a GPU and the CPU where it ran on a GPU."""
    noise: dict[str, dict[str, float]] = dict(reference.result["noise"])
    if chain.model.on_cpu is not None:
        runs = [run_of(reference), run_of(_entry(executor, chain.model.on_cpu, chain))]
        on_gpu, on_cpu = (Step("original", run, Signature.from_json(run.signature)) for run in runs)
        measured = compare.measure(on_gpu.read(runs[1].count), on_cpu.read())
        noise["device"] = {one.output: one.values["real"] for one in measured.measurements if one.metric == "max_abs"}
    return noise


def _as_run(signature: Mapping[str, Any], ran: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the artifact's signature, which knows the scales of dequantized outputs, if the run had just these outputs; else the run's own."""
    said = {(spec["name"], spec["dtype"]) for spec in signature["outputs"]}
    return signature if said == {(spec["name"], spec["dtype"]) for spec in ran["outputs"]} else ran


def _reference_kernels_fail(executor: Executor, job: Job) -> bool:
    """Return whether the engine failed at a run on reference kernels: in every release they abort on some models that all others run."""
    (outcome,) = executor.outcomes([job])
    return isinstance(outcome, WorkerCrashed | WorkerRefused)


def _model_of(job: Job) -> Output | Path:
    """Return the model that a job runs."""
    model = job.inputs["model"]
    if isinstance(model, Job):
        raise TypeError(f"{job.title}: runs all that {model.title} wrote")
    return model


def _entry(executor: Executor, job: Job, chain: Chain) -> Entry:
    (outcome,) = executor.outcomes([job])
    if isinstance(outcome, EdgeToolkitError):
        raise _said_of_target(outcome, job, chain)
    return outcome


def _said_of_target(error: EdgeToolkitError, job: Job, chain: Chain) -> EdgeToolkitError:
    """Name the operator where a runtime is too old for one, which its message has somewhere in the middle."""
    missing = _NO_OPERATOR.findall(error.problem) or [(name, "") for name in _UNRESOLVED.findall(error.problem)]
    if missing and isinstance(error, WorkerRefused):
        name, version = missing[0]
        runtime = f"{chain.target.runtime.name} {chain.target.runtime.version}"
        of_version = f" version {version}" if version else ""
        return Unconvertible(
            f"{chain.target.name}: {runtime} has no operator {name}{of_version}, which {chain.scheme} of this model needs",
            "choose another --scheme, or a newer runtime for the device",
        )
    return error


def _about_the_target(target: Target) -> list[dict[str, Any]]:
    return [{"code": "target", "severity": "info", "message": " ".join(target.notes.split())}] if target.notes else []
