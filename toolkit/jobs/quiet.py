"""Lets one job run while no other job of the same store does, in whatever process: its durations are measured.

Two files in the store carry locks (flock), which end with their process. `jobs.lock` is held together by all processes that run jobs, and alone by
the one that measures. `turn.lock` is held by the process that waits to measure: while it is, no other process begins a job, so a long build does not
keep it waiting until its end.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from toolkit.errors import TargetUnavailable
from toolkit.files.whole import storage_failed

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)  # nobody else can run jobs there either


class Quiet:
    """One process's part in it. Nothing blocks here: a lock that another process holds is a no, and the caller asks again.

    A process that was stopped keeps its locks. So nobody is kept waiting for longer than `patience_s`.
    """

    def __init__(self, root: Path, say: Callable[[str], None], patience_s: float) -> None:
        self._root = root
        self._say = say
        self._patience_s = patience_s
        self._jobs: int | None = None
        self._turn: int | None = None
        self._held: int | None = None  # the kind of lock on `jobs.lock`
        self._has_turn = False
        self._waits_since: float | None = None

    def with_others(self) -> bool:
        """Return whether a job may run beside those of other processes; it may until `rest`.

        After `patience_s` it may: who measures then sees in the processor's time that it was disturbed.
        """
        free = self._nobody_waits()
        if free and self._held != fcntl.LOCK_SH:
            free = self._locked(self._of_jobs(), fcntl.LOCK_SH)
            self._held = fcntl.LOCK_SH if free else self._held
        return free or self._waited("waiting until another command has measured times, which it does alone")

    def alone(self) -> bool:
        """Return whether a job may run alone; then no other process begins one until `rest`. If not, others are kept from beginning more.

        TargetUnavailable after `patience_s`.
        """
        if self._held == fcntl.LOCK_EX:
            return True
        self._has_turn = self._has_turn or self._locked(self._of_turn(), fcntl.LOCK_EX)
        if self._has_turn and self._locked(self._of_jobs(), fcntl.LOCK_EX):
            self._held, self._waits_since = fcntl.LOCK_EX, None
            return True
        if self._waited("waiting until the jobs of other commands have ended, because times are measured alone"):
            raise TargetUnavailable(
                f"times are measured alone, and jobs of other commands with {self._root} did not end in {self._patience_s:g} s",
                "end those commands, or measure with an EDGE_TOOLKIT_HOME of its own",
            )
        return False

    def _waited(self, why: str) -> bool:
        """Return whether this process has waited long enough; say why it waits when it begins to."""
        if self._waits_since is None:
            self._waits_since = time.monotonic()
            self._say(why)
        return time.monotonic() - self._waits_since > self._patience_s

    def rest(self, *, waits: bool) -> None:
        """Say that no job of this process runs; its turn stays as long as one that is to run alone still `waits` for the jobs of others."""
        if self._held is not None:
            self._unlock(self._jobs)
        if self._has_turn and (self._held == fcntl.LOCK_EX or not waits):
            self._unlock(self._turn)
            self._has_turn = False
        self._held = None
        if not waits:
            self._waits_since = None

    def end(self) -> None:
        """Give all locks back."""
        for descriptor in (self._jobs, self._turn):
            if descriptor is not None:
                os.close(descriptor)
        self._jobs = self._turn = self._held = None
        self._has_turn = False

    def _nobody_waits(self) -> bool:
        turn = self._of_turn()
        if self._has_turn or turn is None:
            return True
        free = self._locked(turn, fcntl.LOCK_SH)
        if free:
            self._unlock(turn)
        return free

    def _of_jobs(self) -> int | None:
        if self._jobs is None:
            self._jobs = self._opened("jobs.lock")
        return self._jobs

    def _of_turn(self) -> int | None:
        if self._turn is None:
            self._turn = self._opened("turn.lock")
        return self._turn

    def _opened(self, name: str) -> int | None:
        """Return a descriptor of a file that carries a lock; None where the store may only be read. StoreFailed where the disk refuses."""
        path = self._root / name
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError as error:
            if error.errno in _READ_ONLY:
                return None
            raise storage_failed(self._root, error) from error

    def _locked(self, descriptor: int | None, kind: int) -> bool:
        if descriptor is None:
            return True
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        return False

    def _unlock(self, descriptor: int | None) -> None:
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
