"""What `-h` shows of a verb: its arguments, its options in groups, and examples, in at most 80 columns.

It is plain text of typer's own formatter, for rich would cost more than all else that `--help` imports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from toolkit.cli.values import read_plainly

TARGET, MODEL, SAMPLES, QUANTIZATION, VERDICT, OUTPUT, RUN = GROUPS = (
    "Target", "Model", "Samples", "Quantization", "Verdict", "Output", "Run",
)  # fmt: skip
"""The groups of options, in the order in which they are shown; an option names its own as `rich_help_panel`."""

OTHERS = "Options"
"""Where an option is shown that names none, as `--help`."""

HELP = {"help_option_names": ["--help", "-h"]}
"""Settings of the context by which every verb has both."""


def one_of(names: Sequence[str]) -> str:
    """Return names as a choice in words, as "a, b or c"."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


class Group(TyperGroup):
    """A word that verbs come after."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, and the option of the help, none of which needs an adapter of pydantic."""
        return read_plainly(super().get_params(ctx))


class Command(TyperCommand):
    """A verb: its epilog holds examples, one a line, which are shown as they are written.

    Contexts and formatters are those of the click inside typer, which has no public name for them.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, and the option of the help, none of which needs an adapter of pydantic."""
        return read_plainly(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what the line of usage holds after the verb, as `[OPTIONS] MODEL [NAME]...`; never the types of Python."""
        return ["[OPTIONS]", *(_usage(each) for each in self.get_params(ctx) if _is_argument(each))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group that has any options."""
        params: list[Any] = list(self.get_params(ctx))
        _write(formatter, "Arguments", [(_shown(each), each.help or "") for each in params if _is_argument(each)])
        options = [each for each in params if not _is_argument(each) and not each.hidden]
        for group in (*GROUPS, OTHERS):
            rows = [each.get_help_record(ctx) for each in options if (each.rich_help_panel or OTHERS) == group]
            _write(formatter, group, [row for row in rows if row is not None])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (typer calls it so)
        """Write the examples, each on a line of its own."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}\n")


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _shown(argument: Any) -> str:
    return f"{argument.display_name_raw}{'' if argument.nargs == 1 else '...'}"


def _usage(argument: Any) -> str:
    if argument.required:
        return _shown(argument)
    return f"[{argument.display_name_raw}]{'' if argument.nargs == 1 else '...'}"


def _write(formatter: Any, heading: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(heading):
            formatter.write_dl(rows)
