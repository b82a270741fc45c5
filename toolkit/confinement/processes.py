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
_KILLING_S = 10.0  # processes that multiply faster than they are killed for so long are left to the worker's end


def enclose(commands: int) -> bool:
    """Continue in a new namespace of processes, whose end ends all processes in it; return whether there is one.

    This process must have no threads; it becomes three. The first stays outside: it ends the namespace when nobody holds the other end of `commands`
    any more, and ends with the third's status. The second is the first process of the namespace and adopts orphans. The third returns.
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
    """Return whether a namespace can be made, as a child process finds out."""
    asking = os.fork()
    if asking:
        return os.waitpid(asking, 0)[1] == 0
    status = 1
    with contextlib.suppress(OSError):
        _leave()
        os.close(os.pidfd_open(os.getpid()))  # else the numbers of its processes outside are not known
        inner = os.fork()
        if inner == 0:
            os._exit(0)
        status = os.waitpid(inner, 0)[1]
    os._exit(1 if status else 0)


def enclosable() -> bool:
    """Return whether a worker could have a namespace here, as another program finds out; nothing changes for this process."""
    asking = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); from {__name__} import _possible; sys.exit(not _possible())"
    command = [sys.executable, "-I", "-S", "-c", asking]
    return subprocess.run(command, check=False, capture_output=True, env={}).returncode == 0


def _leave() -> None:
    """Fork into a new namespace of processes from now on; a user without the right to do so gets a namespace of users too, with his own number."""
    user, group = os.geteuid(), os.getegid()
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
    except PermissionError:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _watch(inner: int, commands: int, ended: int) -> None:
    """Wait for the namespace's end, or for the host's, which ends the namespace; then end with the worker's status."""
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
    """Become the parent of orphans that this process' children leave."""
    with contextlib.suppress(OSError):
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def outside(pid: int) -> int:
    """Return a child's number in `/proc`, which differs where `/proc` is that of another namespace."""
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
    """Kill and reap the children of this process that are not among `mine`, and the orphans of those, until none is left."""
    until = time.monotonic() + _KILLING_S
    while (strays := [pid for pid in _inside(children("self")) if pid not in mine]) and time.monotonic() < until:
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def descendants(pid: int) -> list[int]:
    """Return a process and its descendants, by their numbers in `/proc`, itself first."""
    found = [pid]
    for one in found:
        found += children(str(one))
    return found


def children(of: str) -> list[int]:
    """Return the children of a process, by their numbers in `/proc`; none where it has just ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{of}/task"):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{of}/task/{task}/children").read_text().split())
    return found


def _inside(pids: list[int]) -> Iterator[int]:
    """Yield this process' numbers of other processes, which may differ from those in `/proc`."""
    for pid in pids:
        with contextlib.suppress(OSError, StopIteration, ValueError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            yield next(int(line.split()[-1]) for line in lines if line.startswith("NSpid:"))
