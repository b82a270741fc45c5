"""Ends all processes that a job started: a namespace of processes for a worker, and a search for what a job left behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from toolkit.confinement import kernel

_STATUS = struct.Struct("i")
_KILLING_S = 10.0  # what multiplies faster than it can be killed for so long is left to the end of the worker


def enclose(commands: int) -> bool:
    """Go on in a namespace of processes, whose end ends all that is in it; return whether there is one.

    Three processes come of this one, which must have no threads. The first stays outside: it ends what is inside when nobody holds the other end of
    `commands` any more, and ends as the third does. The second is the first of the namespace, and gathers what is orphaned. The third returns.
    """
    if not _possible():
        return False
    _leave()
    ended, ending = os.pipe()
    inner = os.fork()
    if inner:
        os.close(ending)
        _watch(inner, commands, ended)
    os.close(ended)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    worker = os.fork()
    if worker:
        _gather(worker, ending)
    os.close(ending)
    return True


def _possible() -> bool:
    """Return whether a namespace can be had, as a process finds that ends with the question."""
    asking = os.fork()
    if asking:
        return os.waitpid(asking, 0)[1] == 0
    status = 1
    with contextlib.suppress(OSError):
        _leave()
        os.close(os.pidfd_open(os.getpid()))  # else nobody knows what its processes are called outside
        inner = os.fork()
        if inner == 0:
            os._exit(0)
        status = os.waitpid(inner, 0)[1]
    os._exit(1 if status else 0)


def enclosable() -> bool:
    """Return whether a worker would be enclosed here, as another program finds; nothing changes for this one."""
    asking = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); from {__name__} import _possible; sys.exit(not _possible())"
    command = [sys.executable, "-I", "-S", "-c", asking]
    return subprocess.run(command, check=False, capture_output=True, env={}).returncode == 0


def _leave() -> None:
    """Have what is forked from now on be in a new namespace of processes; for who may not do so, in one of users where he is still himself."""
    user, group = os.geteuid(), os.getegid()
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
    except PermissionError:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _watch(inner: int, commands: int, ended: int) -> None:
    """Wait for the namespace's end, or for the host's, which ends it; then end as the worker did."""
    poll = select.poll()
    poll.register(commands, 0)  # its end alone
    poll.register(ended, select.POLLIN)
    found = dict(poll.poll())
    if ended not in found:
        os.kill(inner, signal.SIGKILL)
    os.waitpid(inner, 0)
    told = os.read(ended, _STATUS.size)
    code = os.waitstatus_to_exitcode(_STATUS.unpack(told)[0]) if told else 0
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    os._exit(code)


def _gather(worker: int, ending: int) -> None:
    """Be the first process of the namespace until the worker has ended."""
    while True:
        pid, status = os.wait()
        if pid == worker:
            os.write(ending, _STATUS.pack(status))
            os._exit(0)


def adopt() -> None:
    """Become the parent of whatever this process' children leave behind."""
    with contextlib.suppress(OSError):
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def outside(pid: int) -> int:
    """Return what `/proc` calls a child: another number, where it is the `/proc` of another namespace."""
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, AttributeError):
        return pid
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
    except (OSError, StopIteration, ValueError):
        return pid
    finally:
        os.close(descriptor)


def end_strays(mine: set[int]) -> None:
    """Kill and reap the children of this process that are none of `mine`, and what comes to it from them, until there is none."""
    until = time.monotonic() + _KILLING_S
    while (strays := [pid for pid in _inside(children("self")) if pid not in mine]) and time.monotonic() < until:
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def descendants(pid: int) -> list[int]:
    """Return the processes that come of one, by what `/proc` calls them, itself first."""
    found = [pid]
    for one in found:
        found += children(str(one))
    return found


def children(of: str) -> list[int]:
    """Return the children of a process, by what `/proc` calls them; none where it has just ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{of}/task"):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{of}/task/{task}/children").read_text().split())
    return found


def _inside(pids: list[int]) -> Iterator[int]:
    """Yield what this process calls others, which `/proc` may call otherwise."""
    for pid in pids:
        with contextlib.suppress(OSError, StopIteration, ValueError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            yield next(int(line.split()[-1]) for line in lines if line.startswith("NSpid:"))
