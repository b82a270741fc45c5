"""Markdown for a comment on a pull request: one line for each verdict and missed check, the rest folded; never longer than a comment may be.

It begins with a hidden mark. With it, a script finds its earlier comment and edits it instead of writing another.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit import printable
from toolkit.report.formats import WORDS, Check, Document, Status, Subject
from toolkit.report.formats._documents import subjects

SUFFIX = ".md"
MARK = "<!-- edge-toolkit -->"
LONGEST = 65_536  # characters of a comment on GitHub
_SIGNS: dict[Status, str] = {"passed": "✅", "failed": "❌", "inconclusive": "❔", "error": "💥"}
_WORST_FIRST: tuple[Status, ...] = ("error", "failed", "inconclusive", "passed")
_CELL = 300
_ROWS = (None, 100, 30, 10, 3, 0)  # how many rows of each kind, tried in order until the text fits; None is all


def is_one(head: bytes) -> bool:
    """Return whether a file that begins with `head` is a Markdown report of this program."""
    return head.startswith(MARK.encode())


def render(document: Document) -> str:
    """Return the document as Markdown of at most 65,536 characters. It says so if something was left out."""
    about = subjects(document)
    for most in _ROWS:
        text = "\n".join(_lines(about, most)) + "\n"
        if len(text) <= LONGEST:
            return text
    last = "\nThis is not all: the comment would be too long. The report files hold the rest.\n"
    kept = text[: LONGEST - len(last)]
    return kept[: kept.rindex("\n") + 1] + last


def _lines(about: Sequence[Subject], most: int | None) -> list[str]:
    outcomes = {one.outcome for one in about}
    worst = next(status for status in _WORST_FIRST if status in outcomes)
    lines = [MARK, f"### {_SIGNS[worst]} edge-toolkit: {WORDS[worst]}", "", "| | | |", "|---|---|---|"]
    for one in about:
        said = WORDS[one.outcome].lower()
        lines.append(f"| {_SIGNS[one.outcome]} {said} | {_text(one.kind)} **{_text(one.name)}** | {_text(one.about)} |")
    for one in about:
        lines += _missed(one, most)
    for one in about:
        lines += _folded(one, most)
    return lines


def _missed(subject: Subject, most: int | None) -> list[str]:
    shown = subject.missed[:most]
    lines = [
        f"- {_SIGNS[check.status]} **{_text(subject.name)}** {_text(check.group)}: {_text(check.message)}"
        + (f" (limit because: {_text(check.because)})" if check.because else "")
        for check in shown
    ]
    return ["", *lines, *_more(len(subject.missed) - len(shown))] if subject.missed else []


def _folded(subject: Subject, most: int | None) -> list[str]:
    if most == 0:
        return []
    by_need = sorted(subject.checks, key=lambda check: check.status == "passed")
    checks, notes = by_need[:most], subject.notes[:most]
    title = f"{printable.inside_html(subject.name, _CELL)}: {len(subject.checks)} checks, {len(subject.notes)} findings beside them"
    lines = ["", f"<details><summary>{title}</summary>", "", "| | | | |", "|---|---|---|---|"]
    lines += [_row(check) for check in checks]
    lines += ["", *_more(len(by_need) - len(checks))]
    lines += [f"- {note.severity}: {_text(note.message)} ({_text(note.code)})" for note in notes]
    lines += _more(len(subject.notes) - len(notes))
    lines += ["", *(f"- {_text(name)}: {_text(value)}" for name, value in subject.facts.items())]
    return [*lines, "", "</details>"]


def _row(check: Check) -> str:
    return f"| {_SIGNS[check.status]} | {_text(check.group)} | {_text(check.message)} | {_text(check.because)} |"


def _more(count: int) -> list[str]:
    return [f"- and {count} more"] if count > 0 else []


def _text(text: str) -> str:
    """Return a text on one line, cut if it is long, escaped so that nothing in it is Markdown, HTML, a mention or a reference."""
    return printable.markdown(text, _CELL)
