"""What a shell completes beside verbs, options and files: the names of targets, schemes, estimators, metrics and the like.

Each function returns all that begins with what was typed, for typer's `autocompletion`. Nothing is imported until a shell asks. What is typed
may be no name, but a path or a module of the user's own: where nothing is returned, the shell goes on with files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import typer

from toolkit.cli.help import Group
from toolkit.cli.process import OUTSIDE, WRONG_REQUEST, Ended

Completion = Callable[[str], list[str]]


class Root(Group):
    """The program: what a shell asks, and what `--install-completion` and `--show-completion` do, ends with a status of ours.

    typer ends with 1 for a shell that it does not know, and 1 is a verdict's alone.
    """

    def _main_shell_completion(self, *args: Any, **said: Any) -> None:
        try:
            super()._main_shell_completion(*args, **said)
        except SystemExit as ended:
            raise Ended(_status(ended.code)) from None

    def make_context(self, *args: Any, **said: Any) -> Any:
        """Read the options of the program; both options of completion act while they are read."""
        try:
            return super().make_context(*args, **said)
        except typer.Exit as ended:
            raise typer.Exit(_status(ended.exit_code)) from None
        except OSError as error:
            print(f"edge-toolkit: {error.filename}: {error.strerror}; completion was not installed", file=sys.stderr)
            raise Ended(OUTSIDE) from None
        except SystemExit as ended:
            raise Ended(_status(ended.code)) from None


def _status(code: str | int | None) -> int:
    return WRONG_REQUEST if code else 0


def plugins(folder: str, *, after: str = "") -> Completion:
    """Return what completes the names of a plugin folder; `after` follows each, as the `=` of `junit=`."""

    def complete(incomplete: str) -> list[str]:
        from toolkit import registry

        return _beginning(incomplete, (name + after for name in registry.names(folder)))

    return complete


def among(*names: str) -> Completion:
    """Return what completes one of these words."""

    def complete(incomplete: str) -> list[str]:
        return _beginning(incomplete, names)

    return complete


def targets(incomplete: str) -> list[str]:
    """Return the targets that can be named."""
    from toolkit import profiles

    return _beginning(incomplete, profiles.names())


def environments(incomplete: str) -> list[str]:
    """Return what `setup` makes."""
    from toolkit import launchers

    return _beginning(incomplete, launchers.setup_names())


def stages(incomplete: str) -> list[str]:
    """Return the stages that bounds are for."""
    from typing import get_args

    from toolkit.comparison.bounds import Stage

    return _beginning(incomplete, get_args(Stage))


def failed_stages(incomplete: str) -> list[str]:
    """Return the stages, and `guilty`, which is the one that a verdict names."""
    return [*stages(incomplete), *_beginning(incomplete, ["guilty"])]


def columns(incomplete: str) -> list[str]:
    """Return the columns of a sweep."""
    from toolkit.experiments import table

    return _beginning(incomplete, table.COLUMNS)


def dtypes(incomplete: str) -> list[str]:
    """Return the dtypes that inputs and outputs of some scheme can have."""
    from toolkit import registry

    return _beginning(incomplete, registry.union("conversion/schemes", "INPUT_DTYPES"))


def output_kinds(incomplete: str) -> list[str]:
    """Return the kinds, after the `NAME=` that was typed; nothing before there is one, for only the model knows its outputs."""
    from toolkit.comparison import output_kinds

    name, sign, _ = incomplete.partition("=")
    return _beginning(incomplete, (f"{name}={kind}" for kind in output_kinds.names())) if sign else []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
