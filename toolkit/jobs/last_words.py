"""How a worker or a job ended, in words: its exit status, and the last lines that it printed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from toolkit import printable
from toolkit.errors import DamagedFile
from toolkit.files.foreign import open_plain
from toolkit.printable import Text

_LAST_WORDS = 12
_TAIL_BYTES = 8192  # of a log that are looked at


def ending(status: int) -> str:
    """Return `killed by SIGSEGV` or `exited with status 3` for an exit status as `subprocess` gives it."""
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return f"was killed by {name}" + (
            " (by the system for want of memory, or by hand)" if name == "SIGKILL" else ""
        )
    return f"exited with status {status}"


def last_lines(log: Path) -> Text | None:
    """Return the end of a log, for a hint, or None if there is nothing in it."""
    lines = [line.rstrip() for line in tail(log).splitlines()]
    lines = _without_tracebacks(line for line in lines if line and not line.startswith("Extension modules:"))
    fatal = [number for number, line in enumerate(lines) if line.startswith("Fatal Python error:")]
    # faulthandler prints the innermost call first: the line that called the engine.
    chosen = lines[fatal[-1] :][:_LAST_WORDS] if fatal else lines[-_LAST_WORDS:]
    return printable.lines(chosen[:1] + [f"        {line}" for line in chosen[1:]]) if chosen else None


def _without_tracebacks(lines: Iterable[str]) -> list[str]:
    """Return the lines without the frames of tracebacks, which stay in the log; the exceptions themselves are kept."""
    kept: list[str] = []
    inside = False
    for line in lines:
        inside = line.startswith("Traceback (most recent call last):") or (inside and line.startswith(" "))
        if not inside:
            kept.append(line)
    return kept


def tail(log: Path) -> str:
    """Return the last bytes of a log as text, nothing where there is no log."""
    try:
        with open_plain(log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode(errors="replace")
    except (OSError, DamagedFile):
        return ""
