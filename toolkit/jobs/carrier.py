"""A worker that runs its jobs on another machine: it sends each job's folder there, runs the job, and brings back what it wrote.

    python -I -S carrier.py ASKED

ASKED is JSON: `transport` (see `toolkit.environments.transport`) and `worker`, the command that starts a worker there. Both ends speak the protocol
of `toolkit.wire.worker_protocol`: the carrier passes a command on with the folder's name there, and without the paths of this machine.
It runs in the host's interpreter and needs the standard library only.

A connection may break, and the machine may start anew. Then the worker is started again as soon as that machine answers. A job that had ended there
is only fetched again; any other begins again in a new folder. So an answer is whole, or it is none.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.wire.worker_protocol import CancelCommand, Command, EndedEvent, Event

if not __package__:  # a script finds the toolkit where it lies itself
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from toolkit.jobs import conveying
from toolkit.jobs.conveying import CarriedJob, LineBroke, TransportWords, Ways, kill, started
from toolkit.jobs.parcel import CarryingFailed, clear, pack, unpack

_END_S = 5.0
_BY_SIGNAL = 128  # and the signal's number: a shell's status for a program that was killed (POSIX, 2.8.2)
# Between two tries to reach a machine that does not answer; each pause is twice the last.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 3.0


class Carrier:
    """Stands between the host, on standard input and output, and a worker elsewhere. Each job is carried by a thread of its own."""

    def __init__(self, transport: TransportWords, worker: list[str]) -> None:
        self._transport = transport
        self._ways = Ways(transport)
        self._words = self._ways.words(worker)
        self._worker = self._start_worker()
        self._jobs: dict[int, CarriedJob] = {}
        self._saying, self._asking = threading.Lock(), threading.Lock()
        self._carrying: list[threading.Thread] = []
        self._fetching: list[threading.Thread] = []
        self._ending = threading.Event()
        # Guards the next field and the start of jobs: while there is no connection, jobs only wait.
        self._turn = threading.Lock()
        self._down = False
        self._breaks = 0  # since the last job that was done

    def run(self) -> None:
        """Serve until standard input closes, or until the worker ends; this process then ends with the same status."""
        for serve in (self._serve, self._limit_log):
            threading.Thread(target=serve, daemon=True).start()
        for line in sys.stdin.buffer:
            command: Command = json.loads(line)
            if command["do"] == "run":
                with self._turn:
                    job = self._jobs[command["id"]] = CarriedJob(command)
                    if not self._down:
                        self._begin(job, partial(self._send, job))
            else:
                self._cancel(command)
        self._end()

    def _start_worker(self) -> subprocess.Popen[bytes]:
        return started(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _begin(self, job: CarriedJob, what: Callable[[], None]) -> threading.Thread:
        """Do something for a job in a thread. A failure is reported to the host, which then gives this worker up; not where the line broke."""

        def do() -> None:
            try:
                what()
            except (CarryingFailed, OSError, tarfile.TarError, EOFError) as error:
                if job.cancelled:
                    self._say_cancelled(job)
                elif self._down or isinstance(error, LineBroke):
                    kill(self._worker)  # which has the same connection; `_serve` sees its end, and begins again
                    self._down = True
                else:
                    self._say({"event": "failed", "problem": str(error)})

        thread = threading.Thread(target=do, daemon=True)
        self._carrying.append(thread)
        thread.start()
        return thread

    def _send(self, job: CarriedJob) -> None:
        with self._ways.carried(job, "send", stdin=subprocess.PIPE) as stream:
            pack(job.folder, stream)
        folder = self._transport["folder"].replace("{job}", job.name)
        with job.lock:
            if job.cancelled:
                raise CarryingFailed("send: cancelled")
            job.arrived = True
            self._ask({**job.command, "folder": folder, "access": {**job.command["access"], "reads": []}})

    def _cancel(self, command: CancelCommand) -> None:
        job = self._jobs.get(command["id"])
        if job is None:
            return
        with job.lock:
            job.cancelled = True
            if job.arrived:
                self._ask(command)
            elif job.carrying is not None:
                kill(job.carrying)

    def _fetch(self, job: CarriedJob, event: EndedEvent) -> None:
        if not job.cancelled:
            clear(job.folder)  # of what came before the line broke
            with self._ways.carried(job, "fetch", stdout=subprocess.PIPE) as stream:
                unpack(stream, job.folder, job.most_bytes)
        self._jobs.pop(job.id, None)
        self._breaks = 0
        self._say(event)
        self._ways.remove(job, job.name)  # the host need not wait for it

    def _fetch_again(self, job: CarriedJob, event: EndedEvent) -> None:
        """Fetch the answer of a job that had ended when the line broke; send the job again where its folder is gone."""
        try:
            self._fetch(job, event)
        except LineBroke:
            raise
        except CarryingFailed:
            job.begin_again()
            self._send(job)

    def _forget(self, job: CarriedJob) -> None:
        """Remove a job's folder there. A folder that stays does not make the job fail."""
        self._jobs.pop(job.id, None)
        self._ways.remove(job, job.name)

    def _serve(self) -> None:
        """Pass the worker's events on until it ends; start it again where the line broke, as often and as long as the transport says."""
        while True:
            self._pass_events_on()
            status = self._worker.wait()
            if self._ending.is_set():
                return
            if not (self._down or self._ways.is_broken(status)):
                self._end_as(status)
            if not self._reach_again():
                return

    def _pass_events_on(self) -> None:
        for line in iter(lambda: conveying.said(self._worker), b""):
            try:
                event = json.loads(line)
                job = self._jobs[event["id"]] if event["event"] == "ended" else None
            except (ValueError, KeyError, TypeError, RecursionError):  # no event: the host says so
                job = None
            if job is None:
                self._write(line)
            elif job.ended is None:  # said twice, it would be fetched twice, the second time while the host reads it
                job.ended = event
                self._fetching.append(self._begin(job, partial(self._fetch, job, event)))

    def _reach_again(self) -> bool:
        """Start the worker anew after a break; return False, and tell the host, where the line broke too often, or nobody answers."""
        with self._turn:
            self._down = True
            self._breaks += 1
        self._stop_carrying()
        if self._breaks > self._transport["tries"]:
            return self._give_up(f"the connection broke {self._breaks} times, and no job was done meanwhile")
        until, pause_s = time.monotonic() + self._transport["wait_s"], _FIRST_PAUSE_S
        while time.monotonic() < until and not self._ending.wait(pause_s):
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self._worker = self._start_worker()
            first = conveying.said(self._worker)
            if first:
                self._write(first)
                self._resume()
                return True
            status = self._worker.wait()
            if not self._ways.is_broken(status):
                self._end_as(status)
        return self._give_up(f"the connection broke, and there was no other for {self._transport['wait_s']:g} s")

    def _limit_log(self) -> None:
        """Tell the host, which then ends everything, where its file for standard error has more than a machine may say."""
        if conveying.is_log_full(self._ending):
            self._give_up(f"more than {conveying.LOG_BYTES / 1e6:.0f} MB came from there on standard error")

    def _give_up(self, why: str) -> bool:
        if not self._ending.is_set():
            self._say({"event": "failed", "problem": why})
        return False

    def _resume(self) -> None:
        """Go on with all jobs, after the worker has started again."""
        with self._turn:
            self._down = False
            for job in list(self._jobs.values()):
                if job.cancelled:
                    self._begin(job, partial(self._say_cancelled, job))
                elif job.ended is not None:
                    self._fetching.append(self._begin(job, partial(self._fetch_again, job, job.ended)))
                else:
                    self._begin(job, partial(self._send_again, job, job.begin_again()))

    def _send_again(self, job: CarriedJob, former: str) -> None:
        self._ways.remove(job, former)
        self._send(job)

    def _say_cancelled(self, job: CarriedJob) -> None:
        self._forget(job)
        self._say({"event": "ended", "id": job.id, "status": 0, "killed_for": "cancel", "peak_bytes": 0})

    def _end_as(self, status: int) -> None:
        """End this process as the worker ended."""
        for thread in list(self._fetching):  # so that finished jobs are not lost
            thread.join()
        self._stop_sending()
        self._remove_all()
        self._ways.close()
        if self._transport["broken"] is not None and status > _BY_SIGNAL:  # as the shell there tells it
            status = _BY_SIGNAL - status
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
        kill(self._worker)
        if not self._down:
            self._remove_all()
        self._ways.close()
        os._exit(0)

    def _stop_sending(self) -> None:
        for job in list(self._jobs.values()):
            with job.lock:
                job.cancelled = True
                if job.carrying is not None:
                    kill(job.carrying)

    def _stop_carrying(self) -> None:
        """End all transfers, none of which has a connection any more, and wait for their threads."""
        for job in list(self._jobs.values()):
            if job.carrying is not None:
                kill(job.carrying)
        for thread in list(self._carrying):
            thread.join()
        self._carrying.clear()
        self._fetching.clear()

    def _remove_all(self) -> None:
        """Remove what is left of all jobs, after all transfers have ended: a transfer could bring files back."""
        for thread in list(self._carrying):
            thread.join(_END_S)
        for job in list(self._jobs.values()):
            self._forget(job)


def main() -> None:
    """Serve until standard input closes."""
    asked = json.loads(sys.argv[1])
    Carrier(asked["transport"], asked["worker"]).run()


if __name__ == "__main__":
    main()
