"""The verbs of calibration sets: `calibration lint` and `calibration show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.common import Common, Printed
from toolkit.cli.handed import Handed
from toolkit.cli.help import MODEL, SAMPLES
from toolkit.cli.option_groups import Allowed
from toolkit.cli.options import LintLimits
from toolkit.cli.verbs import calibrations, verb


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

    Exit status 1 where one would stop a build, or keep it from passing.
    """
    from toolkit import report
    from toolkit.pipeline.prepare import Samples
    from toolkit.verbs.lint import lint

    with common.executor(allowed) as executor:
        found = lint(handed(source), Samples(calibration, evaluation, limits), executor=executor)
    common.show(
        {"findings": [finding.to_json() for finding in found]}, lambda: report.findings_text(calibration, found)
    )
    return int(any(finding.is_grave for finding in found))


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
