"""Make one artifact of a model, by one scheme, without a verdict."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from toolkit.conversion.artifacts import Artifact, Conversions, artifact_of, format_of, kind_of_artifact
from toolkit.errors import EdgeToolkitError, LimitReached, RequestError
from toolkit.files import outputs
from toolkit.jobs.executor import Executor
from toolkit.pipeline import declared_shapes, unsupported_dtypes
from toolkit.pipeline.prepare import Samples, Sets, draw, executing, open_model
from toolkit.profiles.recipe import Recipe
from toolkit.source import source
from toolkit.source.original import Original
from toolkit.verbs.arguments import Place, inputs_of, original_of, samples_from


def convert(
    original: Original | Place,
    scheme: str | Recipe,
    samples: Samples | None = None,
    out: Place | None = None,
    *,
    calibration: Sets = None,
    artifact_format: str | None = None,
    executor: Executor | None = None,
) -> Artifact:
    """Convert a model by one scheme, write the artifact to the file `out` and return it; nothing is judged.

    The default of `out` is model.tflite, which must not exist yet. The default of `artifact_format` follows from the suffix of `out`. `samples`
    replace `calibration`.

    The artifact is the first of the scheme's variants that can be made, because no verdict compares them. Of several declared sizes, the first is
    used for calibration.
    """
    original, samples = original_of(original), samples_from(samples, calibration, None)
    out = _unsaid("model.tflite") if out is None else Path(out)
    artifact_format = format_of(out) if artifact_format is None else artifact_format
    recipe = Recipe(scheme) if isinstance(scheme, str) else scheme
    variants = recipe.variants(artifact_format)
    kind = kind_of_artifact(artifact_format)
    outputs.require_files([outputs.OutputPath(out, kind.refusal)], inputs_of(original, samples))
    samples.require_readable([recipe], judges=False)
    with executing(executor, original) as running:
        opened = open_model(declared_shapes.first_of(original), running)
        unsupported_dtypes.refuse_arithmetic(opened, [artifact_format])
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


def _unsaid(name: str) -> Path:
    """Return the path for an artifact without a given one; RequestError if the file exists, because it may be a model of the user's."""
    if os.path.lexists(name):
        raise RequestError(f"{name}: exists already; give --out {name} to replace it, or another name")
    return Path(name)


def _conversions(opened: source.Source, samples: Samples, recipe: Recipe, executor: Executor) -> Conversions:
    """Return a model's conversions with the samples that calibrate in `build`, or with all samples if none would be left to judge."""
    from toolkit.samples import dataset

    calibration, _ = samples.of(opened.key)
    if calibration is None and not recipe.is_calibrated:
        return Conversions(source.canonical_job(opened, None).output("saved_model"), None)
    model = draw(opened, samples, [recipe])
    (drawn,) = executor.outcomes([model.samples])
    if drawn.error is None or calibration is None:
        return model.conversions
    alone = dataset.calibration_job(calibration, opened.signature).output("calibration")
    canonical = source.canonical_job(opened, alone).output("saved_model")
    return Conversions(canonical, alone, model.histograms, model.conversions.sizes)
