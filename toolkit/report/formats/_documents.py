"""A JSON document -> one subject for each verdict in it. All formats share this reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast, get_args

from toolkit import printable
from toolkit.comparison.comparison import worst_text
from toolkit.comparison.wording import number_text
from toolkit.errors import RequestError
from toolkit.findings import Finding
from toolkit.report import size
from toolkit.report.formats import Check, Document, Note, Status, Subject

_SIGNS = {"lower": "<=", "higher": ">=", None: "="}


def subjects(document: Document) -> tuple[Subject, ...]:
    """Return one subject for each verdict in a document. Raise RequestError if the document is no report."""
    try:
        if "targets" in document:
            found = tuple(_subject(each) for each in document["targets"].values())
        else:
            found = (_subject(document),)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"the document is not a report of a build, a comparison or a gate ({type(error).__name__}: {error})"
        raise RequestError(f"{problem}; expected a report.json, or what --json prints") from error
    if not found:
        raise RequestError("the document is a report without a target; expected one about at least one target")
    return found


def _subject(document: Document) -> Subject:
    if "error" in document:
        return _of_error(document)
    if "rows" in document:
        return _of_gate(document)
    if "reference" in document:
        return _of_runs(document)
    return _of_verdict(document)


def _of_error(document: Document) -> Subject:
    error = document["error"]
    name = str(document["target"]) if "target" in document else "edge-toolkit"
    told = printable.set_in("\n".join(str(error[key]) for key in ("problem", "hint") if error[key]))
    check = Check("verdict", str(error["kind"]), str(error["kind"]), "error", told)
    problem = str(error["problem"]).partition("\n")[0]
    return Subject(name, "build", "error", problem, (check,), of=str(document.get("source", {}).get("path", "")))


def _of_verdict(document: Document) -> Subject:
    """Return the subject of a build's report, or of runs judged again; the latter have no sizes and no findings."""
    facts: dict[str, str] = {}
    if "artifact" in document:
        artifact, source = document["artifact"], document["source"]
        facts = {
            "source": str(source["path"]),
            "artifact": str(artifact["path"]),
            "sha256": str(artifact["sha256"]),
            "scheme": str(artifact["scheme"]),
            "size": size(artifact["size_bytes"]),
            "samples": str(document["samples"]["verification"]),
            **{name: str(version) for name, version in document["tools"].items()},
        }
        about = f"{Path(facts['source']).name}, {facts['scheme']}, {facts['size']}, {facts['samples']} samples"
    else:
        about = f"{document['bundle']} by {document['bounds']}"
    confined = {str(run["confined"]) for run in document.get("runs", {}).values() if "confined" in run}
    if confined and facts:
        facts["confined"] = "; ".join(sorted(confined))
    checks = [_of_comparison(each) for each in document["comparisons"]]
    for name, spent in document["budget"].items() if "budget" in document else ():
        status, said = _spent_status(spent), f"{spent['spent']}, budget {spent['limit']}"
        if "interval" in spent:
            low, high = map(float, spent["interval"])
            said = f"{spent['spent']:.4g} [{low:.4g}, {high:.4g}], budget {spent['limit']:g}"
        checks.append(Check("budget", name, f"budget.{name}", status, f"{name} is {said}"))
    broken, notes = _of_findings(document.get("findings", ()))
    if document.get("wanted"):
        notes = (Note("wanted", "warning", str(document["wanted"]["text"])), *notes)
        about += f"; wanted {document['wanted']['scheme']}"
    if document.get("next"):
        facts["next"] = str(document["next"]["command"])
    if document["guilty_stage"]:
        about += f"; guilty stage: {document['guilty_stage']}"
    seconds = float(document["seconds"]["total"]) if "seconds" in document else 0.0
    place = facts["source"] if facts else None
    name, said = str(document["target"]), _status(document["verdict"])
    of = str(document["source"]["path"] if facts else document["bundle"])
    return Subject(name, "build", said, about, (*checks, *broken), notes, place, seconds, facts, of)


def _spent_status(spent: Document) -> Status:
    """Return the status of a budget; "inconclusive" if its limit lies in the interval of what was measured."""
    if spent["passed"] is True:
        return "passed"
    low, high = map(float, spent["interval"]) if "interval" in spent else (spent["spent"], spent["spent"])
    return "inconclusive" if low <= spent["limit"] < high else "failed"


def _of_runs(document: Document) -> Subject:
    pair = f"{document['reference']} against {document['candidate']}, {document['samples']} samples"
    checks = [
        Check("compare", name, "mismatch", "failed", f"{name}: {text}") for name, text in document["mismatches"].items()
    ]
    if document["comparisons"] is not None:
        checks += [_of_comparison(each) for each in document["comparisons"]]
    elif document["measurements"] and not checks:
        outputs = sorted({str(each["output"]) for each in document["measurements"]})
        checks.append(
            Check("compare", "outputs", "outputs", "inconclusive", f"measured: {', '.join(outputs)}; no bounds given")
        )
    if document.get("lacking"):
        text = f"{document['lacking']} of the reference's samples are missing in the candidate"
        checks.append(Check("compare", "samples", "samples", "failed", text))
    notes = tuple(Note("outputs", "warning", str(each)) for each in document["findings"])
    undecided = any(check.status == "inconclusive" for check in checks) and not any(
        check.status == "failed" for check in checks
    )
    said: Status = "passed" if document["passed"] is True else "inconclusive" if undecided else "failed"
    place = str(document["candidate"])
    return Subject("compare", "compare", said, pair, tuple(checks), notes, place, of=place)


def _of_gate(document: Document) -> Subject:
    """Return a gate's result. A row that does not decide (for example, a suspicious improvement) is a note."""
    checks, notes = [], []
    for row in document["rows"]:
        what, code = str(row["what"]), f"gate.{_code(row['what'])}"
        text = f"{what}: {_short(row['before'])} before, {_short(row['now'])} now"
        if row["limit"] is not None:
            text += f", limit {_SIGNS[row['better']]} {_short(row['limit'])}"
        text += f"; {row['detail']}" if row["detail"] else ""
        if row["status"] == "noticed":
            notes.append(Note(code, "warning", f"{text}; {row['because']}"))
        else:
            allowed = row["status"] == "allowed"
            status = "passed" if allowed else _status(row["status"])
            checks.append(
                Check("gate", what, code, status, text + (" (allowed)" if allowed else ""), str(row["because"]))
            )
    place = str(document["baseline"])
    about = f"{document['bundle']} against {place}"
    said = _status(document["outcome"])
    return Subject(str(document["target"]), "gate", said, about, tuple(checks), tuple(notes), place, of=place)


def _of_comparison(held: Document) -> Check:
    unit = str(held["unit"])
    sign = "<=" if held["better"] == "lower" else ">="
    limit = f"{sign} {number_text(float(held['limit']), unit)}"
    parts = [f"{held['metric']} of {held['output']} is {number_text(float(held['value']), unit)}, limit {limit}"]
    if held["interval"] is not None:
        low, high = held["interval"]
        parts.append(f"interval {float(low):.4f} to {float(high):.4f}")
    if held["worst_sample"] is not None and held["status"] != "passed":
        parts.append(worst_text(held["worst_sample"], held["samples"], held.get("worst_sample_name")))
    if held["samples_needed"]:
        parts.append(f"about {held['samples_needed']} samples would settle it")
    parts += [str(held["detail"])] if held["detail"] else []
    name, code = f"{held['output']} {held['metric']}", f"{held['stage']}.{held['metric']}"
    status = _status(held["status"])
    return Check(str(held["stage"]), name, code, status, "; ".join(parts), str(held["because"]))


def _of_findings(found: Iterable[Document]) -> tuple[list[Check], tuple[Note, ...]]:
    """Return two parts: the findings that are errors, which decide, as checks, and the others as notes."""
    checks, notes = [], []
    for each in map(Finding.from_json, found):
        code, message = str(each.code), str(each.message)
        if each.severity in ("warning", "info"):
            notes.append(Note(code, each.severity, message))
        else:
            status: Status = "inconclusive" if each.severity == "inconclusive" else "failed"
            checks.append(Check("findings", code, code, status, message))
    return checks, tuple(notes)


def _status(text: str) -> Status:
    if text not in get_args(Status):
        raise ValueError(f"{text!r} is not an outcome")
    return cast(Status, text)


def _short(value: float | str | None) -> str:
    """Return a value of a gate's row as text. A missing value is named as missing."""
    if value is None:
        return "nothing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _code(text: str) -> str:
    """Return the subject of a row as one word without numbers, so that it is the same in every release."""
    letters = "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in text.lower())
    return "-".join(part for part in letters.split("-") if part) or "row"


def numbered(checks: Iterable[Check]) -> Iterator[tuple[str, Check]]:
    """Yield checks with names that are unique in their group."""
    seen: dict[tuple[str, str], int] = {}
    for check in checks:
        key = (check.group, check.name)
        seen[key] = seen.get(key, 0) + 1
        yield (check.name if seen[key] == 1 else f"{check.name} ({seen[key]})"), check
