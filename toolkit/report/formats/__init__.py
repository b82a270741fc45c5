"""Reports for CI programs, one file for each format. Each format shows the same facts of one JSON document.

A document is the output of `--json`, or a report.json: the report of a build (of one target, or of all targets of a command), runs that were judged
again, two saved runs, a gate's result, or an error. A format is a module with

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
    """One thing that was judged. `group` is its stage or another group. `code` is the same in every report for this kind of thing."""

    group: str
    name: str
    code: str
    status: Status
    message: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A finding that does not affect the verdict."""

    code: str
    severity: Literal["warning", "info"]
    message: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of one verdict: a target of a build, or a gate. `said` is the outcome in the document, `place` the file of the subject.

    `of` distinguishes subjects with the same name. It is the path of the model, of a gate's baseline, or of the candidate of saved runs; "" if it
    is unknown.
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
        """Return the outcome in the document, but "failed" if it says "passed" and has no checks, or a check that is not passed."""
        if self.said != "passed" or (self.checks and all(check.status == "passed" for check in self.checks)):
            return self.said
        return "failed"

    @property
    def verdict(self) -> Check:
        """Return the verdict itself as a check, so that at least one check is not passed if the verdict is not."""
        return Check("verdict", "verdict", "verdict", self.outcome, f"{self.name}: {WORDS[self.outcome]}, {self.about}")

    @property
    def missed(self) -> tuple[Check, ...]:
        """The checks that are not passed."""
        return tuple(check for check in self.checks if check.status != "passed")


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A report that was requested: its format, and its path; None is standard output."""

    format: str
    path: Path | None


def asked(texts: Iterable[str], *, printed: bool = False) -> tuple[ReportRequest, ...]:
    """Return the requests of `--report FORMAT=FILE` texts. Raise RequestError for a malformed or repeated one, UnknownName for an unknown format.

    `printed` is whether standard output is already used (--json). Then FILE cannot be "-".
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
    """Raise RequestError if a report could not be written. Call it before any work."""
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
    """Return the kind of a format's files: only files that this program wrote."""
    from toolkit.files.outputs import FileKind

    return FileKind(f"a report of this program ({name})", registry.load("report/formats", name).is_one)


def render(name: str, document: Document) -> str:
    """Return a document in the format of that name. Characters that UTF-8 cannot encode (for example, in a file name) become "?"."""
    render: Callable[[Document], str] = registry.load("report/formats", name).render
    return render(document).encode("utf-8", "replace").decode()
