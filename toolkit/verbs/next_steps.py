"""The command to run next if a wanted scheme did not ship: ready to paste, with all options of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from toolkit import printable
from toolkit.bundle.bundle import kept_artifact
from toolkit.errors import EdgeToolkitError
from toolkit.pipeline import rewriting
from toolkit.pipeline.prepare import OTHERS, Samples, Sets
from toolkit.profiles.recipe import FLOAT
from toolkit.report.attempts import deciding_comparison
from toolkit.settings.permissions import Permissions
from toolkit.source.original import Original
from toolkit.verdict.verdict import NextStep, Verdict


@dataclass(frozen=True, slots=True)
class VerbRequest:
    """The request of a verb: the model, the samples, and the target by its given name.

    `renames` are texts "THEIRS=OURS", as `verify` takes them; `renamed` is whether tensors of the artifact have other names, declared or not.
    `permissions` are those of the user's own code.
    """

    original: Original
    samples: Samples
    target: str
    renames: tuple[str, ...] = ()
    renamed: bool = False
    permissions: Permissions = field(default_factory=Permissions)

    def after_build(self, verdict: Verdict, out: Path) -> Verdict:
        """Return the verdict with the next command about the wanted scheme, or about itself if it did not pass; `out` has its bundle."""
        wanted = verdict.wanted
        if wanted is not None and (isinstance(wanted.outcome, Verdict) or (wanted.outcome and verdict.passed)):
            step = self._step(wanted.scheme, wanted.outcome, kept_artifact(out, verdict, wanted))
        else:
            step = self._step(str(verdict.artifact.asked), verdict, kept_artifact(out, verdict))
        return replace(verdict, next_step=step)

    def after_verify(self, verdict: Verdict) -> Verdict:
        """Return the verdict on an existing file, with the next command if it did not pass."""
        given = verdict.artifact.before or verdict.artifact
        return replace(verdict, next_step=self._step(verdict.artifact.scheme, verdict, given.path))

    def _step(self, scheme: str, outcome: Verdict | EdgeToolkitError, artifact: Path) -> NextStep | None:
        """Return the next command about a scheme that did not pass, with its file at `artifact`; None if no command helps."""
        if isinstance(outcome, EdgeToolkitError):
            return NextStep("why this scheme gives no file", self._build(scheme))
        if outcome.outcome == "inconclusive":
            return self._with_more_samples(outcome, artifact)
        stage = (
            outcome.guilty_stage if deciding_comparison(outcome) is not None else None
        )  # a finding has its own advice
        if any(finding.is_error and finding.of_samples for finding in outcome.findings):
            return None  # with wrong samples, other layers drift than with right ones
        # `debug` examines a .tflite at one size, by the original's names
        if stage in rewriting.STAGES:
            return None  # `debug` would rewrite it the same way
        if outcome.passed or stage is None or self.original.sizes or self.renamed or artifact.suffix != ".tflite":
            return None
        if stage == "quantization" and outcome.artifact.scheme != FLOAT and self.samples.calibration is not None:
            return NextStep("which layers to keep in float", self._about("debug", artifact, "--suggest"))
        return NextStep(f"which operator diverges in {stage}", self._about("debug", artifact, "--stage", stage))

    def _with_more_samples(self, outcome: Verdict, artifact: Path) -> NextStep | None:
        comparison = deciding_comparison(outcome)
        if comparison is None:
            return None
        count = comparison.samples_needed
        samples = f"about {count} samples" if count else f"more than {comparison.samples} samples"
        named = (
            "the set of --eval"
            if self.samples.evaluation is not None
            else "a set of --eval beside that which calibrates"
        )
        renames = [word for text in self.renames for word in ("--rename", text)]
        return NextStep(
            f"with {samples} in {named}: that settles it", self._about("verify", artifact, *renames, *self._judging())
        )

    def _about(self, verb: str, artifact: Path, *more: str) -> str:
        source = ["--source", _place(self.original.path), "--target", self.target]
        return _text([verb, _place(artifact), *source, *self._sets(), *self._model(), *more])

    def _build(self, scheme: str) -> str:
        named = ["--target", self.target, "--scheme", scheme]
        return _text(["build", _place(self.original.path), *named, *self._sets(), *self._model(), *self._judging()])

    def _judging(self) -> Iterator[str]:
        """Yield the given options of judging, as flags of `build` and `verify`."""
        if self.samples.limits is not None:
            yield from ("--limits", str(self.samples.limits))
        for metric in self.samples.task_metrics:
            yield from ("--task-metric", metric)
        for output, kind in self.samples.output_kinds.items():
            yield from ("--output-kind", f"{output}={kind}")
        if self.original.device != "cpu":
            yield from ("--reference-device", self.original.device)

    def _model(self) -> Iterator[str]:
        yield from _model(self.original)
        yield from self.permissions.flags()

    def _sets(self) -> list[str]:
        return [*_set("--calibration", self.samples.calibration), *_set("--eval", self.samples.evaluation)]


def _set(flag: str, sets: Sets) -> Iterator[str]:
    for name, place in (sets if isinstance(sets, Mapping) else {OTHERS: sets}).items():
        if place is not None:
            yield from (flag, str(place) if name == OTHERS else f"{name}={place}")


def _model(original: Original) -> Iterator[str]:
    """Yield the given options of the model, except its path, as flags."""
    keys = (original.signature,) if isinstance(original.signature, str) else original.signature or ()
    for key in keys:
        yield from ("--signature", key)
    for shapes in (original.shapes or {}, *original.sizes):
        for name, sizes in shapes.items():
            yield from ("--shape", f"{name}={','.join(map(str, sizes)) or 'scalar'}")
    for flag, value in (("--builder", original.builder), ("--step", original.step), ("--map", original.map)):
        if value is not None:
            yield from (flag, str(value))
    pairs = (
        ("--builder-arg", original.builder_args),
        ("--inputs", original.inputs),
        ("--outputs", original.outputs),
        ("--bind", original.bind),
    )
    for flag, values in pairs:
        for name, text in values.items():
            yield from (flag, f"{name}={text}")
    for pattern in original.allow_unrestored:
        yield from ("--allow-unrestored", pattern)
    if original.trust:
        yield "--trust"


def _text(words: list[str]) -> str:
    return printable.command(["edge-toolkit", *words])


def _place(path: Path) -> str:
    """Return a path in a form that no command line takes for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)
