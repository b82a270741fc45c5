"""The commands of a transport, run for one job: each with one end of a pipe, in limited time, and with a reason where it fails.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from toolkit.jobs.parcel import CarryingFailed

if TYPE_CHECKING:
    from toolkit.wire.worker_protocol import EndedEvent, RunCommand

LOG_BYTES = 64_000_000
"""The most bytes that come back beside a job's own files, and that the commands of one carrier may print on standard error."""

_LOOK_S = 0.1  # between two looks at how much was printed
_LONGEST_LINE = 1 << 20
_VARIABLES = dict(os.environ)  # those of the list by which the host started this process
_SHORT = "/tmp"  # noqa: S108 (only this user may enter the folder made in it; the name of a socket has 108 characters at most)

Way = Literal["send", "fetch", "remove"]


class LineBroke(CarryingFailed):
    """Says that there is no connection, or that it ended: the same may work later."""


class TransportWords(TypedDict):
    """A `toolkit.environments.transport.Transport` as JSON: its commands, as words."""

    folder: str
    send: list[str]
    fetch: list[str]
    remove: list[str]
    timeout_s: float
    broken: int | None
    wait_s: float
    tries: int


class CarriedJob:
    """A job on its way: its folder here, its name there, and the command that carries it now."""

    def __init__(self, command: RunCommand) -> None:
        self.command = command
        self.id = command["id"]
        self.folder = Path(command["folder"])
        self.most_bytes = command["written_bytes"] + LOG_BYTES
        self.name = secrets.token_hex(16)
        # Guards the next two fields: a job is cancelled either before it is started there, or after.
        self.lock = threading.Lock()
        self.cancelled = False
        self.arrived = False
        self.ended: EndedEvent | None = None  # there; its answer may not be here yet
        self.carrying: subprocess.Popen[bytes] | None = None

    def begin_again(self) -> str:
        """Forget how far it was: it gets another name there. Return the former name."""
        former, self.name = self.name, secrets.token_hex(16)
        self.arrived, self.ended = False, None
        return former


class Ways:
    """The commands of a transport, and the private folder `{line}` that they share."""

    def __init__(self, transport: TransportWords) -> None:
        self.transport = transport
        self._line: str | None = None

    def words(self, given: list[str], job: str = "") -> list[str]:
        """Return words of the transport or of the worker with the names for which `{job}` and `{line}` stand."""
        if self._line is None and any("{line}" in word for word in given):
            self._line = tempfile.mkdtemp(prefix="edge-toolkit-", dir=_SHORT if os.access(_SHORT, os.W_OK) else None)
        return [word.replace("{job}", job).replace("{line}", self._line or "") for word in given]

    def is_broken(self, status: int) -> bool:
        """Return whether an exit status says that there is no connection."""
        return self.transport["broken"] is not None and status == self.transport["broken"]

    def close(self) -> None:
        """Remove the private folder."""
        if self._line is not None:
            shutil.rmtree(self._line, ignore_errors=True)

    def remove(self, job: CarriedJob, name: str) -> None:
        """Remove the job's folder of that name there. One that stays is no failure."""
        with contextlib.suppress(CarryingFailed), self.carried(job, "remove", name=name):
            pass

    @contextlib.contextmanager
    def carried(
        self, job: CarriedJob, how: Way, *, stdin: int = subprocess.DEVNULL, stdout: int = 2, name: str | None = None
    ) -> Iterator[Any]:
        """Run one of the commands for a job, by another `name` if one is given; its end of a pipe is given.

        LineBroke where there is no connection, CarryingFailed where the command fails or takes too long.
        """
        words = self.words(self.transport[how], name or job.name)
        try:
            process = job.carrying = started(words, stdin=stdin, stdout=stdout)
        except OSError as error:
            raise CarryingFailed(f"{how}: {words[0]} cannot be started ({error.strerror})") from error
        began, timeout_s = time.monotonic(), self.transport["timeout_s"]
        late = threading.Timer(timeout_s, kill, (process,))
        late.start()
        broken: Exception | None = None
        try:
            yield process.stdin or process.stdout
        except (BrokenPipeError, tarfile.TarError, EOFError) as error:  # the exit status says more
            broken = error
        finally:
            with contextlib.suppress(BrokenPipeError):
                for pipe in filter(None, (process.stdin, process.stdout)):
                    pipe.close()
            status = process.wait()
            late.cancel()
        if status == -signal.SIGKILL and time.monotonic() - began >= timeout_s:
            raise CarryingFailed(f"{how}: {words[0]} took longer than {timeout_s:g} s")
        if self.is_broken(status):
            raise LineBroke(f"{how}: {words[0]} has no connection")
        if status != 0 or broken is not None:
            raise CarryingFailed(f"{how}: {words[0]} ended with status {status}" + (f" ({broken})" if broken else ""))


def started(words: list[str], *, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that everything it starts can be ended with it."""
    return subprocess.Popen(words, stdin=stdin, stdout=stdout, env=_VARIABLES, start_new_session=True)


def said(worker: subprocess.Popen[bytes]) -> bytes:
    """Return the next line of a worker's, or a piece of a longer one, which the host refuses; b"" at the end."""
    return worker.stdout.readline(_LONGEST_LINE) if worker.stdout is not None else b""


def is_log_full(over: threading.Event) -> bool:
    """Wait until more than LOG_BYTES lie in this process's standard error, a file of the host's, or until it is `over`; return whether they do."""
    while not over.wait(_LOOK_S):
        if os.fstat(2).st_size > LOG_BYTES:
            return True
    return False


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
