"""The process around a verb: its standard streams, what could not be written to them, and the exit status that it ends with.

A result that nobody got is no success: a full disk behind `>` is exit status 3, and a reader that is gone (`| head`) is 141, which is how a shell
says SIGPIPE. A message on standard error that nobody got changes nothing. Status 1 is a verdict's alone, so C code of a library that calls exit(1)
does not end the process with it either.
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
    """The process has a status to end with, or was asked to end; any other SystemExit is a library's own."""


class Stream(io.TextIOWrapper):
    """A stream that loses what cannot be written, and remembers why: `lost` is the first error.

    What its encoding lacks is written as an escape.
    """

    def __init__(self, buffer: IO[bytes], encoding: str, *, by_line: bool) -> None:
        super().__init__(buffer, encoding, "backslashreplace", line_buffering=by_line)
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Hand over what was written, or lose it."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """Write to nowhere from now on: what is still in the buffer would fail again, at the latest when the process ends."""
        self.lost = self.lost or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def watch() -> None:
    """Put `Stream` in the place of both; a closed descriptor 0, 1 or 2 is open afterwards, so that no file of ours is taken for one of them."""
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
    """Have the process end with 3 where C code of a library calls exit(1), as OpenBLAS does for want of memory; before anything heavy is imported.

    It holds until the process ends, and needs Python to be there: it is for one that `main` ends, which has its streams watched.
    """
    if not isinstance(sys.stdout, Stream):
        return
    import ctypes

    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).on_exit(_on_exit(), None)


def final(status: int) -> int:
    """Hand over what was written, and return the status that the process ends with; a message is left on standard error for a lost result."""
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
    """Return the C function that is called with the status at exit; kept for as long as the process lives."""
    import ctypes

    def leave(status: int, _: object) -> None:
        if status == 1:
            with contextlib.suppress(OSError):
                os.write(2, b"edge-toolkit: a library ended the process with status 1\n")
        os._exit(OUTSIDE if status == 1 else status)

    return ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(leave)


def _open_closed() -> set[int]:
    """Open what is closed of the three descriptors to nowhere, and return which those were."""
    closed = set()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
            closed.add(descriptor)
    return closed
