"""Which processes use a store, so that nothing in use is removed.

Each process that reads or makes jobs has a file in `running/`, and holds a lock on it as long as it lives; the file's time says when it began. A
process touches the jobs that it uses, under the folder's shared lock. A process that prunes holds that lock alone, and leaves all jobs that were
touched since the oldest living process began: so a job is either touched in time, or gone before it is found. A killed process holds no lock, and
the next process removes its file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class Presence:
    """One process's presence in a store; nothing is written before `begin`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.begun = False
        self._lock: int | None = None
        self._unsay: Callable[[], object] | None = None

    def begin(self) -> None:
        """Register this process as one that uses the store, once. A store that may only be read is not pruned either, so it needs no file."""
        if self.begun:
            return
        self.begun = True
        place = self._folder / f"{os.getpid()}-{time.monotonic_ns()}"
        try:
            with self.held(fcntl.LOCK_SH):
                descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.utime(descriptor)  # with the file system's clock, as jobs are touched
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            return
        self._lock = os.open(self._folder, _FOLDER)
        self._unsay = weakref.finalize(self, _end, place, descriptor, self._lock)

    def end(self) -> None:
        """Remove this process's file; it may begin again."""
        if self._unsay is not None:
            self._unsay()
        self.begun, self._lock, self._unsay = False, None, None

    @contextlib.contextmanager
    def held(self, lock: int) -> Iterator[None]:
        """Hold the folder's lock: shared to touch jobs, alone to remove them."""
        descriptor = os.open(self._folder, _FOLDER)
        try:
            fcntl.flock(descriptor, lock)
            yield
        finally:
            os.close(descriptor)

    def touch(self, path: Path | str) -> None:
        """Mark a file as used now, where `begin` could; FileNotFoundError where it is gone."""
        if self._lock is None:
            return
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        try:
            os.utime(path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _READ_ONLY:  # a file that may not be touched may not be removed
                raise
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def oldest(self) -> float:
        """Return when the oldest living process began, as a time stamp; infinity where there is none. Files of ended processes are removed."""
        began = float("inf")
        for entry in list(os.scandir(self._folder)):
            with contextlib.suppress(OSError):
                descriptor = os.open(entry.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)
                except BlockingIOError:
                    began = min(began, os.fstat(descriptor).st_mtime)
                finally:
                    os.close(descriptor)
        return began


def _end(place: Path, *descriptors: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(place)
    for descriptor in descriptors:
        os.close(descriptor)
