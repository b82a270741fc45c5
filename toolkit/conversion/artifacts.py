"""Convert the canonical model to an artifact of a target's format, by one scheme."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from toolkit import findings, printable, registry
from toolkit.conversion.calibration_job import moments_job, ranges_job, statistics_job
from toolkit.engines.description import OperatorUse
from toolkit.errors import NoSamples, RequestError
from toolkit.files.outputs import FileKind
from toolkit.findings import Finding
from toolkit.jobs.job import Engine, Job, Output
from toolkit.jobs.store import Entry
from toolkit.profiles.recipe import FLOAT, Estimator, Variant
from toolkit.tensors.shapes import Shape
from toolkit.tensors.signature import FileSignature


@dataclass(frozen=True, slots=True)
class Artifact:
    """A converted file and its content: signature (with scale and zero point, and the file's own order), operators, dtypes, findings.

    `scheme` is the scheme that the file keeps; `asked` is the one that it was made by, None if the toolkit did not make it. `key` names the signature
    if the file has several, else it is None. `uses` are how it uses its operators, and `arena_bytes` estimates what
    its computed tensors take at once, None for a format that nothing estimates. `softmax_step` is the least product of beta and scale of its integer
    softmaxes, None without any. `before` is the artifact that it was rewritten from for its runtime, and `rewritten` says what was changed; None and
    () if it was not.
    """

    path: Path
    scheme: str
    size_bytes: int
    sha256: str
    signature: FileSignature
    operators: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]
    key: str | None = None
    asked: str | None = None
    uses: tuple[OperatorUse, ...] = ()
    arena_bytes: int | None = None
    softmax_step: float | None = None
    before: Artifact | None = None
    rewritten: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return printable.line(f"<Artifact {self.path}: {self.scheme}, {self.size_bytes} bytes>")

    @property
    def is_another(self) -> bool:
        """Whether the file keeps another scheme than the requested one."""
        return self.asked not in (None, self.scheme)


@dataclass(slots=True)
class Conversions:
    """All artifacts of one canonical model. Variants share the jobs that they have in common (float artifact, statistics, ranges).

    `calibration` is None without such a set; `histograms` is whether any estimator of this request needs them. `sizes` are shapes of one call by
    input, if the model leaves some open: with these, artifacts are started to check them.
    """

    canonical: Output
    calibration: Output | None
    histograms: bool = False
    sizes: Mapping[str, Shape] | None = None
    _jobs: dict[Hashable, Job] = field(default_factory=dict)

    def calibrated_with(self, calibration: Output) -> Conversions:
        """Return the same conversions with another calibration set; jobs that do not depend on it are shared."""
        return replace(self, calibration=calibration)

    def floats(self, artifact_format: str) -> Job:
        """Return the conversion to the float artifact of a format."""
        before = format_before(artifact_format)
        if before != artifact_format:
            return self._packed(self.floats(before), artifact_format)
        engine = Engine(registry.load("conversion/converters", artifact_format).ENGINE)
        return self._once(
            ("float", artifact_format),
            lambda: Job(
                f"converting to {artifact_format} {FLOAT}",
                f"conversion.converters.{artifact_format}",
                "convert",
                engine,
                inputs={"model": self.canonical},
                plugins=(f"conversion.schemes.{FLOAT}",),
            ),
        )

    def statistics(self, artifact_format: str, *, histograms: bool = False) -> Job:
        """Return the job that gathers the statistics of a format's float artifact; NoSamples without a calibration set.

        With `histograms`, it gathers these even if no estimator needs them.
        """
        histograms, artifact_format = histograms or self.histograms, format_before(artifact_format)
        runtime = registry.load("conversion/converters", artifact_format).HOST_RUNTIME
        samples = self._calibration("statistics")
        model = self.file(self.floats(artifact_format), artifact_format)
        return self._once(
            ("statistics", artifact_format, self.calibration, histograms),
            lambda: statistics_job(model, samples, runtime, histograms=histograms),
        )

    def ranges(self, artifact_format: str, estimator: Estimator) -> Job:
        """Return the job that writes the ranges of a format's activations: `ranges.json`."""
        artifact_format = format_before(artifact_format)
        converter = registry.load("conversion/converters", artifact_format)
        if estimator.needs == "converter":
            inputs = {"model": self.canonical, "calibration": self._calibration(str(estimator))}
            return self._once(
                ("calibrate", artifact_format, self.calibration),
                lambda: Job(
                    f"calibrating with the converter of {artifact_format}",
                    f"conversion.converters.{artifact_format}",
                    "calibrate",
                    Engine(converter.ENGINE),
                    inputs=inputs,
                ),
            )
        statistics = self.statistics(artifact_format).output("statistics")
        return self._once(
            ("ranges", artifact_format, str(estimator), self.calibration),
            lambda: ranges_job(statistics, estimator, converter.HOST_RUNTIME),
        )

    def moments(self, artifact_format: str) -> Job:
        """Return the job that writes the moments of what feeds the matrices of a format's float artifact: `moments.json`; NoSamples without a set."""
        samples, artifact_format = self._calibration("moments"), format_before(artifact_format)
        model = self.file(self.floats(artifact_format), artifact_format)
        runtime = registry.load("conversion/converters", artifact_format).HOST_RUNTIME
        return self._once(("moments", artifact_format, self.calibration), lambda: moments_job(model, samples, runtime))

    def artifact(self, variant: Variant, artifact_format: str) -> Job:
        """Return the job that makes a variant; NoSamples if it needs a calibration set and there is none."""
        before = format_before(artifact_format)
        if variant.quantizer is None:
            return self.floats(artifact_format)
        if before != artifact_format:
            return self._packed(self.artifact(variant, before), artifact_format)
        of = None if variant.needs is None else self.calibration
        return self._once(("variant", artifact_format, variant, of), lambda: self._quantize(variant, artifact_format))

    def file(self, job: Job, artifact_format: str) -> Output:
        """Return the output of a conversion job that is the artifact's file."""
        return job.output(f"model{registry.load('conversion/converters', artifact_format).SUFFIX}")

    def before_packing(self, made: Job, artifact_format: str) -> Output:
        """Return the file of a conversion job; in a format that packs another's artifacts, the file that was packed."""
        packed = made.inputs["model"] if format_before(artifact_format) != artifact_format else None
        return packed if isinstance(packed, Output) else self.file(made, artifact_format)

    def _packed(self, made: Job, artifact_format: str) -> Job:
        """Return the job that packs a finished artifact of another format."""
        before = format_before(artifact_format)
        floats = self.floats(before)
        inputs = {"model": self.file(made, before)}
        options: dict[str, object] = {"scheme": FLOAT, "inputs": "float32", "outputs": "float32"}
        if made is not floats:
            inputs["floats"] = self.file(floats, before)
            options = {name: made.options[name] for name in ("scheme", "inputs", "outputs", "keep_float")}
        return self._once(
            ("packed", artifact_format, made),
            lambda: Job(
                f"packing as {artifact_format}",
                f"conversion.converters.{artifact_format}",
                "pack",
                Engine(registry.load("conversion/converters", artifact_format).ENGINE),
                options=options,
                inputs=inputs,
                plugins=(f"conversion.schemes.{options['scheme']}",),
            ),
        )

    def _quantize(self, variant: Variant, artifact_format: str) -> Job:
        recipe, name = variant.recipe, str(variant.quantizer)
        quantizer = registry.load("conversion/quantizers", name)
        takes_float = quantizer.TAKES == "artifact"
        inputs = {"model": self.file(self.floats(artifact_format), artifact_format) if takes_float else self.canonical}
        if variant.estimator is not None:
            inputs["ranges"] = self.ranges(artifact_format, variant.estimator).output("ranges.json")
        elif variant.needs == "moments":
            inputs["moments"] = self.moments(artifact_format).output("moments.json")
        elif variant.needs == "samples":
            inputs["calibration"] = self._calibration(f"scheme {recipe.scheme}")
        keep = recipe.keep_float
        how = filter(None, (name, recipe.scheme, str(variant.estimator or ""), variant.telling, str(keep)))
        return Job(
            f"quantizing by {' '.join(how)}",
            f"conversion.quantizers.{name}",
            "quantize",
            Engine(quantizer.ENGINE),
            options={
                "scheme": recipe.scheme,
                "told": variant.told,
                "granularity": recipe.granularity,
                "inputs": recipe.inputs,
                "outputs": recipe.outputs,
                "keep_float": {"tensors": list(keep.tensors), "operators": list(keep.operators)},
                **({} if self.sizes is None else {"sizes": dict(self.sizes)}),
            },
            inputs=inputs,
            plugins=(f"conversion.schemes.{recipe.scheme}",),
        )

    def _calibration(self, who: str) -> Output:
        if self.calibration is None:
            raise NoSamples(f"{who}: needs a calibration set, but none was given")
        return self.calibration

    def _once(self, name: Hashable, make: Callable[[], Job]) -> Job:
        if name not in self._jobs:
            self._jobs[name] = make()
        return self._jobs[name]


def format_before(artifact_format: str) -> str:
    """Return the format whose artifacts a format packs; the format itself if it packs none."""
    return str(getattr(registry.load("conversion/converters", artifact_format), "PACKS", artifact_format))


def kind_of_artifact(name: str) -> FileKind:
    """Return the kind of file for artifacts of a format; an existing file of that format may be replaced, as compilers do."""
    converter = registry.load("conversion/converters", name)
    return FileKind(f"a model in that format ({converter.SUFFIX})", converter.is_one)


def format_of(path: Path) -> str:
    """Return the format of an artifact's file by its suffix, tflite without one.

    RequestError for a suffix that no converter writes, and for a folder.
    """
    if path.is_dir():
        raise RequestError(f"{path}: is a folder; expected the name of a file for --out")
    suffixes = {
        registry.load("conversion/converters", name).SUFFIX: name for name in registry.names("conversion/converters")
    }
    if not path.suffix:
        return "tflite"
    if path.suffix not in suffixes:
        raise RequestError(f"{path}: no format has this suffix; expected {' or '.join(sorted(suffixes))}")
    return suffixes[path.suffix]


def artifact_of(entry: Entry, asked: str) -> Artifact:
    """Return the artifact of a finished conversion by a scheme."""
    result = entry.result
    return Artifact(
        path=entry.out / result["file"],
        scheme=result["keeps"],
        size_bytes=result["size_bytes"],
        sha256=result["sha256"],
        signature=FileSignature.from_json(result["signature"]),
        operators=tuple(result["operators"]),
        findings=findings.read(result["findings"]),
        asked=asked,
        uses=tuple(result["uses"]),
        arena_bytes=result.get("arena_bytes"),
        softmax_step=result.get("softmax_step"),
    )
