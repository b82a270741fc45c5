"""What a result is printed on: how wide it is, whether it shows colours, and whether all rows are wanted.

Texts are laid out in columns that are parted by two spaces or more, and then fitted: a line that is too long goes on below, under the last column
that leaves it room. Nothing is cut, and a command stays on one line: half of it, pasted, would be another one.
"""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from toolkit import printable
from toolkit.printable import Text

USUAL_WIDTH = 80
_LEAST_WIDTH = 40  # a narrower one breaks the lines by itself
_TITLE_WIDTH = 96  # what a title is of has no more columns, however wide the screen
_OUTCOME_WIDTH = 14  # of the longest outcome, and what parts it from the end
_COLUMN = re.compile(r"(?<=\S) {2,}(?=\S)")
_COMMAND = re.compile(r"^ *(next: |fix: |hint: )?edge-toolkit ")
# Select Graphic Rendition (ECMA-48): bold, and green, red or yellow.
_COLOURS = {"PASSED": "1;32", "NOT PASSED": "1;31", "INCONCLUSIVE": "1;33", "NO VERDICT": "1;33"}


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a text is shown: at most `width` columns, None for as many as it needs; in colour or not; all rows, or those that matter most."""

    width: int | None = None
    colour: bool = False
    whole: bool = True

    @classmethod
    def of(cls, stream: IO[str], *, whole: bool = False, environ: Mapping[str, str] | None = None) -> Screen:
        """Return what a stream shows: a terminal its own width, everything else that of COLUMNS, else 80.

        A terminal shows colours, but not where NO_COLOR is set (no-color.org), nor if it is called dumb.
        """
        said = os.environ if environ is None else environ
        terminal = stream.isatty()
        columns = shutil.get_terminal_size((USUAL_WIDTH, 24)).columns if terminal else _columns(said)
        colour = terminal and not said.get("NO_COLOR") and said.get("TERM") != "dumb"
        return cls(max(columns, _LEAST_WIDTH), colour, whole)

    def fitted(self, text: Text) -> Text:
        """Return a text whose lines are no longer than the screen is wide, as far as words can be parted."""
        if self.width is None:
            return text
        return Text("\n".join(part for line in text.split("\n") for part in self._parted(line)))

    def title(self, name: str, outcome: str) -> Text:
        """Return the first line of a report: what it is of, and at its right end the outcome, in colour where there is any."""
        width = _TITLE_WIDTH if self.width is None else min(self.width - _OUTCOME_WIDTH, _TITLE_WIDTH)
        said = printable.line(name)
        if self.width is not None and len(said) > width - 2:
            return printable.lines([said, printable.together(Text("  "), self.coloured(outcome))])
        return printable.together(printable.line(f"{said:<{width}}"), self.coloured(outcome))

    def coloured(self, outcome: str) -> Text:
        """Return an outcome (PASSED, say) in its colour, where the screen has any."""
        said = printable.line(outcome)
        colour = _COLOURS.get(outcome)
        return Text(f"\x1b[{colour}m{said}\x1b[0m") if self.colour and colour else said

    def _parted(self, line: str) -> list[str]:
        if self.width is None or len(_plain(line)) <= self.width or _COMMAND.match(line):
            return [line]
        hang = max([0, *(match.end() for match in _COLUMN.finditer(line) if match.end() <= self.width // 2)])
        indent = len(line) - len(line.lstrip(" "))
        hang = hang or min(indent + 4, self.width // 2)
        parts = textwrap.wrap(
            line[indent:],
            self.width,
            initial_indent=" " * indent,  # a word that is too long stays behind it
            subsequent_indent=" " * hang,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
            expand_tabs=False,
        )
        return [
            parts[0],
            *(printable.line(part) for part in parts[1:]),
        ]  # what begins a line now may mean something there


PAGE = Screen()
"""No screen: as wide as needed, without colour, and all of it."""


def _columns(environ: Mapping[str, str]) -> int:
    said = environ.get("COLUMNS", "")
    return int(said) if said.isascii() and said.isdigit() and 0 < len(said) < 6 else USUAL_WIDTH


def _plain(line: str) -> str:
    """Return a line without our own colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", line)
