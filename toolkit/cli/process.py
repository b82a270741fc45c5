"""The process around a verb: its standard streams, errors of writing to them, and the exit status.

A lost result is no success: a full disk behind `>` gives exit status 3, and a closed reader (`| head`) gives 141, a shell's status for SIGPIPE. A
lost message on standard error changes nothing. Only a verdict gives status 1, so C code of a library that calls exit(1) does not end the process with
1 either.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import signal
import sys
from typing import IO, Any

WRONG_REQUEST, OUTSIDE = 2, 3
_NOBODY_READS = 128 + signal.SIGPIPE


class Ended(SystemExit):
    """The process ends with this status, or was asked to end; any other SystemExit comes from a library."""


class Stream(io.TextIOWrapper):
    """A stream that drops text that cannot be written, and keeps the first error as `lost`.

    A character that its encoding lacks is written as an escape.
    """

    def __init__(self, buffer: IO[bytes], encoding: str, *, by_line: bool) -> None:
        super().__init__(buffer, encoding, "backslashreplace", line_buffering=by_line)
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Flush the written text, or drop it."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """Write to the null device from now on: the rest of the buffer would fail again, at the latest when the process ends."""
        self.lost = self.lost or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def watch() -> None:
    """Replace both streams with `Stream`. It also opens closed descriptors 0, 1 and 2, so that no other file gets one of these numbers."""
    closed = _open_closed()
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        encoding, by_line = ("utf-8", True) if old is None else (old.encoding, old.line_buffering)
        if old is not None:
            with contextlib.suppress(OSError):
                old.flush()
        stream = Stream(io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False)), encoding, by_line=by_line)
        if descriptor in closed:
            stream.lost = OSError(errno.EBADF, os.strerror(errno.EBADF))
        setattr(sys, name, stream)


def guard() -> None:
    """Make the process end with 3 if C code of a library calls exit(1), as OpenBLAS does without memory; call it before heavy imports.

    It holds until the process ends, and needs a running Python: use it only in a process that `main` ends and whose streams are watched.
    """
    if not isinstance(sys.stdout, Stream):
        return
    import ctypes

    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).on_exit(_on_exit(), None)


def final(status: int) -> int:
    """Flush both streams and return the exit status of the process; write a message on standard error if the result was lost."""
    sys.stdout.flush()
    lost: OSError | None = getattr(sys.stdout, "lost", None)
    if lost is not None and status == 0:
        status = _NOBODY_READS if lost.errno == errno.EPIPE else OUTSIDE
    if lost is not None and lost.errno != errno.EPIPE:
        print(f"edge-toolkit: standard output: {lost.strerror}; the result was not written", file=sys.stderr)
    sys.stderr.flush()
    return status


@functools.cache
def _on_exit() -> Any:
    """Return the C function that is called with the status at exit; the cache keeps it for the life of the process."""
    import ctypes

    def leave(status: int, _: object) -> None:
        if status == 1:
            with contextlib.suppress(OSError):
                os.write(2, b"edge-toolkit: a library ended the process with status 1\n")
        os._exit(OUTSIDE if status == 1 else status)

    return ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(leave)


def _open_closed() -> set[int]:
    """Open the closed ones of the three descriptors on the null device, and return their numbers."""
    closed = set()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
            closed.add(descriptor)
    return closed
