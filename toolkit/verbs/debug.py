"""Search for causes in an artifact: in the layers that drift, and in a stage that failed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import printable
from toolkit.bundle import attribution_folder
from toolkit.diagnosis.find_operator import attribute, samples_of
from toolkit.diagnosis.keep_float import Trying, suggest
from toolkit.diagnosis.layer_drift import Drift, drift_of, layers_job
from toolkit.diagnosis.suggestion import Suggestion
from toolkit.errors import RequestError
from toolkit.execution.run import on_this_machine
from toolkit.files.outputs import OutputPath, require_files
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job, Output
from toolkit.pipeline.evaluate import evaluate
from toolkit.pipeline.prepare import Samples, Sets, draw, executing, make_environments, open_model, profiles_of
from toolkit.pipeline.reference_kernels import WRONG, without_them
from toolkit.pipeline.stages import kernels_of, plan
from toolkit.printable import Text
from toolkit.profiles.recipe import FLOAT
from toolkit.source.original import Original
from toolkit.verbs.arguments import Place, original_of, samples_from
from toolkit.verbs.verify import artifact_at
from toolkit.verdict.attribution import Attribution

_SAMPLES = 32  # for the drift by layer, by default
_LOCATED_BY = 4  # samples for the search of a diverging operator, by default


@dataclass(frozen=True, slots=True)
class Examined:
    """The drift of each layer of an artifact, and the gain of keeping some layers in float, if that was tried."""

    drift: Drift
    suggestion: Suggestion | None

    def __repr__(self) -> str:
        tried = "" if self.suggestion is None else ", with a suggestion"
        return f"<Examined: {self.drift!r}{tried}>"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        tried = None if self.suggestion is None else self.suggestion.to_json()
        return {**self.drift.to_json(), "suggestion": tried}

    def text(self) -> Text:
        """Return the tables for people."""
        return printable.lines(
            [self.drift.text(), *([self.suggestion.text()] if self.suggestion else [])], between="\n\n"
        )


@dataclass(frozen=True, slots=True)
class Looking:
    """How to examine an artifact: the target whose kernels run it, the number of samples, and whether to try remedies."""

    target: str = "host"
    samples: int = _SAMPLES
    suggest: bool = False


def debug(
    artifact: Place,
    original: Original | Place,
    samples: Samples | None = None,
    looking: Looking = Looking(),
    *,
    calibration: Sets = None,
    evaluation: Sets = None,
    executor: Executor | None = None,
) -> Examined:
    """Return the drift of each layer of a quantized .tflite from its original's float artifact, and with `suggest` which layers to keep in float.

    RequestError for an artifact that is not quantized or no .tflite, and for less than one sample.
    """
    if looking.samples < 1:
        raise RequestError(f"--samples {looking.samples}: expected a number of samples, 1 or more")
    (target,) = profiles_of([looking.target])
    artifact, original = Path(artifact), original_of(original)
    samples = samples_from(samples, calibration, evaluation)
    samples.require_readable()
    with executing(executor, original) as running:
        opened = open_model(original, running)
        held = artifact_at(artifact, running)
        if held.scheme == FLOAT or artifact.suffix != ".tflite":
            raise RequestError(f"{artifact}: holds no quantized layer; expected a quantized .tflite")
        recipe = target.recipe(held.scheme)
        make_environments([(target, [recipe])], running.settings)
        model = draw(opened, samples, [recipe] if looking.suggest else [])
        judging = _first(model.verification, looking.samples, running)
        floats = model.conversions.file(model.conversions.floats("tflite"), "tflite")
        kernels = on_this_machine("tflite").kernels
        (entry,) = running.run(layers_job(floats, artifact, judging, kernels=kernels))
        drift = drift_of(entry)
        if not looking.suggest:
            return Examined(drift, None)
        trying = Trying(model.conversions, recipe, model.verification, target, kernels_of(target))
        return Examined(drift, suggest(drift, trying, running))


def locate(
    artifact: Place,
    original: Original | Place,
    samples: Samples | None = None,
    looking: Looking = Looking(samples=_LOCATED_BY),
    stage: str | None = None,
    *,
    out: Place | None = None,
    calibration: Sets = None,
    evaluation: Sets = None,
    executor: Executor | None = None,
) -> Attribution:
    """Return the operator that diverges in a stage of an artifact on a target; the default is the guilty stage. All stages run first.

    With `out`, it also writes this folder: attribution.json, and the operator by itself if it could be reproduced. The search uses the worst samples
    of the failed stage, then the first ones. RequestError if no stage failed and none is named, and for less than one sample; UnknownName for a stage
    that the target does not have.
    """
    if looking.samples < 1:
        raise RequestError(f"--samples {looking.samples}: expected a number of samples, 1 or more")
    (target,) = profiles_of([looking.target])
    artifact, original = Path(artifact), original_of(original)
    samples = samples_from(samples, calibration, evaluation)
    if out is not None:
        require_files([OutputPath(Path(out), attribution_folder.refusal)], (artifact, original.path))
    samples.require_readable()
    with executing(executor, original) as running:
        opened = open_model(original, running)
        held = artifact_at(artifact, running)
        make_environments([(target, [])], running.settings)
        model = draw(opened, samples, ())
        (floats,) = running.run(model.conversions.floats(target.format))
        chain = plan(model, target, held, None, floats)
        running.outcomes(chain.jobs, [chain.goal])
        verdict = evaluate(chain, running, 0.0)
        judged = verdict.judged
        if any(each.code == WRONG for each in verdict.findings):
            chain = without_them(chain)
        stage = judged.guilty_stage if stage is None else stage
        if stage is None:
            known = ", ".join(each.name for each in chain.stages)
            raise RequestError(f"{artifact}: every stage kept its bounds; choose one with --stage: {known}")
        found = attribute(chain, stage, samples_of(judged, stage, looking.samples), running)
        if out is not None:
            attribution_folder.write(found, Path(out))
    return found


def _first(samples: Output, count: int, executor: Executor) -> Output:
    """Return the first `count` samples, or all if there are fewer."""
    (drawn,) = executor.run(samples.job)
    if drawn.result["verification"]["count"] <= count:
        return samples
    inputs = {"samples": samples}
    job = Job(
        f"taking the first {count} samples",
        "wire.subset",
        "first",
        Engine("dataset"),
        {"count": count},
        inputs=inputs,
    )
    return job.output("samples")
