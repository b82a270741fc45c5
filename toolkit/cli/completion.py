"""Shell completion of more than verbs, options and files: the names of targets, schemes, estimators, metrics and the like.

Each function returns the names that begin with the typed text, for typer's `autocompletion`. No module is imported until a shell asks. The typed text
may be a path or a module of the user's own: if a function returns nothing, the shell completes files.
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
    """The program: a shell's request, `--install-completion` and `--show-completion` end with one of the toolkit's exit statuses.

    For an unknown shell typer ends with 1, and only a verdict may give 1.
    """

    def _main_shell_completion(self, *args: Any, **said: Any) -> None:
        try:
            super()._main_shell_completion(*args, **said)
        except SystemExit as ended:
            raise Ended(_status(ended.code)) from None

    def make_context(self, *args: Any, **said: Any) -> Any:
        """Read the options of the program; both completion options act during this."""
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
    """Return the completion of a plugin folder's names; `after` follows each name, as the `=` of `junit=`."""

    def complete(incomplete: str) -> list[str]:
        from toolkit import registry

        return _beginning(incomplete, (name + after for name in registry.names(folder)))

    return complete


def among(*names: str) -> Completion:
    """Return the completion of these words."""

    def complete(incomplete: str) -> list[str]:
        return _beginning(incomplete, names)

    return complete


def targets(incomplete: str) -> list[str]:
    """Return the names of targets."""
    from toolkit import profiles

    return _beginning(incomplete, profiles.names())


def environments(incomplete: str) -> list[str]:
    """Return the names that `setup` takes."""
    from toolkit import launchers

    return _beginning(incomplete, launchers.setup_names())


def stages(incomplete: str) -> list[str]:
    """Return the stages that bounds can have."""
    from typing import get_args

    from toolkit.comparison.bounds import Stage

    return _beginning(incomplete, get_args(Stage))


def failed_stages(incomplete: str) -> list[str]:
    """Return the stages, and `guilty`, the stage that a verdict names."""
    return [*stages(incomplete), *_beginning(incomplete, ["guilty"])]


def columns(incomplete: str) -> list[str]:
    """Return the columns of a sweep."""
    from toolkit.experiments import table

    return _beginning(incomplete, table.COLUMNS)


def dtypes(incomplete: str) -> list[str]:
    """Return the dtypes that inputs and outputs can have with some scheme."""
    from toolkit import registry

    return _beginning(incomplete, registry.union("conversion/schemes", "INPUT_DTYPES"))


def output_kinds(incomplete: str) -> list[str]:
    """Return the kinds after a typed `NAME=`; nothing without it, because only the model knows its outputs."""
    from toolkit.comparison import output_kinds

    name, sign, _ = incomplete.partition("=")
    return _beginning(incomplete, (f"{name}={kind}" for kind in output_kinds.names())) if sign else []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
