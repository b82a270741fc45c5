"""This machine's own processor: its model, and the features that engines choose their kernels by."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from toolkit.environments import instructions

_CPUINFO = Path("/proc/cpuinfo")


def cpu() -> tuple[str, list[str]]:
    """Return the processor's model, and its features that engines choose their kernels by."""
    facts: dict[str, str] = {}
    try:
        for line in _CPUINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    except OSError:  # not Linux
        return platform.processor() or os.uname().machine, []
    has = set((facts.get("flags") or facts.get("Features") or "").split())
    model = facts.get("model name") or _named_by(facts.get("CPU part", "")) or os.uname().machine
    return model, instructions.choosing(has)


def _named_by(part: str) -> str | None:
    """Return the name of an Arm core by its number in /proc/cpuinfo; None for another processor's, or one that is not known."""
    from toolkit.launchers.emulation.processors import PROCESSORS

    return next((each.name for each in PROCESSORS.values() if part == f"0x{each.part:03x}"), None)
