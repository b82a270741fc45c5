"""Types of single options and arguments that verbs share; each names its group in the help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli import completion
from toolkit.cli.help import MODEL, OUTPUT, QUANTIZATION, RUN, SAMPLES, TARGET, VERDICT

_SET = "A recipe, an .npz, a folder of images, or module:function"
_LEFT = "Samples to verify with; else those of --calibration that do not calibrate."
_AGAIN = "may be given again"

SourcePath = Annotated[
    Path,
    typer.Argument(metavar="SOURCE", help="A SavedModel, a Keras file, a checkpoint, a Saver's files, a frozen graph."),
]
Source = Annotated[Path, typer.Option("--source", metavar="SOURCE", rich_help_panel=MODEL, help="The original model.")]
ArtifactPath = Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A .tflite or .onnx file.")]
Targets = Annotated[
    list[str],
    typer.Option(
        "--target", "-t",
        metavar="T",
        rich_help_panel=TARGET,
        autocompletion=completion.targets,
        help=f"A profile's name or path; {_AGAIN}.",
    ),
]  # fmt: skip
OneTarget = Annotated[
    str,
    typer.Option(
        "--target", "-t",
        metavar="T",
        rich_help_panel=TARGET,
        autocompletion=completion.targets,
        help="A profile's name or path.",
    ),
]  # fmt: skip
Calibration = Annotated[
    str | None, typer.Option("--calibration", metavar="SET", rich_help_panel=SAMPLES, help=f"{_SET}.")
]
# If several signatures or sizes are verified, each may have its own sets; `sets_of` reads them.
CalibrationSets = Annotated[
    list[str] | None,
    typer.Option(
        "--calibration",
        metavar="SET",
        rich_help_panel=SAMPLES,
        help=f"{_SET}; NAME=SET for one of several signatures.",
    ),
]
Evaluation = Annotated[str | None, typer.Option("--eval", metavar="SET", rich_help_panel=SAMPLES, help=_LEFT)]
EvaluationSets = Annotated[
    list[str] | None,
    typer.Option(
        "--eval", metavar="SET", rich_help_panel=SAMPLES, help=f"{_LEFT} NAME=SET for one signature, or one size."
    ),
]
LintLimits = Annotated[
    Path | None,
    typer.Option(
        "--limits",
        metavar="FILE",
        rich_help_panel=SAMPLES,
        help="TOML: by what a calibration set is found wrong, and what you accept.",
    ),
]
Bounds = Annotated[
    Path | None,
    typer.Option(
        "--bounds",
        metavar="FILE",
        rich_help_panel=VERDICT,
        help="Bounds to judge by: a profile, or [[bounds]] alone.",
    ),
]
TaskMetrics = Annotated[
    list[str] | None,
    typer.Option(
        "--task-metric",
        metavar="M",
        rich_help_panel=VERDICT,
        autocompletion=completion.plugins("comparison/task_metrics"),
        help=f"Score outputs against the labels by this, as top_k_accuracy:k=5, or your module:function; {_AGAIN}.",
    ),
]
OutputKinds = Annotated[
    list[str] | None,
    typer.Option(
        "--output-kind",
        metavar="NAME=KIND",
        rich_help_panel=MODEL,
        autocompletion=completion.output_kinds,
        help=f"What an output is, as logits=class_scores, where that is not seen from the model; {_AGAIN}.",
    ),
]
Scheme = Annotated[
    str | None,
    typer.Option(
        "--scheme",
        metavar="S",
        rich_help_panel=QUANTIZATION,
        autocompletion=completion.plugins("conversion/schemes"),
        help="This scheme, instead of the target's order of preference.",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", rich_help_panel=OUTPUT, help="Where to write.")]
StopEarly = Annotated[
    bool,
    typer.Option(
        "--stop-early",
        rich_help_panel=RUN,
        help="An emulated device runs no more samples once its verdict is certain.",
    ),
]
ReferenceDevice = Annotated[
    str,
    typer.Option(
        "--reference-device",
        metavar="cpu|gpu",
        rich_help_panel=RUN,
        autocompletion=completion.among("cpu", "gpu"),
        help="What the original itself runs on.",
    ),
]
