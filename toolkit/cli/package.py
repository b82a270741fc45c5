"""The verbs from a model to a bundle, and for single steps: build, convert, run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli import completion
from toolkit.cli.common import Common, Detailed
from toolkit.cli.handed import HandedSeveral, HandedSizes
from toolkit.cli.help import OUTPUT, QUANTIZATION, RUN, SAMPLES
from toolkit.cli.option_groups import Allowed, Quantized, Timed
from toolkit.cli.options import (
    ArtifactPath,
    Calibration,
    CalibrationSets,
    EvaluationSets,
    LintLimits,
    OneTarget,
    Out,
    OutputKinds,
    ReferenceDevice,
    Scheme,
    SourcePath,
    StopEarly,
    Targets,
    TaskMetrics,
)
from toolkit.cli.reading import kinds_of, sets_of
from toolkit.cli.reported import Reported
from toolkit.cli.verbs import app, verb


@verb(
    app,
    "build",
    "build model.keras -t raspberry-pi-4 --calibration photos.toml",
    "build model/ -t host -t android-arm64 --calibration set.npz",
    "build weights.h5 -t host --calibration s.npz --builder net.py:new",
)
def build(
    common: Common,
    handed: HandedSeveral,
    quantized: Quantized,
    allowed: Allowed,
    timed: Timed,
    reported: Reported,
    detailed: Detailed,
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
    """Convert, quantize and verify a model; write a bundle.

    For each target one, with all that its verdict rests on.
    """
    from toolkit import report
    from toolkit.pipeline.prepare import Samples
    from toolkit.verbs.build import build

    reported.require_outside(out, target)
    original = handed(source, reference_device)
    sets = sets_of("--calibration", calibration), sets_of("--eval", evaluation)
    metrics, kinds = tuple(task_metric or ()), kinds_of(output_kind)
    samples = Samples(*sets, limits, stop_early=stop_early, task_metrics=metrics, output_kinds=kinds)
    with common.executor(allowed) as executor:
        outcomes = build(
            original, target, samples, out, scheme=quantized(scheme), timing=timed.request, executor=executor
        )
    document = report.outcomes_json(outcomes, source)
    common.show(document, lambda: report.outcomes_text(outcomes, detailed.screen))
    reported(document)
    return report.exit_status(outcomes)


@verb(
    app,
    "convert",
    "convert model.keras --out model.tflite",
    "convert model/ --scheme static_wi8_ai8 --calibration set.npz",
)
def convert(
    common: Common,
    handed: HandedSizes,
    quantized: Quantized,
    allowed: Allowed,
    source: SourcePath,
    scheme: Annotated[
        str,
        typer.Option(
            "--scheme",
            metavar="S",
            rich_help_panel=QUANTIZATION,
            autocompletion=completion.plugins("conversion/schemes"),
            help="The quantization scheme.",
        ),
    ] = "float32",
    calibration: Calibration = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="The file to write; else model.tflite, if none is there.",
        ),
    ] = None,
) -> int:
    """Convert and quantize, without a verdict."""
    from toolkit import report
    from toolkit.pipeline.prepare import Samples
    from toolkit.profiles.recipe import Recipe
    from toolkit.verbs.convert import convert

    recipe = quantized(scheme).of(Recipe(scheme))
    with common.executor(allowed) as executor:
        artifact = convert(
            handed(source),
            recipe,
            Samples(calibration),
            out,
            executor=executor,
        )
    common.show(report.artifact_json(artifact), lambda: report.artifact_text(artifact))
    return 0


@verb(
    app,
    "run",
    "run model.tflite -t raspberry-pi-4 --samples set.npz",
    "run model.tflite -t host --samples photos/ --out outputs.npz",
    "run model.tflite -t my-board.toml --samples set.npz --latency",
)
def run(
    common: Common,
    allowed: Allowed,
    timed: Timed,
    artifact: ArtifactPath,
    target: OneTarget,
    samples: Annotated[
        str,
        typer.Option(
            "--samples",
            metavar="SET",
            rich_help_panel=SAMPLES,
            help="A recipe, an .npz, a folder of images, or module:function.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="The .npz, or .safetensors, to write the outputs to.",
        ),
    ] = Path("outputs.npz"),
    trust: Annotated[
        bool, typer.Option("--trust", rich_help_panel=RUN, help="Let it run where nothing confines it.")
    ] = False,
) -> int:
    """Run an artifact over samples, on a target's runtime."""
    from toolkit import report
    from toolkit.verbs.run import run

    with common.executor(allowed) as executor:
        ran = run(artifact, target, samples, out, trust=trust, timing=timed.request, executor=executor)
    common.show(report.run_json(ran, out), lambda: report.run_text(ran, out))
    return 0
