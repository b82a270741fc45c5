"""The screen that a result is printed on: its width, whether it shows colours, and whether it shows all rows.

Texts have columns, separated by two or more spaces. They are then fitted to the width: a long line continues below, under the last column with enough
room. Nothing is cut. A command stays on one line, because half of it, pasted, would be a different command.
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
_LEAST_WIDTH = 40  # a narrower screen breaks the lines by itself
_TITLE_WIDTH = 96  # a title is at most this wide, even on a wider screen
_OUTCOME_WIDTH = 14  # of the longest outcome, and the space around it
_COLUMN = re.compile(r"(?<=\S) {2,}(?=\S)")
_COMMAND = re.compile(r"^ *(next: |fix: |hint: )?edge-toolkit ")
# Select Graphic Rendition (ECMA-48): bold, and green, red or yellow.
_COLOURS = {"PASSED": "1;32", "NOT PASSED": "1;31", "INCONCLUSIVE": "1;33", "NO VERDICT": "1;33"}


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen for a text: at most `width` columns (None: as many as it needs), with or without colour, with all rows or the most important ones."""

    width: int | None = None
    colour: bool = False
    whole: bool = True

    @classmethod
    def of(cls, stream: IO[str], *, whole: bool = False, environ: Mapping[str, str] | None = None) -> Screen:
        """Return the screen of a stream. A terminal has its own width; any other stream has the width of COLUMNS, else 80.

        A terminal shows colours unless NO_COLOR is set (no-color.org) or its name is dumb.
        """
        said = os.environ if environ is None else environ
        terminal = stream.isatty()
        columns = shutil.get_terminal_size((USUAL_WIDTH, 24)).columns if terminal else _columns(said)
        colour = terminal and not said.get("NO_COLOR") and said.get("TERM") != "dumb"
        return cls(max(columns, _LEAST_WIDTH), colour, whole)

    def fitted(self, text: Text) -> Text:
        """Return the text with lines no longer than the screen, as far as they can be broken between words."""
        if self.width is None:
            return text
        return Text("\n".join(part for line in text.split("\n") for part in self._parted(line)))

    def title(self, name: str, outcome: str) -> Text:
        """Return the first line of a report: its name, and the outcome at the right end, in colour if the screen shows colours."""
        width = _TITLE_WIDTH if self.width is None else min(self.width - _OUTCOME_WIDTH, _TITLE_WIDTH)
        said = printable.line(name)
        if self.width is not None and len(said) > width - 2:
            return printable.lines([said, printable.together(Text("  "), self.coloured(outcome))])
        return printable.together(printable.line(f"{said:<{width}}"), self.coloured(outcome))

    def coloured(self, outcome: str) -> Text:
        """Return an outcome (for example, PASSED) in its colour, if the screen shows colours."""
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
            initial_indent=" " * indent,  # a word that is too long stays after the indent
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
"""No screen: as wide as needed, without colour, with all rows."""


def _columns(environ: Mapping[str, str]) -> int:
    said = environ.get("COLUMNS", "")
    return int(said) if said.isascii() and said.isdigit() and 0 < len(said) < 6 else USUAL_WIDTH


def _plain(line: str) -> str:
    """Return a line without the colours of this module."""
    return re.sub(r"\x1b\[[\d;]*m", "", line)
