"""What confinement costs each job and each worker: `python tests/bench/confinement.py [MODULE]`, a module that is imported first, as a worker does.

Prints milliseconds, the least and the middle of many: `ready` is what the worker does before it forks a job, `enter` what the job's process does, and
`enclose` what a worker does once, before it imports anything.
"""

from __future__ import annotations

import importlib
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from toolkit.confinement import Bounds, Confinement, ability, processes  # noqa: E402 (from this checkout)

TIMES = 100
PAIR = struct.Struct("dd")


def in_a_child(do: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """Return what a forked process found."""
    told, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(telling, PAIR.pack(*do()))
        os._exit(0)
    os.close(telling)
    found = PAIR.unpack(os.read(told, PAIR.size))
    os.close(told)
    os.waitpid(pid, 0)
    return found


def job(confinement: Confinement, folder: Path) -> tuple[float, float]:
    """Return the seconds that the worker and the job's process need."""
    began = time.perf_counter()
    with confinement.ready(Bounds((str(folder),)), folder) as ready:
        made = time.perf_counter() - began

        def enter() -> tuple[float, float]:
            began = time.perf_counter()
            ready.enter(8_000_000_000, 64_000_000_000)
            return made, time.perf_counter() - began

        return in_a_child(enter)


def worker() -> tuple[float, float]:
    """Return the seconds that it takes to be enclosed, twice."""
    commands, _ = os.pipe()
    began = time.perf_counter()
    processes.enclose(commands)
    return (time.perf_counter() - began,) * 2


def main() -> None:
    """Measure, and print."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    confinement = Confinement(ROOT / "toolkit", Path.home(), ability())
    confinement.prepare()
    with tempfile.TemporaryDirectory() as folder:
        jobs = [job(confinement, Path(folder)) for _ in range(TIMES)]
    workers = [in_a_child(worker) for _ in range(10)]
    found = {
        "ready": [one for one, _ in jobs],
        "enter": [other for _, other in jobs],
        "enclose": [one for one, _ in workers],
    }
    for name, seconds in found.items():
        print(f"{name:8} {min(seconds) * 1e3:6.2f} ms {statistics.median(seconds) * 1e3:6.2f} ms")


if __name__ == "__main__":
    main()
