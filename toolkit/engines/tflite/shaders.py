"""Where Mesa's drivers keep compiled shaders. Each function works before the driver is loaded: docs.mesa3d.org/envvars.html, "Core Mesa"."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

_TASKS = Path("/proc/self/task")
_WRITER = "disk$"  # in the names of the threads that write: Mesa, util/disk_cache.c
_LOOK_EVERY_S = 0.05
_QUIET_LOOKS = 20
_MOST_S = 60.0


def keep_in(folder: Path) -> None:
    """Have the driver look for compiled shaders in a folder, and write there what it compiles."""
    os.environ["MESA_SHADER_CACHE_DIR"] = str(folder)
    os.environ["MESA_DISK_CACHE_SINGLE_FILE"] = "1"  # three files, where there would be hundreds


def read_from(folder: Path) -> None:
    """Have the driver look in a copy of a folder, in this job's own temporary folder: the driver also writes, and to a job's inputs nobody does."""
    copy = Path(tempfile.gettempdir()) / "compiled"
    if not copy.exists():  # a model is loaded again for each sequence
        shutil.copytree(folder, copy)
    keep_in(copy)


def wait_until_kept(folder: Path) -> None:
    """Wait until the driver has written what it compiled: it writes in a thread of the lowest priority, and drops what is left when a process ends.

    What is missing nevertheless is compiled again by each run.
    """
    quiet, size, until = 0, -1, time.monotonic() + _MOST_S
    while quiet < _QUIET_LOOKS and time.monotonic() < until:
        now = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        quiet, size = (0 if now != size or _is_writing() else quiet + 1), now
        time.sleep(_LOOK_EVERY_S)


def _is_writing() -> bool:
    """Return whether a thread that writes has work to do: without any it sleeps."""
    states = []
    for task in _TASKS.iterdir():
        try:
            _, _, after = (task / "stat").read_text().partition("(")
        except OSError:  # it ended meanwhile
            continue
        name, _, fields = after.rpartition(")")
        states += [fields.split()[0]] if _WRITER in name else []
    return any(state != "S" for state in states)
