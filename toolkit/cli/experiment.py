"""Experiments on quantization, and what they are made with: sweep, debug, calibration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli import completion
from toolkit.cli.handed import Handed
from toolkit.cli.help import MODEL, OUTPUT, QUANTIZATION, SAMPLES, VERDICT
from toolkit.cli.option_groups import Allowed, Common, Printed
from toolkit.cli.options import (
    Calibration,
    Evaluation,
    LintLimits,
    OneTarget,
    OutputKinds,
    Source,
    SourcePath,
    Targets,
    TaskMetrics,
)
from toolkit.cli.reading import kinds_of
from toolkit.cli.verbs import app, calibrations, verb
from toolkit.errors import RequestError

if TYPE_CHECKING:
    from toolkit.pipeline.prepare import Samples
    from toolkit.source.original import Original
    from toolkit.verbs.debug import Looking


_SweepScheme = Annotated[
    list[str] | None,
    typer.Option(
        "--scheme",
        metavar="S",
        rich_help_panel=QUANTIZATION,
        autocompletion=completion.plugins("conversion/schemes"),
        help="A scheme to try, else all of the target's; may be given again.",
    ),
]
_SweepEstimator = Annotated[
    list[str] | None,
    typer.Option(
        "--estimator",
        metavar="E",
        rich_help_panel=QUANTIZATION,
        autocompletion=completion.plugins("conversion/estimators"),
        help="A range estimator to try, else all of our own; may be given again.",
    ),
]
_SweepSize = Annotated[
    list[int] | None,
    typer.Option(
        "--size",
        metavar="N",
        rich_help_panel=SAMPLES,
        help="So many calibration samples, else all of them; may be given again.",
    ),
]
_SweepQuantizer = Annotated[
    str | None,
    typer.Option(
        "--quantizer",
        metavar="Q",
        rich_help_panel=QUANTIZATION,
        autocompletion=completion.plugins("conversion/quantizers"),
        help="This engine alone.",
    ),
]
_SweepConditions = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="C",
        rich_help_panel=OUTPUT,
        help="Show these rows alone, as 'drift>=20'; may be given again.",
    ),
]
_SweepSort = Annotated[
    str,
    typer.Option(
        "--sort",
        metavar="COLUMN",
        rich_help_panel=OUTPUT,
        autocompletion=completion.columns,
        help="The best of this column first.",
    ),
]
_SweepOut = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        rich_help_panel=OUTPUT,
        help="Where to write sweep.json, .csv, .png and .svg.",
    ),
]


@verb(
    app,
    "sweep",
    "sweep model.keras -t host --calibration photos.toml",
    "sweep model/ -t host --calibration set.npz --size 10 --size 100",
    "sweep model/ -t host --calibration s.npz --filter 'drift>=20'",
)
def sweep(
    common: Common,
    handed: Handed,
    allowed: Allowed,
    source: SourcePath,
    target: Targets,
    calibration: Calibration = None,
    evaluation: Evaluation = None,
    limits: LintLimits = None,
    task_metric: TaskMetrics = None,
    output_kind: OutputKinds = None,
    scheme: _SweepScheme = None,
    estimator: _SweepEstimator = None,
    size: _SweepSize = None,
    quantizer: _SweepQuantizer = None,
    conditions: _SweepConditions = None,
    sort: _SweepSort = "drift",
    out: _SweepOut = None,
) -> int:
    """Quantization experiments in one table.

    Schemes, estimators, numbers of samples and targets are tried with each other.
    """
    from toolkit.experiments import table
    from toolkit.experiments.sweep import Asking, exit_status, sweep
    from toolkit.files.outputs import require_files
    from toolkit.pipeline.prepare import Samples
    from toolkit.profiles import recipe

    asking = Asking(
        tuple(scheme or ()),
        tuple(recipe.estimator(text) for text in estimator or ()),
        tuple(size or ()),
        recipe.Asked(quantizer=quantizer),
    )
    table.sorted_by([], sort)
    table.filtered([], conditions or ())
    if out is not None:
        require_files(table.outputs_in(out), (source, calibration, evaluation, limits))
    with common.executor(allowed) as executor:
        metrics, kinds = tuple(task_metric or ()), kinds_of(output_kind)
        samples = Samples(calibration, evaluation, limits, task_metrics=metrics, output_kinds=kinds)
        rows = sweep(handed(source), target, samples, asking, executor=executor)
        shown = table.sorted_by(table.filtered(rows, conditions or ()), sort)
        if out is not None:
            table.write(shown, out, source.name, executor)
    common.show(
        {"rows": [row.to_json() for row in shown]},
        lambda: table.text(shown, hidden=len(rows) - len(shown), screen=common.screen),
    )
    return exit_status(rows)


_DebugArtifact = Annotated[
    Path,
    typer.Argument(metavar="ARTIFACT", help="A quantized .tflite file; with --stage, any .tflite or .onnx file."),
]
_DebugEvaluation = Annotated[
    str | None,
    typer.Option(
        "--eval",
        metavar="SET",
        rich_help_panel=SAMPLES,
        help="Samples to run; else those of --calibration that do not calibrate.",
    ),
]
_DebugSamples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        metavar="N",
        rich_help_panel=SAMPLES,
        help="Over so many samples; else 32, or with --stage 4.",
    ),
]
_DebugStage = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="STAGE",
        rich_help_panel=VERDICT,
        autocompletion=completion.failed_stages,
        help="Name the operator that diverges in this stage, or in the `guilty` one.",
    ),
]
_DebugSuggest = Annotated[
    bool,
    typer.Option(
        "--suggest",
        rich_help_panel=QUANTIZATION,
        help="Try what to keep in float, and show what each step buys.",
    ),
]
_DebugOut = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        rich_help_panel=OUTPUT,
        help="Where to write tables, plots and node data.",
    ),
]


@verb(
    app,
    "debug",
    "debug model.tflite --source model.keras --calibration photos.toml",
    "debug model.tflite --source model/ --calibration s.npz --suggest",
    "debug model.tflite --source model/ --eval s.npz --stage guilty",
)
def debug(
    common: Common,
    handed: Handed,
    allowed: Allowed,
    artifact: _DebugArtifact,
    source: Source,
    target: OneTarget = "host",
    calibration: Calibration = None,
    evaluation: _DebugEvaluation = None,
    samples: _DebugSamples = None,
    stage: _DebugStage = None,
    suggest: _DebugSuggest = False,
    out: _DebugOut = None,
) -> int:
    """Tell which layers drift, and what to keep in float.

    Each layer of a quantized artifact is held against the float one. With --stage, the operator that made a stage fail is named.
    """
    from toolkit.diagnosis import layer_drift
    from toolkit.files.outputs import require_files
    from toolkit.pipeline.prepare import Samples
    from toolkit.verbs.debug import Looking, debug

    sets = Samples(calibration, evaluation)
    if stage is not None:
        if suggest:
            raise RequestError("debug --stage: names an operator, and takes no --suggest")
        return _locate(
            common,
            allowed,
            artifact,
            handed(source),
            sets,
            Looking(target, 4 if samples is None else samples),
            (stage, out),
        )
    looking = Looking(target, 32 if samples is None else samples, suggest)
    if out is not None:
        require_files(layer_drift.outputs_in(out), (artifact, source, calibration, evaluation))
    with common.executor(allowed) as executor:
        found = debug(artifact, handed(source), sets, looking, executor=executor)
        if out is not None:
            layer_drift.write(found.drift, out, artifact.name, executor)
    common.show(found.to_json(), found.text)
    return 0


def _locate(
    common: Common,
    allowed: Allowed,
    artifact: Path,
    original: Original,
    sets: Samples,
    looking: Looking,
    asked: tuple[str, Path | None],
) -> int:
    from toolkit.verbs.debug import locate

    stage, out = asked
    place = None if out is None else out / "attribution"
    with common.executor(allowed) as executor:
        found = locate(
            artifact, original, sets, looking, None if stage == "guilty" else stage, out=place, executor=executor
        )
    common.show(found.to_json(), found.text)
    return 0


@verb(
    calibrations,
    "lint",
    "calibration lint photos.toml --source model.keras",
    "calibration lint set.npz --source model/ --limits lint.toml",
)
def calibration_lint(
    common: Common,
    handed: Handed,
    allowed: Allowed,
    calibration: Annotated[
        str, typer.Argument(metavar="SET", help="A recipe, an .npz, a folder of images, or module:function.")
    ],
    source: Annotated[
        Path,
        typer.Option("--source", metavar="SOURCE", rich_help_panel=MODEL, help="The model that it is for."),
    ],
    evaluation: Annotated[
        str | None,
        typer.Option(
            "--eval",
            metavar="SET",
            rich_help_panel=SAMPLES,
            help="Samples to verify with, of which the set should hold none; else those of SET that do not calibrate.",
        ),
    ] = None,
    limits: LintLimits = None,
) -> int:
    """Look for mistakes in a calibration set.

    Exit status 1 where one would stop a build.
    """
    from toolkit import report
    from toolkit.pipeline.prepare import Samples
    from toolkit.samples import lint_job
    from toolkit.verbs.lint import lint

    with common.executor(allowed) as executor:
        found = lint(handed(source), Samples(calibration, evaluation, limits), executor=executor)
    common.show({"findings": [dict(finding) for finding in found]}, lambda: report.findings_text(calibration, found))
    return int(any(finding["severity"] == lint_job.SEVERE for finding in found))


@verb(calibrations, "show", "calibration show photos.toml")
def calibration_show(
    common: Printed,
    calibration: Annotated[
        str, typer.Argument(metavar="SET", help="A recipe, an .npz, a folder of images, or module:function.")
    ],
) -> int:
    """Show what a set declares, and the files that it is read from."""
    from toolkit import report
    from toolkit.samples import dataset

    asked = dataset.recipe(calibration)
    held = {**asked.request(), "files": {key: str(path) for key, path in asked.files().items()}}
    common.show(held, lambda: report.nested_text(held))
    return 0
