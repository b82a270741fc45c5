"""A program whose output comes from another machine: what it prints here is limited, and so is its time.

Files, not pipes, take what it prints, so that nothing waits for a reader. The standard library only: workers use it too.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

MOST_BYTES = 16 << 20
"""The most bytes that a program may print on standard output, and on standard error. A phone's properties are 100 kB, a board's facts fewer."""

_LOOK_S = 0.05  # what a fast line brings between two looks at the files, 10 MB, is harmless
_READ_BYTES = 1 << 20


class PrintedTooMuch(Exception):
    """A program printed more than it may, and was ended."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"printed more than {most_bytes / (1 << 20):g} MiB")


@dataclass(frozen=True, slots=True)
class Printed:
    """A program's exit status, and what it printed: the last 1 MiB of each, as text; bytes that are no text are replaced."""

    status: int
    answer: str
    errors: str


def run(
    words: Sequence[str],
    *,
    timeout_s: float,
    variables: Mapping[str, str] | None = None,
    feed: Callable[[IO[bytes]], None] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Printed:
    """Run a program with `variables`, None for those of this process; `feed` writes its standard input, which is empty without it.

    Raises subprocess.TimeoutExpired and PrintedTooMuch, after the program was ended, and OSError where it cannot be started.
    """
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        files = (answer, errors)
        process = subprocess.Popen(
            words,
            env=None if variables is None else dict(variables),
            stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
            stdout=answer,
            stderr=errors,
        )
        with process, _Watch(process, files, timeout_s, most_bytes):
            if feed is not None and process.stdin is not None:
                _fed(process.stdin, feed)
            status = process.wait()
        if any(_size(file) > most_bytes for file in files):
            raise PrintedTooMuch(most_bytes)
        return Printed(status, *map(_end, files))


class _Watch:
    """Ends a process that prints or takes more than it may, from a thread of its own; at its exit no process is left."""

    def __init__(
        self, process: subprocess.Popen[bytes], files: Sequence[IO[bytes]], timeout_s: float, most_bytes: int
    ) -> None:
        self._process, self._files, self._most_bytes = process, files, most_bytes
        self._timeout_s, self._until = timeout_s, time.monotonic() + timeout_s
        self._over, self._late = threading.Event(), False
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._process.poll() is None:  # an exception of the feed, or an interrupt
            self._process.kill()
        if self._late:
            raise subprocess.TimeoutExpired(self._process.args, self._timeout_s)

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._late = time.monotonic() > self._until
            if self._late or any(_size(file) > self._most_bytes for file in self._files):
                self._process.kill()
                return


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _fed(stream: IO[bytes], feed: Callable[[IO[bytes]], None]) -> None:
    """Write to a pipe and close it; a reader that is gone says why by its exit status."""
    try:
        with stream:
            feed(stream)
    except BrokenPipeError:
        pass


def _end(file: IO[bytes]) -> str:
    """Return the end of a file that was just written, as text."""
    file.seek(max(0, _size(file) - _READ_BYTES))
    return file.read().decode(errors="replace")
