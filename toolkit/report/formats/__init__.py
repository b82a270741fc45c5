"""Reports for the programs that people's CI consists of, one format a file. Each shows the same facts of one JSON document.

A document is what `--json` prints, or a report.json: the report of a build (of one target, or of all of a command), runs that were judged again, two
saved runs, a gate's result, or the error that came instead. A format is a module with

    SUFFIX    what its files usually end with, as ".xml"
    is_one(head: bytes) -> bool     whether a file that begins so is such a report of ours
    render(document) -> text
              RequestError for a document that is none of these. Whoever reads the text finds it failed wherever the document is not passed:
              also where it is inconclusive, has an error in place of a verdict, or says that it passed and holds nothing that did

Texts in a document may come from a model's file (names of outputs, messages of engines); a format escapes them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from toolkit import registry
from toolkit.errors import RequestError, UnknownName

if TYPE_CHECKING:
    from toolkit.files.outputs import FileKind

Document = Mapping[str, Any]
Status = Literal["passed", "failed", "inconclusive", "error"]
WORDS: Mapping[Status, str] = {
    "passed": "PASSED",
    "failed": "NOT PASSED",
    "inconclusive": "INCONCLUSIVE",
    "error": "NO VERDICT",
}
STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was judged: `group` is the stage, or what else it belongs to; `code` is the same in every report about such a thing."""

    group: str
    name: str
    code: str
    status: Status
    message: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A finding that decides nothing."""

    code: str
    severity: Literal["warning", "info"]
    message: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What one verdict is about: a target of a build, or a gate. `said` is what the document says of it, `place` the file that it is about.

    `of` tells it from others of its name: the path of the model, of a gate that of the baseline, of saved runs that of the candidate; "" where nobody
    knows it.
    """

    name: str
    kind: str
    said: Status
    about: str
    checks: tuple[Check, ...]
    notes: tuple[Note, ...] = ()
    place: str | None = None
    seconds: float = 0.0
    facts: Mapping[str, str] = field(default_factory=dict)
    of: str = ""

    @property
    def outcome(self) -> Status:
        """Return what the document says, and "failed" where it says "passed" and holds no check, or one that is not passed."""
        if self.said != "passed" or (self.checks and all(check.status == "passed" for check in self.checks)):
            return self.said
        return "failed"

    @property
    def verdict(self) -> Check:
        """Return the verdict itself as a check, so that something is not passed wherever it is not."""
        return Check("verdict", "verdict", "verdict", self.outcome, f"{self.name}: {WORDS[self.outcome]}, {self.about}")

    @property
    def missed(self) -> tuple[Check, ...]:
        """The checks that are not passed."""
        return tuple(check for check in self.checks if check.status != "passed")


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A report that was requested: in which format, and where it goes; None is standard output."""

    format: str
    path: Path | None


def asked(texts: Iterable[str], *, printed: bool = False) -> tuple[ReportRequest, ...]:
    """Return what `--report FORMAT=FILE` says; RequestError for what cannot be meant, UnknownName for a format that is not there.

    `printed` is whether standard output has its document already (--json), so that FILE cannot be "-".
    """
    found = []
    for text in texts:
        name, sign, place = text.partition("=")
        if not (name and sign and place):
            raise RequestError(f"--report {text!r}: expected FORMAT=FILE, as in --report junit=verdict.xml")
        if name not in registry.names("report/formats"):
            raise UnknownName("--report", name, registry.names("report/formats"))
        if place == STANDARD_OUTPUT and printed:
            raise RequestError(f"--report {text}: --json has standard output; give a file, or one of the two")
        printed = printed or place == STANDARD_OUTPUT
        found.append(ReportRequest(name, None if place == STANDARD_OUTPUT else Path(place)))
    twice = [one.path for one in found if one.path is not None and [each.path for each in found].count(one.path) > 1]
    if twice:
        raise RequestError(f"--report: {twice[0]} is given twice; give a file for each report")
    return tuple(found)


def require_writable(reports: Sequence[ReportRequest]) -> None:
    """Raise RequestError where a report could not be written, before anything was done."""
    from toolkit.files import outputs

    kinds = [(report.path, _kind(report.format)) for report in reports if report.path is not None]
    outputs.require_files([outputs.OutputPath(path, kind.refusal) for path, kind in kinds])


def write(document: Document, reports: Sequence[ReportRequest]) -> None:
    """Write a document in every format that was requested, each file whole or not at all."""
    from toolkit.files import outputs

    for report in reports:
        text = render(report.format, document)
        if report.path is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            outputs.write_text(text, report.path, _kind(report.format))


def _kind(name: str) -> FileKind:
    """Return the kind of files of a format, those alone that this program wrote."""
    from toolkit.files.outputs import FileKind

    return FileKind(f"a report of this program ({name})", registry.load("report/formats", name).is_one)


def render(name: str, document: Document) -> str:
    """Return a document in the format of that name; what is no text in UTF-8 (a file's name, say) has "?" in its place."""
    render: Callable[[Document], str] = registry.load("report/formats", name).render
    return render(document).encode("utf-8", "replace").decode()
