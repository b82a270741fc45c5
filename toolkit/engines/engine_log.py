"""What an engine's own code prints on file descriptor 2: some engines say there, and nowhere else, what went wrong."""

from __future__ import annotations

import os
import stat
import tempfile


class EngineLog:
    """Reads what is printed on file descriptor 2 from now on. In a worker it is the job's log; anything but a file is replaced by a temporary one."""

    def __init__(self) -> None:
        if not stat.S_ISREG(os.fstat(2).st_mode):
            with tempfile.TemporaryFile() as file:
                os.dup2(file.fileno(), 2)
        self._reading = os.open("/proc/self/fd/2", os.O_RDONLY)
        self._place = os.fstat(2).st_size

    def new_lines(self) -> list[str]:
        """Return the lines that were printed since the last call, whole or not; bytes that are no text are replaced."""
        size = os.fstat(2).st_size
        text = os.pread(self._reading, max(0, size - self._place), self._place)
        self._place = size
        return text.decode(errors="replace").splitlines()
