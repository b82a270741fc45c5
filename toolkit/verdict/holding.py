"""Findings about a file that hold only on some processors, worded for the processor that the file ran on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from toolkit.environments.instructions import NO_VNNI, UNKNOWN, X86
from toolkit.findings import OVERFLOWS_WITHOUT_VNNI, Finding


def said_where_it_ran(findings: Iterable[Finding], about: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield an artifact's findings, except those that do not hold on the last machine that ran it. `about` describes that machine.

    A finding about processors gets the class of the processor that the file was verified on.
    """
    for finding in findings:
        if finding.code != OVERFLOWS_WITHOUT_VNNI:
            yield finding
        elif about.get("machine", X86[0]) in X86:
            processor = about.get("processor", UNKNOWN)
            message = f"{finding.message}; verified on {processor}, {_shown_there(processor)}"
            yield replace(finding, message=message)


def _shown_there(processor: str) -> str:
    if UNKNOWN in processor:
        return "where it may or may not appear"
    return "where other inputs may still exceed them" if NO_VNNI in processor else "where it does not appear"
