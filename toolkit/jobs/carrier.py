"""A worker that runs its jobs on another machine: it sends each job's folder there, runs the job, and brings back what it wrote.

    python -I -S carrier.py ASKED

ASKED is JSON: `transport` (see `toolkit.environments.transport`) and `worker`, the command that starts a worker there. Both ends speak the protocol
of `toolkit.wire.worker_protocol`: the carrier passes a command on with the folder's name there, and without the paths of this machine.
It runs in the host's interpreter and needs the standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from toolkit.wire.worker_protocol import CancelCommand, Command, EndedEvent, Event, RunCommand

if not __package__:  # a script finds the toolkit where it lies itself
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from toolkit.jobs.parcel import CarryingFailed, pack, unpack

_LOG_BYTES = 64_000_000  # what comes back beside the job's own files
_END_S = 5.0
_VARIABLES = dict(os.environ)  # those of the list by which the host started this process


class TransportWords(TypedDict):
    """A `toolkit.environments.transport.Transport` as JSON: its commands, as words."""

    folder: str
    send: list[str]
    fetch: list[str]
    remove: list[str]
    timeout_s: float


class _Job:
    """A job on its way: its folder here, its name there, and the command that carries it now."""

    def __init__(self, command: RunCommand) -> None:
        self.id = command["id"]
        self.folder = Path(command["folder"])
        self.most_bytes = command["written_bytes"] + _LOG_BYTES
        self.name = secrets.token_hex(16)
        # Guards the next two fields: a job is cancelled either before it is started there, or after.
        self.lock = threading.Lock()
        self.cancelled = False
        self.arrived = False
        self.carrying: subprocess.Popen[bytes] | None = None


class Carrier:
    """Stands between the host, on standard input and output, and a worker elsewhere. Each job is carried by a thread of its own."""

    def __init__(self, transport: TransportWords, worker: list[str]) -> None:
        self._transport = transport
        self._worker = _started(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._jobs: dict[int, _Job] = {}
        self._saying, self._asking = threading.Lock(), threading.Lock()
        self._carrying: list[threading.Thread] = []
        self._fetching: list[threading.Thread] = []
        self._ending = threading.Event()

    def run(self) -> None:
        """Serve until standard input closes, or until the worker ends; this process then ends with the same status."""
        threading.Thread(target=self._pass_events_on, daemon=True).start()
        for line in sys.stdin.buffer:
            command: Command = json.loads(line)
            if command["do"] == "run":
                job = self._jobs[command["id"]] = _Job(command)
                self._begin(job, partial(self._send, job, command))
            else:
                self._cancel(command)
        self._end()

    def _begin(self, job: _Job, what: Callable[[], None]) -> threading.Thread:
        """Do something for a job in a thread. A failure is reported to the host, which then gives this worker up."""

        def do() -> None:
            try:
                what()
            except (CarryingFailed, OSError, tarfile.TarError, EOFError) as error:
                if job.cancelled:
                    self._forget(job)
                    self._say({"event": "ended", "id": job.id, "status": 0, "killed_for": "cancel", "peak_bytes": 0})
                else:
                    self._say({"event": "failed", "problem": str(error)})

        thread = threading.Thread(target=do, daemon=True)
        self._carrying.append(thread)
        thread.start()
        return thread

    def _send(self, job: _Job, command: RunCommand) -> None:
        with self._carried(job, "send", stdin=subprocess.PIPE) as stream:
            pack(job.folder, stream)
        folder = self._transport["folder"].replace("{job}", job.name)
        with job.lock:
            if job.cancelled:
                raise CarryingFailed("send: cancelled")
            job.arrived = True
            self._ask({**command, "folder": folder, "access": {**command["access"], "reads": []}})

    def _cancel(self, command: CancelCommand) -> None:
        job = self._jobs.get(command["id"])
        if job is None:
            return
        with job.lock:
            job.cancelled = True
            if job.arrived:
                self._ask(command)
            elif job.carrying is not None:
                _kill(job.carrying)

    def _fetch(self, job: _Job, event: EndedEvent) -> None:
        if not job.cancelled:
            with self._carried(job, "fetch", stdout=subprocess.PIPE) as stream:
                unpack(stream, job.folder, job.most_bytes)
        self._forget(job)
        self._say(event)

    def _forget(self, job: _Job) -> None:
        """Remove a job's folder there. A folder that stays does not make the job fail."""
        self._jobs.pop(job.id, None)
        with contextlib.suppress(CarryingFailed), self._carried(job, "remove"):
            pass

    @contextlib.contextmanager
    def _carried(
        self, job: _Job, how: Literal["send", "fetch", "remove"], *, stdin: int = subprocess.DEVNULL, stdout: int = 2
    ) -> Iterator[Any]:
        """Run one of the transport's commands, whose end of a pipe is given; CarryingFailed where it fails or takes too long."""
        words = [word.replace("{job}", job.name) for word in self._transport[how]]
        try:
            process = job.carrying = _started(words, stdin=stdin, stdout=stdout)
        except OSError as error:
            raise CarryingFailed(f"{how}: {words[0]} cannot be started ({error.strerror})") from error
        began, timeout_s = time.monotonic(), self._transport["timeout_s"]
        late = threading.Timer(timeout_s, _kill, (process,))
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
        if status != 0 or broken is not None:
            raise CarryingFailed(f"{how}: {words[0]} ended with status {status}" + (f" ({broken})" if broken else ""))

    def _pass_events_on(self) -> None:
        for line in self._worker.stdout or ():
            try:
                event = json.loads(line)
                job = self._jobs[event["id"]] if event["event"] == "ended" else None
            except (ValueError, KeyError, TypeError):  # no event: the host says so
                event, job = None, None
            if job is None:
                self._write(line)
            else:
                self._fetching.append(self._begin(job, partial(self._fetch, job, event)))
        status = self._worker.wait()
        if self._ending.is_set():
            return
        for thread in list(self._fetching):  # so that finished jobs are not lost
            thread.join()
        self._stop_sending()
        self._remove_all()
        if status < 0:  # end by the same signal; a signal that Python handles ends in a status
            signal.raise_signal(-status)
        os._exit(status if status >= 0 else 128 - status)

    def _ask(self, command: Command) -> None:
        with self._asking, contextlib.suppress(BrokenPipeError):
            if self._worker.stdin is not None:
                self._worker.stdin.write(json.dumps(command).encode() + b"\n")
                self._worker.stdin.flush()

    def _say(self, event: Event) -> None:
        self._write(json.dumps(event).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        with self._saying, contextlib.suppress(BrokenPipeError):
            os.write(1, line)

    def _end(self) -> None:
        """End the worker there, and remove what is left of its jobs."""
        self._ending.set()
        self._stop_sending()
        with contextlib.suppress(BrokenPipeError, OSError):
            if self._worker.stdin is not None:
                self._worker.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._worker.wait(_END_S)
        _kill(self._worker)
        self._remove_all()
        os._exit(0)

    def _stop_sending(self) -> None:
        for job in list(self._jobs.values()):
            with job.lock:
                job.cancelled = True
                if job.carrying is not None:
                    _kill(job.carrying)

    def _remove_all(self) -> None:
        """Remove what is left of all jobs, after all transfers have ended: a transfer could bring files back."""
        for thread in list(self._carrying):
            thread.join(_END_S)
        for job in list(self._jobs.values()):
            self._forget(job)


def _started(words: list[str], *, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that everything it starts can be ended with it."""
    return subprocess.Popen(words, stdin=stdin, stdout=stdout, env=_VARIABLES, start_new_session=True)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    """Serve until standard input closes."""
    asked = json.loads(sys.argv[1])
    Carrier(asked["transport"], asked["worker"]).run()


if __name__ == "__main__":
    main()
