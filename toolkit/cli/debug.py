"""The verb `debug`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli import completion
from toolkit.cli.common import Common
from toolkit.cli.handed import Handed
from toolkit.cli.help import OUTPUT, QUANTIZATION, SAMPLES, VERDICT
from toolkit.cli.option_groups import Allowed
from toolkit.cli.options import Calibration, OneTarget, Source
from toolkit.cli.verbs import app, verb
from toolkit.errors import RequestError

if TYPE_CHECKING:
    from toolkit.pipeline.prepare import Samples
    from toolkit.source.original import Original
    from toolkit.verbs.debug import Looking

_Artifact = Annotated[
    Path,
    typer.Argument(metavar="ARTIFACT", help="A quantized .tflite file; with --stage, any .tflite or .onnx file."),
]
_Evaluation = Annotated[
    str | None,
    typer.Option(
        "--eval",
        metavar="SET",
        rich_help_panel=SAMPLES,
        help="Samples to run; else those of --calibration that do not calibrate.",
    ),
]
_Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        metavar="N",
        rich_help_panel=SAMPLES,
        help="Over so many samples; else 32, or with --stage 4.",
    ),
]
_Stage = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="STAGE",
        rich_help_panel=VERDICT,
        autocompletion=completion.failed_stages,
        help="Name the operator that diverges in this stage, or in the `guilty` one.",
    ),
]
_Suggest = Annotated[
    bool,
    typer.Option(
        "--suggest",
        rich_help_panel=QUANTIZATION,
        help="Try what to keep in float, and show what each step buys.",
    ),
]
_Out = Annotated[
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
    artifact: _Artifact,
    source: Source,
    target: OneTarget = "host",
    calibration: Calibration = None,
    evaluation: _Evaluation = None,
    samples: _Samples = None,
    stage: _Stage = None,
    suggest: _Suggest = False,
    out: _Out = None,
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
