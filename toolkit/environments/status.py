"""The state of an environment or a launcher on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Status:
    """What `doctor` shows of one environment or launcher: `ready` means that it works now, without making anything.

    `problem` says why it does not, and `fix` is the command or the step that helps; both are None where it is ready.
    """

    kind: str
    name: str
    ready: bool
    about: str
    where: Path | None = None
    problem: str | None = None
    fix: str | None = None
