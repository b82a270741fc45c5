"""The verb `sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli import completion
from toolkit.cli.common import Common
from toolkit.cli.handed import Handed
from toolkit.cli.help import OUTPUT, QUANTIZATION, SAMPLES
from toolkit.cli.option_groups import Allowed
from toolkit.cli.options import Calibration, Evaluation, LintLimits, OutputKinds, SourcePath, Targets, TaskMetrics
from toolkit.cli.reading import kinds_of
from toolkit.cli.verbs import app, verb

_Scheme = Annotated[
    list[str] | None,
    typer.Option(
        "--scheme",
        metavar="S",
        rich_help_panel=QUANTIZATION,
        autocompletion=completion.plugins("conversion/schemes"),
        help="A scheme to try, else all of the target's; may be given again.",
    ),
]
_Estimator = Annotated[
    list[str] | None,
    typer.Option(
        "--estimator",
        metavar="E",
        rich_help_panel=QUANTIZATION,
        autocompletion=completion.plugins("conversion/estimators"),
        help="A range estimator to try, else all of our own; may be given again.",
    ),
]
_Size = Annotated[
    list[int] | None,
    typer.Option(
        "--size",
        metavar="N",
        rich_help_panel=SAMPLES,
        help="So many calibration samples, else all of them; may be given again.",
    ),
]
_Quantizer = Annotated[
    str | None,
    typer.Option(
        "--quantizer",
        metavar="Q",
        rich_help_panel=QUANTIZATION,
        autocompletion=completion.plugins("conversion/quantizers"),
        help="This engine alone; ENGINE:VARIANT for a single one of its variants.",
    ),
]
_Conditions = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="C",
        rich_help_panel=OUTPUT,
        help="Show these rows alone, as 'drift>=20'; may be given again.",
    ),
]
_Sort = Annotated[
    str,
    typer.Option(
        "--sort",
        metavar="COLUMN",
        rich_help_panel=OUTPUT,
        autocompletion=completion.columns,
        help="The best of this column first.",
    ),
]
_Out = Annotated[
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
    scheme: _Scheme = None,
    estimator: _Estimator = None,
    size: _Size = None,
    quantizer: _Quantizer = None,
    conditions: _Conditions = None,
    sort: _Sort = "drift",
    out: _Out = None,
) -> int:
    """Quantization experiments in one table.

    Schemes, estimators, numbers of samples and targets are tried with each other.
    """
    from toolkit.experiments import table
    from toolkit.experiments.sweep import Asking, sweep
    from toolkit.experiments.sweep_rows import exit_status
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
