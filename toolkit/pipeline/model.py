"""A model with its samples, and the jobs that its targets and schemes share. Each job is made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import registry
from toolkit.comparison.output_kinds.declaring import Declared
from toolkit.conversion.artifacts import Artifact, Conversions
from toolkit.execution.latency import LatencyRequest
from toolkit.execution.run import Called, Execution, compiled_first, on_device, on_this_machine, run_job
from toolkit.jobs.job import Job, Output
from toolkit.jobs.runtime_engine import engine_of_runtime
from toolkit.pipeline.float16_range import range_job
from toolkit.profiles.recipe import is_calibrated, may_scale
from toolkit.source import source
from toolkit.source.loading import DEFAULT_KEY
from toolkit.source.loading_job import TENSORFLOW
from toolkit.source.source import Source
from toolkit.weights.account_job import ACCOUNTED, account_job, clipping_job

if TYPE_CHECKING:
    from toolkit.samples.lint_job import LintLimits

# The canonical form is the same graph in the same framework: an error in it shows in each sample.
_RECHECKED_SAMPLES = 64
_NOISE_SAMPLES = 16
_FACTORS = {"MUL", "FULLY_CONNECTED"}  # what a matrix with factors consists of


@dataclass(slots=True)
class Model:
    """A source with its samples, and the jobs that its targets and schemes share. Each job is made once.

    `histograms` is whether any requested estimator needs histograms. `limits` are the limits of the calibration set's lints. `linted` is the job that
    applies them; it is None without such a set or without limits. `stops_early` is whether a device may stop once its verdict is certain. `held` says
    which signature of an artifact's file runs, if the file has several. `task_metrics` are the metrics that use the samples' labels, in canonical
    form. `said_kinds` are kinds of outputs, as declared on the command line and in the set. `timing` is what of the latency was asked for.
    """

    source: Source
    samples: Job
    calibrates: bool
    histograms: bool = False
    limits: LintLimits | None = None
    stops_early: bool = False
    held: Called = field(default_factory=Called)
    task_metrics: tuple[str, ...] = ()
    said_kinds: Declared = field(default_factory=Declared)
    timing: LatencyRequest = field(default_factory=LatencyRequest)
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
            from toolkit.samples.lint_job import lint_job

            self.linted = lint_job(self.samples, self.limits)
        device = self.source.device
        self.reference = source.reference_job(self.source, self.verification, device=device)
        self.on_cpu = None
        if device != "cpu":
            self.on_cpu = source.reference_job(self.source, self.verification, device="cpu", first=_NOISE_SAMPLES)
        self.rechecked = self._recheck()

    @property
    def verification(self) -> Output:
        """The verification samples."""
        return self.samples.output("verification")

    def lint_ranges(self, artifact_format: str) -> Job | None:
        """Return the job that checks the statistics of a format's activations; None if `linted` is None."""
        if self.linted is None or self.limits is None:
            return None
        if artifact_format not in self._linted_ranges:
            from toolkit.samples.lint_job import lint_ranges_job

            statistics = self.conversions.statistics(artifact_format).output("statistics")
            self._linted_ranges[artifact_format] = lint_ranges_job(statistics, self.samples, self.limits)
        return self._linted_ranges[artifact_format]

    def _recheck(self) -> Job:
        """Return the run of the canonical form in TensorFlow over the first samples. It must still equal the original."""
        kernels = "gpu" if self.source.device == "gpu" else "default"
        model, execution = self.canonical.output("saved_model"), Execution(TENSORFLOW, "tensorflow", kernels)
        return run_job(model, self.verification, execution, signature=DEFAULT_KEY, first=_RECHECKED_SAMPLES)

    def run(
        self,
        model: Output | Path,
        execution: Execution,
        first: int | None = None,
        before: Job | None = None,
        device: str | None = None,
    ) -> Job:
        """Return the run of a model over the verification samples: all, or the `first` ones. It resumes from the run `before`, if given.

        `device` is the name of the place where it runs, as users know it; None for this machine.
        """
        of = model if isinstance(model, Path) else (model.job, model.name)
        name = (
            of,
            execution.engine.name,
            execution.runtime,
            execution.kernels,
            execution.threads,
            execution.edges,
            first,
        )
        if name not in self._runs:
            key = self.held if isinstance(model, Path) else None
            run = run_job(model, self.verification, execution, signature=key, first=first, before=before)
            run = compiled_first(run)
            self._runs[name] = run if device is None else on_device(run, device)
        return self._runs[name]

    def account(self, model: Output | Path, artifact_format: str, artifact: Artifact) -> Job | None:
        """Return the job that traces the constants of an artifact; None for a format whose constants are not inspected.

        It gets moments of activations if there is a calibration set and the artifact may have factors in front of its matrices.
        """
        if artifact_format != ACCOUNTED:
            return None
        name = ("account", model if isinstance(model, Path) else (model.job, model.name))
        if name not in self._runs:
            floats = self.conversions.file(self.conversions.floats(artifact_format), artifact_format)
            key = self.held.signature if isinstance(model, Path) else None
            scaled = self.calibrates and {each["name"] for each in artifact.operators} >= _FACTORS
            moments = None
            if scaled and may_scale(artifact.scheme):
                moments = self.conversions.moments(artifact_format).output("moments.json")
            self._runs[name] = account_job(model, floats, signature=key, moments=moments)
        return self._runs[name]

    def clipping(self, model: Output | Path, artifact_format: str, scheme: str) -> Job | None:
        """Return the job that compares an artifact's ranges with the values seen in calibration; None without a calibration set or ranges.

        If the artifact is an existing file, the calibration set runs for this job, with histograms.
        """
        # An existing file may have a scheme that the toolkit does not make.
        known = scheme in registry.names("conversion/schemes")
        if artifact_format != ACCOUNTED or not self.calibrates or not known or not is_calibrated(scheme):
            return None
        name = ("clipping", model if isinstance(model, Path) else (model.job, model.name))
        if name not in self._runs:
            floats = self.conversions.file(self.conversions.floats(artifact_format), artifact_format)
            gathered = self.conversions.statistics(artifact_format, histograms=isinstance(model, Path))
            key = self.held.signature if isinstance(model, Path) else None
            self._runs[name] = clipping_job(model, floats, gathered.output("statistics"), signature=key)
        return self._runs[name]

    def beyond_float16(self, model: Output | Path, artifact_format: str) -> Job:
        """Return the job that looks for numbers beyond float16 in an artifact's weights, and in activations over the verification samples.

        The activations are those of an existing file, if samples have the names of its inputs; else those of the float artifact.
        """
        name = ("beyond float16", model if isinstance(model, Path) else (model.job, model.name))
        if name not in self._runs:
            own = isinstance(model, Path) and not self.held.inputs and self.held.signature is None
            floats = self.conversions.file(self.conversions.floats(artifact_format), artifact_format)
            self._runs[name] = range_job(model, model if own else floats, self.verification, artifact_format)
        return self._runs[name]

    def estimate(self, model: Output | Path, runtime: str) -> Job | None:
        """Return the job that estimates what a runtime's delegate takes of an artifact; None for a runtime that is executed."""
        module = getattr(registry.load("execution/runtimes", runtime), "ESTIMATE", None)
        if module is None:
            return None
        name = ("estimate", model if isinstance(model, Path) else (model.job, model.name), runtime)
        if name not in self._runs:
            self._runs[name] = Job(
                f"estimating what {runtime} takes",
                module,
                "estimate",
                engine_of_runtime(runtime),
                inputs={"model": model},
            )
        return self._runs[name]

    def run_floats(self, artifact_format: str) -> Job:
        """Return the run of a format's float artifact on this machine."""
        floats = self.conversions.floats(artifact_format)
        return self.run(self.conversions.file(floats, artifact_format), on_this_machine(artifact_format))
