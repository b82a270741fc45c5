"""The help of a verb (`-h`): its arguments, its options in groups, and examples, in at most 80 columns.

It is plain text from typer's own formatter, because rich would take longer to import than all the rest of `--help`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from toolkit.cli.values import read_plainly

if TYPE_CHECKING:  # the click inside typer, which has no public name
    from typer._click.core import Context, Parameter
    from typer._click.formatting import HelpFormatter

TARGET, MODEL, SAMPLES, QUANTIZATION, VERDICT, OUTPUT, RUN = GROUPS = (
    "Target", "Model", "Samples", "Quantization", "Verdict", "Output", "Run",
)  # fmt: skip
"""The groups of options, in the order of the help; an option names its group as `rich_help_panel`."""

OTHERS = "Options"
"""The group of an option that names none, such as `--help`."""

HELP = {"help_option_names": ["--help", "-h"]}
"""Settings of the context that give every verb both flags."""


def one_of(names: Sequence[str]) -> str:
    """Return names as a choice in words: "a, b or c"."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


class Group(TyperGroup):
    """A word before verbs, as `targets` in `targets list`."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return all parameters and the help option; none of them needs an adapter of pydantic."""
        return read_plainly(super().get_params(ctx))


class Command(TyperCommand):
    """A verb: its epilog holds examples, one a line, which are shown unchanged."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return all parameters and the help option; none of them needs an adapter of pydantic."""
        return read_plainly(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """Return the words of the usage line after the verb, as `[OPTIONS] MODEL [NAME]...`; never Python's types."""
        return ["[OPTIONS]", *(_usage(each) for each in self.get_params(ctx) if isinstance(each, TyperArgument))]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the arguments, then each group that has options."""
        params = self.get_params(ctx)
        arguments = [each for each in params if isinstance(each, TyperArgument)]
        _write(formatter, "Arguments", [(_shown(each), each.help or "") for each in arguments])
        options = [each for each in params if isinstance(each, TyperOption) and not each.hidden]
        for group in (*GROUPS, OTHERS):
            rows = [each.get_help_record(ctx) for each in options if (each.rich_help_panel or OTHERS) == group]
            _write(formatter, group, [row for row in rows if row is not None])

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 (typer calls it so)
        """Write the examples, one a line."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}\n")


def _shown(argument: TyperArgument) -> str:
    return f"{argument.display_name_raw}{'' if argument.nargs == 1 else '...'}"


def _usage(argument: TyperArgument) -> str:
    if argument.required:
        return _shown(argument)
    return f"[{argument.display_name_raw}]{'' if argument.nargs == 1 else '...'}"


def _write(formatter: HelpFormatter, heading: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(heading):
            formatter.write_dl(rows)
