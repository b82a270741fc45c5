"""One job in a worker: a forked process, which is confined before it reads anything of a model, and is held to its limits."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from toolkit.confinement import Bounds, Ready, kernel, processes, resources
from toolkit.wire.worker_protocol import RunCommand


class Child:
    """One running job."""

    def __init__(self, command: RunCommand) -> None:
        self.id = command["id"]
        self.folder = Path(command["folder"])
        self.memory_bytes, self.written_bytes = command["memory_bytes"], command["written_bytes"]
        self.bounds = Bounds.from_json(command["access"])
        self.modules = command["modules"]
        self.may_start = self.bounds.user_code  # processes of its own
        self.deadline = time.monotonic() + command["timeout_s"]
        self.killed_for: str | None = None
        self.peak_bytes = 0
        self.pid = 0
        self.outside = (
            0  # its process number as /proc shows it: another one where the worker has a namespace of its own
        )

    def kill(self, reason: str) -> None:
        """End the job and what it started; the first reason is the one that the host is told."""
        self.killed_for = self.killed_for or reason
        for kill in (os.killpg, os.kill):  # its whole group, and itself, as it may not have made its group yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)

    def look(self) -> None:
        """Hold the job, and what it started, to its limits."""
        self.outside = self.outside or processes.outside(self.pid)
        whole = processes.descendants(self.outside) if self.may_start else [self.outside]
        self.peak_bytes = max(self.peak_bytes, resources.resident(whole, self.memory_bytes))
        if self.peak_bytes > self.memory_bytes:
            self.kill("memory")
        elif resources.written(whole, piped=self.may_start) > self.written_bytes:
            self.kill("written")
        elif len(whole) > resources.MOST_PROCESSES:
            self.kill("processes")
        elif time.monotonic() > self.deadline:
            self.kill("timeout")


def run_job(folder: Path) -> None:
    """Run the job in `folder` in this process and write its response; an exception of the engine is a response too."""
    from toolkit.confinement.known_code import hold_to
    from toolkit.errors import EdgeToolkitError, causes, limit_of
    from toolkit.wire.request import read_request, write_response

    job, request = read_request(folder)
    if job["code"] is not None:
        hold_to(job["code"])
    began = time.perf_counter()
    try:
        call = getattr(importlib.import_module("toolkit." + job["module"]), job["call"])
        status, result = "ok", call(request)
    except EdgeToolkitError as error:
        kind = limit_of(error) or type(error).__name__
        status, result = "error", {"kind": kind, "problem": error.problem, "hint": error.hint}
    except BaseException as error:  # an engine or a user's function may raise anything, SystemExit too
        import traceback

        traceback.print_exc()
        kind = limit_of(error) or "WorkerRefused"
        status, result = "error", {"kind": kind, "problem": causes(error), "hint": None}
    sys.stdout.flush()
    write_response(folder, status, result, time.perf_counter() - began)


def end_with_parent(number: int) -> None:
    """Have the system send this process a signal when its parent ends; 0 for none."""
    with contextlib.suppress(OSError):
        kernel.prctl(kernel.PR_SET_PDEATHSIG, number)


def _confine(ready: Ready, child: Child) -> None:
    """Confine this process before it reads anything of a model; end it where that fails."""
    try:
        ready.enter(child.memory_bytes, child.written_bytes)
    except OSError as error:
        sys.stdout.write(f"the job was not begun, as it could not be confined: {error}\n")
        os._exit(1)


def run_child(child: Child, private: tuple[int, ...], ready: Ready) -> NoReturn:
    """Confine this process, which was just forked, run the job in it, and exit; the worker's `private` descriptors are closed first."""
    folder = child.folder
    os.setsid()
    end_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for descriptor in (*private, log):
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.enable(file=sys.stderr)
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    if os.environ.get("HOME") == os.environ.get("TMPDIR"):  # else the user allowed it his own
        os.environ["HOME"] = str(scratch)
    os.environ["TMPDIR"] = str(scratch)
    tempfile.tempdir = str(scratch)  # modules of the engine may have asked for the folder already
    if child.may_start:
        processes.adopt()
    if not child.bounds.user_code:
        os.chdir(scratch)
    try:
        _confine(ready, child)
        run_job(folder)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
