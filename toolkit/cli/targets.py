"""The verbs of hardware profiles: list, show and check them, begin one, and probe what a runtime can run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit import printable
from toolkit.cli import completion
from toolkit.cli.common import Common, Printed
from toolkit.cli.help import OUTPUT, TARGET
from toolkit.cli.option_groups import Allowed
from toolkit.cli.verbs import targets, verb


@verb(targets, "list", "targets list")
def targets_list(common: Printed) -> int:
    """List the profiles that --target knows, and how each is verified."""
    from toolkit import profiles, report

    found = [profiles.find(name) for name in profiles.names()]
    common.show([report.target_json(profile) for profile in found], lambda: report.targets_text(found))
    return 0


@verb(targets, "show", "targets show raspberry-pi-4")
def targets_show(
    common: Printed,
    name: Annotated[
        str,
        typer.Argument(metavar="TARGET", autocompletion=completion.targets, help="A profile's name or path."),
    ],
) -> int:
    """Show the whole of a profile.

    Of each value, where it comes from; how it is verified; of its bounds, which decide, and which are hidden by which.
    """
    from toolkit import profiles, report

    profile = profiles.find(name)
    common.show(report.profile_json(profile), lambda: report.profile_text(profile, profiles.provenance(name)))
    return 0


@verb(targets, "check", "targets check targets/*.toml")
def targets_check(
    common: Printed, paths: Annotated[list[Path], typer.Argument(metavar="FILE", help="Profiles.")]
) -> int:
    """Check profiles; all mistakes at once."""
    from toolkit import profiles

    for path in paths:
        profiles.check(path)
    common.show({"checked": [str(path) for path in paths]}, lambda: printable.lines(f"{path}: ok" for path in paths))
    return 0


@verb(targets, "new", "targets new my-board --like raspberry-pi-4")
def targets_new(
    common: Printed,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new target's name, which its file has too.")],
    like: Annotated[
        str,
        typer.Option(
            "--like",
            metavar="T",
            rich_help_panel=TARGET,
            autocompletion=completion.targets,
            help="The target that it extends: a profile's name or path.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Where to write the profile; else targets/NAME.toml.",
        ),
    ] = None,
) -> int:
    """Begin a target of your own.

    The profile extends another one, and is valid at once; what you may change is in it as comments, with the inherited
    values. No file is overwritten.
    """
    from toolkit.profiles.new_profile import write_new

    path = write_new(name, like, out)
    common.show(
        {"written": str(path), "name": name, "extends": like},
        lambda: printable.lines(
            [
                f"{path}: written; change it, then",
                *(f"  edge-toolkit targets {each} {path}" for each in ("check", "show")),
            ]
        ),
    )
    return 0


@verb(targets, "probe", "targets probe raspberry-pi-4", "targets probe tflite_runtime==2.14.0 --out table.json")
def targets_probe(
    common: Common,
    allowed: Allowed,
    what: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            autocompletion=completion.targets,
            help="A target, or a runtime, as litert or litert==2.1.0.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Where to write the table; else capabilities/NAME-VERSION.json.",
        ),
    ] = None,
) -> int:
    """Ask a runtime which operators it can run.

    Each version of each operator, and each combination of dtypes, in a model of that operator alone; builds look the answers up.
    """
    from toolkit.report import capabilities
    from toolkit.verbs.probe import probe

    with common.executor(allowed) as executor:
        made = probe(what, out, executor=executor)
    common.show(capabilities.probing_json(made), lambda: capabilities.probing_text(made))
    return 0
