"""The limits of a job on this machine: memory, which the system refuses beyond the limit, and disk space."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

# The system counts memory that engines reserve and never touch; the job's limit does not: stacks of threads (8 MB each), arenas of malloc.
# Most of it was seen in litert-quantizer, 252 MB on two cores with 16 threads, then in TensorFlow, 177 MB. Threads come with the cores.
_UNTOUCHED_BYTES = 1_000_000_000
_UNTOUCHED_OF_A_CORE_BYTES = 64_000_000
_EMULATOR_BYTES = 2_000_000_000  # QEMU 7.2 reserves 1 GiB for translated code, besides the memory of its program
_LARGEST = 2**63 - 1  # the largest limit that Python can pass to the kernel
MOST_PROCESSES = 1000  # of the user's code; a pool has one for each core


def hold(memory_bytes: int, written_bytes: int, *, emulated: bool = False) -> None:
    """Let the system refuse memory beyond the limit, too large files and core dumps, to this process and all that it starts.

    Memory that this process has already, by the engine's import, is not counted.
    """
    cores = os.cpu_count() or 1
    untouched = _UNTOUCHED_BYTES + cores * _UNTOUCHED_OF_A_CORE_BYTES + emulated * _EMULATOR_BYTES
    data = _data_bytes() + memory_bytes + untouched
    for what, most in ((resource.RLIMIT_DATA, data), (resource.RLIMIT_FSIZE, written_bytes), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        value = min(most, _LARGEST if hard == resource.RLIM_INFINITY else hard)
        resource.setrlimit(what, (value, value))


def _data_bytes() -> int:
    """Return the bytes of this process' private, writable memory, touched or not."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def resident(pids: list[int], limit: int) -> int:
    """Return the bytes of memory that processes hold; near the limit, pages that several share count once."""
    held = sum(map(_resident, pids))
    return sum(map(_share, pids)) if held > limit and len(pids) > 1 else held


def written(pids: list[int], *, piped: bool) -> int:
    """Return the bytes that processes, and their ended children, have written to files.

    A file system in memory writes nothing to a disk, so all bytes given to write(2) count there; not where processes are `piped`, as bytes in pipes
    reach no file.
    """
    names = ("write_bytes:",) if piped else ("write_bytes:", "wchar:")
    return sum(max(_field(Path(f"/proc/{pid}/io"), name) or 0 for name in names) for pid in pids)


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):  # it may have just ended
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def _share(pid: int) -> int:
    """Return the bytes of memory that a process holds; of a shared page it holds its share."""
    found = _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")
    return _resident(pid) if found is None else found * 1024


def _field(file: Path, name: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return next((int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith(name)), None)
    return None
