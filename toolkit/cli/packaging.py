"""From a model to a bundle, and the single steps of it: build, convert, run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.options import (
    Allowed,
    ArtifactPath,
    Calibration,
    CalibrationSets,
    Common,
    EvaluationSets,
    Handed,
    LintLimits,
    OneTarget,
    Out,
    OutputKinds,
    Quantized,
    ReferenceDevice,
    Reported,
    Scheme,
    SourcePath,
    StopEarly,
    Targets,
    TaskMetrics,
    kinds_of,
    sets_of,
)
from toolkit.cli.verbs import app, verb
from toolkit.errors import RequestError


@verb(app, "build")
def build(
    common: Common,
    handed: Handed,
    quantized: Quantized,
    allowed: Allowed,
    reported: Reported,
    source: SourcePath,
    target: Targets,
    calibration: CalibrationSets = None,
    evaluation: EvaluationSets = None,
    limits: LintLimits = None,
    task_metric: TaskMetrics = None,
    output_kind: OutputKinds = None,
    scheme: Scheme = None,
    stop_early: StopEarly = False,
    reference_device: ReferenceDevice = "cpu",
    out: Out = Path("dist"),
) -> int:
    """From a saved model to a verified bundle, for one target or several."""
    from toolkit import report
    from toolkit.api import build
    from toolkit.opening import Samples

    reported.require_outside(out, target)
    original = handed(source, reference_device, ("signature", "shape"))
    sets = sets_of("--calibration", calibration), sets_of("--eval", evaluation)
    metrics, kinds = tuple(task_metric or ()), kinds_of(output_kind)
    samples = Samples(*sets, limits, stop_early=stop_early, task_metrics=metrics, output_kinds=kinds)
    with common.executor(allowed) as executor:
        outcomes = build(original, target, samples, out, scheme=quantized(scheme), executor=executor)
    document = report.outcomes_json(outcomes)
    common.show(document, lambda: report.outcomes_text(outcomes))
    reported(document)
    return report.exit_status(outcomes)


@verb(app, "convert")
def convert(
    common: Common,
    handed: Handed,
    quantized: Quantized,
    allowed: Allowed,
    source: SourcePath,
    scheme: Annotated[str, typer.Option("--scheme", metavar="S", help="The quantization scheme.")] = "float32",
    calibration: Calibration = None,
    inputs_dtype: Annotated[str, typer.Option("--inputs-dtype", help="float32, int8 or uint8.")] = "float32",
    outputs_dtype: Annotated[str, typer.Option("--outputs-dtype", help="float32, int8 or uint8.")] = "float32",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The file to write; else model.tflite, if none is there."),
    ] = None,
) -> int:
    """Convert and quantize, without a verdict."""
    from toolkit import report
    from toolkit.api import convert
    from toolkit.conversion import format_of
    from toolkit.opening import Samples
    from toolkit.recipe import Recipe

    recipe = quantized(scheme).of(Recipe(scheme, inputs=inputs_dtype, outputs=outputs_dtype))
    out = _unsaid("model.tflite") if out is None else out
    artifact_format = format_of(out)
    with common.executor(allowed) as executor:
        artifact = convert(
            handed(source, several=("shape",)),
            recipe,
            Samples(calibration),
            out,
            artifact_format=artifact_format,
            executor=executor,
        )
    common.show(report.artifact_json(artifact), lambda: report.artifact_text(artifact))
    return 0


def _unsaid(name: str) -> Path:
    """Return where to write what nobody named; RequestError where a file is there already, which may be somebody's model."""
    if os.path.lexists(name):
        raise RequestError(f"{name}: is there already; --out {name} would replace it, another name would not")
    return Path(name)


@verb(app, "run")
def run(
    common: Common,
    allowed: Allowed,
    artifact: ArtifactPath,
    target: OneTarget,
    samples: Annotated[
        str, typer.Option("--samples", metavar="SET", help="A recipe, an .npz, a folder of images, or module:function.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The .npz, or .safetensors, to write the outputs to.")
    ] = Path("outputs.npz"),
    trust: Annotated[bool, typer.Option("--trust", help="Let it run where nothing confines it.")] = False,
) -> int:
    """Run an artifact over samples, on a target's runtime."""
    from toolkit import report
    from toolkit.api import run

    with common.executor(allowed) as executor:
        ran = run(artifact, target, samples, out, trust=trust, executor=executor)
    common.show(report.run_json(ran, out), lambda: report.run_text(ran, out))
    return 0
