"""JUnit XML, which most CI shows as a table of tests: a suite for each verdict, a test for each bound, budget and finding, and one for the verdict.

It fits the strictest schema, that of Ant's JUnit reports (JUnit.xsd of Windy Road Technology, 2011), and so also fits the less strict ones. An
inconclusive check is a failure of type "inconclusive". An error in place of a verdict is an error.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from xml.etree import ElementTree as ET

from toolkit import printable
from toolkit.report.formats import Check, Document, Subject
from toolkit.report.formats._documents import numbered, subjects

SUFFIX = ".xml"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2 (Char)


def is_one(head: bytes) -> bool:
    """Return whether a file that begins with `head` is a JUnit report of this program: its first suite names the package."""
    suite = head.partition(b"<testsuite ")[2].partition(b">")[0]
    return head.startswith(b"<?xml") and b'package="edge-toolkit"' in suite


def render(document: Document) -> str:
    """Return the document as JUnit XML, UTF-8. Its time is the time of rendering, because a document has none."""
    root = ET.Element("testsuites")
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    for number, subject in enumerate(subjects(document)):
        root.append(_suite(subject, number, now))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(subject: Subject, number: int, now: str) -> ET.Element:
    checks = (*subject.checks, subject.verdict)
    errors = sum(check.status == "error" for check in checks)
    missed = sum(check.status in ("failed", "inconclusive") for check in checks)
    seconds = f"{subject.seconds:.3f}"
    attributes = {
        "package": "edge-toolkit",
        "id": str(number),
        "name": _clean(f"{subject.kind} {subject.name}"),
        "timestamp": now,
        "hostname": "localhost",
        "tests": str(len(checks)),
        "failures": str(missed),
        "errors": str(errors),
        "skipped": "0",
        "time": seconds,
    }
    suite = ET.Element("testsuite", attributes)
    properties = ET.SubElement(suite, "properties")
    for name, value in subject.facts.items():
        ET.SubElement(properties, "property", name=_clean(name), value=_clean(value))
    for name, check in numbered(checks):
        time = seconds if check.group == "verdict" else "0"
        suite.append(_case(f"edge-toolkit.{subject.name}.{check.group}", name, time, check))
    ET.SubElement(suite, "system-out").text = _clean(printable.lines(check.message for check in checks))
    notes = printable.lines(f"{note.severity}: {note.message} [{note.code}]" for note in subject.notes)
    ET.SubElement(suite, "system-err").text = _clean(notes)
    return suite


def _case(group: str, name: str, time: str, check: Check) -> ET.Element:
    case = ET.Element("testcase", classname=_clean(group), name=_clean(name), time=time)
    if check.status != "passed":
        kind = "error" if check.status == "error" else "failure"
        told = ET.SubElement(case, kind, message=_clean(check.message.partition("\n")[0]), type=check.status)
        because = [f"limit because: {check.because}"] if check.because else []
        told.text = _clean(printable.lines([check.message, *because]))
    return case


def _clean(text: str) -> str:
    """Return the text made printable, because many CI programs print it. Other characters that XML does not allow become U+FFFD."""
    return _NO_XML.sub("\ufffd", printable.line(text))
