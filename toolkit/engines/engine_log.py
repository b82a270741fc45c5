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
        self._place = self._seen = os.fstat(2).st_size

    def new_lines(self) -> list[str]:
        """Return the lines that were printed since the last call; bytes that are no text are replaced.

        A line that has not ended yet is returned as far as it is there, and again, from its beginning, by the call after more of it was printed.
        """
        size = os.fstat(2).st_size
        if size == self._seen:
            return []
        content = os.pread(self._reading, max(0, size - self._place), self._place)
        self._seen = self._place + len(content)
        self._place += content.rfind(b"\n") + 1
        return content.decode(errors="replace").splitlines()
