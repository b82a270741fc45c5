"""SARIF 2.1.0 (OASIS, 2020), for code scanning: a run for each verdict, a result for each missed check and each finding.

Each run has its own category, named after its model and its target. A passed check gives no result, so an alert closes when its cause is gone.
A result's fingerprint holds no number, so an alert stays the same one as long as it is about the same bound. If only the verdict itself is not
passed, the verdict is the result.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from toolkit import __version__, printable
from toolkit.report.formats import Check, Document, Note, Subject
from toolkit.report.formats._documents import subjects

SUFFIX = ".sarif"
_VERSION = "2.1.0"
_BEGINS = re.compile(
    rb'\s*\{\s*"version": "2\.1\.0",\s*"runs": \[\s*\{\s*"tool": \{\s*"driver": \{\s*"name": "edge-toolkit"'
)
_LEVELS = {"failed": "error", "inconclusive": "error", "error": "error", "warning": "warning", "info": "note"}


def is_one(head: bytes) -> bool:
    """Return whether a file that begins with `head` is a SARIF report of this program: the driver of its first run is this program."""
    return _BEGINS.match(head) is not None


def render(document: Document) -> str:
    """Return the document as SARIF."""
    log = {"version": _VERSION, "runs": [_run(one) for one in subjects(document)]}
    return json.dumps(log, indent=2, allow_nan=False) + "\n"


def _run(subject: Subject) -> dict[str, Any]:
    missed = subject.missed or ((subject.verdict,) if subject.outcome != "passed" else ())
    told: list[Check | Note] = [*missed, *subject.notes]
    rules = list(dict.fromkeys(one.code for one in told))
    driver = {"name": "edge-toolkit", "version": __version__, "rules": [_rule(code, told) for code in rules]}
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": _id(subject)},
        "invocations": [{"executionSuccessful": subject.outcome != "error"}],
        "results": [_result(subject, one, rules) for one in told],
        "columnKind": "unicodeCodePoints",
    }


def _id(subject: Subject) -> str:
    """Return the category of a run; it ends with a slash. A later upload in the same category closes its alerts, so each model has its own."""
    parts = ("edge-toolkit", subject.kind, *([subject.of] if subject.of else []), subject.name)
    return "".join(f"{quote(part, safe='', errors='replace')}/" for part in parts)


def _rule(code: str, told: Iterable[Check | Note]) -> dict[str, Any]:
    """Return a rule, described by its first result."""
    first = next(one for one in told if one.code == code)
    because = first.because if isinstance(first, Check) else ""
    rule: dict[str, Any] = {"id": code, "shortDescription": {"text": code}}
    return rule | ({"fullDescription": {"text": because}} if because else {})


def _result(subject: Subject, one: Check | Note, rules: list[str]) -> dict[str, Any]:
    level = _LEVELS[one.status if isinstance(one, Check) else one.severity]
    same = "\0".join([subject.kind, subject.of, subject.name, one.code, one.name if isinstance(one, Check) else ""])
    result: dict[str, Any] = {
        "ruleId": one.code,
        "ruleIndex": rules.index(one.code),
        "level": level,
        "message": {"text": _text(f"{subject.name}: ", one.message)},
        "partialFingerprints": {"edgeToolkitCheck/v1": hashlib.sha256(same.encode("utf-8", "replace")).hexdigest()},
    }
    if subject.place is not None:
        where = {"artifactLocation": {"uri": _uri(subject.place)}, "region": {"startLine": 1}}
        result["locations"] = [{"physicalLocation": where}]
    return result


def _text(*parts: str) -> str:
    """Return a plain text message, escaped so that nothing in it is an embedded link (SARIF 3.11.6)."""
    return re.sub(r"([\\\[\]])", r"\\\1", text) if "](" in (text := printable.together(*parts)) else text


def _uri(path: str) -> str:
    """Return a path as a URI (RFC 3986). A relative path becomes a relative reference, so that it is looked up in the repository."""
    text = quote(PurePosixPath(path).as_posix(), errors="replace")
    return f"file://{text}" if text.startswith("/") else text
