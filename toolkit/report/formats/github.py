"""Workflow commands of GitHub Actions: lines on standard output that become annotations (`--report github=-`).

GitHub shows ten annotations of a level for each step. If there are more, the last one shown counts the rest.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from toolkit import printable
from toolkit.report.formats import Document, Subject
from toolkit.report.formats._documents import subjects

SUFFIX = ".txt"
_MOST = 10  # annotations of a level that GitHub shows for one step
_LEVELS = {"passed": "notice", "failed": "error", "inconclusive": "error", "error": "error"}
_COMMAND = re.compile(rb"::(error|warning|notice) (file=[^,]*,)?title=[^:]*::")
_Line = tuple[str, str, str, "str | None"]


def is_one(head: bytes) -> bool:
    """Return whether a file that begins with `head` holds only workflow commands, as far as `head` shows."""
    return all(_COMMAND.match(line) for line in head.splitlines())


def render(document: Document) -> str:
    """Return one line for each verdict, for each missed check, and for each finding; errors first."""
    about = subjects(document)
    lines: list[_Line] = [
        (_LEVELS[one.outcome], f"{one.name}: verdict", one.verdict.message, _file(one)) for one in about
    ]
    for one in about:
        for check in one.missed:
            text = check.message + (f" (limit because: {check.because})" if check.because else "")
            lines.append((_LEVELS[check.status], f"{one.name}: {check.group}", text, _file(one)))
        for note in one.notes:
            level = "warning" if note.severity == "warning" else "notice"
            lines.append((level, f"{one.name}: {note.code}", note.message, _file(one)))
    levels = ("error", "warning", "notice")
    shown = [_of_level(level, [line for line in lines if line[0] == level]) for level in levels]
    return "".join(f"{command}\n" for commands in shown for command in commands)


def _of_level(level: str, lines: list[_Line]) -> list[str]:
    if len(lines) > _MOST:
        beyond = len(lines) - _MOST + 1
        lines = [*lines[: _MOST - 1], (level, "more", f"and {beyond} more of this kind: see the report", None)]
    return [_command(*line) for line in lines]


def _command(level: str, title: str, text: str, file: str | None) -> str:
    where = "" if file is None else f"file={_property(file)},"
    return f"::{level} {where}title={_property(title)}::{_data(text)}"


def _file(subject: Subject) -> str | None:
    """Return the subject's file if it can be in the repository: a relative path that stays inside."""
    if subject.place is None:
        return None
    path = PurePosixPath(subject.place)
    return None if path.is_absolute() or ".." in path.parts else path.as_posix()


def _data(text: str) -> str:
    """Return a message, made printable and then escaped for a command (actions/toolkit, command.ts: escapeData)."""
    return printable.line(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    """Return a property's value, escaped for a command (actions/toolkit, command.ts: escapeProperty)."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
