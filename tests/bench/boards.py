"""Measure what a board adds to a job; exit with 1 where the limit is missed. The board is a real OpenSSH server on loopback, so no network is in it.

    python boards.py [--rounds 15] [--json FILE]

A small job here, and the same on the board, one after another with workers that have started; and the first contact, for each build. Without an
OpenSSH server nothing is measured, and that is said.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import bench
import numpy as np
import pytest

sys.path.insert(0, str(bench.ROOT))
from tests.integration.launchers.loopback_board import HOST, board_in, reachable
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import ssh
from toolkit.settings import Settings
from toolkit.wire.shards import ShardWriter

LIMIT_S = 0.3


def job_s(executor: LocalExecutor, job: Job, rounds: int) -> list[float]:
    """Return the seconds that a job takes, by round, the first left out: it starts the worker."""
    found = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        executor.run(replace(job))
        found.append(time.perf_counter() - began)
    return found[1:]


def measure(folder: Path, rounds: int) -> bench.Times:
    """Return the seconds of the first contact, and of the job here and on the board."""
    with ShardWriter(folder / "samples") as writer:
        writer.add({"x": np.zeros((1, 2), np.float32)})
    board = board_in(folder / "board")
    on_board = Engine("dataset", "ssh", {"host": HOST})
    samples = {"samples": folder / "samples"}
    try:
        with reachable(board), LocalExecutor(Settings()) as executor:
            executor.prepare(on_board)
            began = time.perf_counter()
            ssh.prepare("dataset", on_board.options, Settings())
            contact_s = time.perf_counter() - began
            jobs = {
                name: Job("first", "wire.subset", "first", engine, {"count": 1}, samples, cached=False)
                for name, engine in (("job here", Engine("dataset")), ("job on the board", on_board))
            }
            seconds = {name: job_s(executor, job, rounds) for name, job in jobs.items()}
    finally:
        board.stop()
    return bench.Times({"first contact": [contact_s], **seconds})


def main() -> int:
    """Measure, print, and return 0 if the limit is met, else 1."""
    asked = bench.arguments(__doc__, rounds=15).parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-toolkit-bench-") as folder:
        try:
            times = measure(Path(folder), asked.rounds)
        except pytest.skip.Exception as missing:
            bench.say(f"NOT MEASURED: {missing}")
            return 0
    here, there = (statistics.median(times.seconds[name]) for name in ("job here", "job on the board"))
    value = bench.Measured("a job on a board", there - here, LIMIT_S, "s", "longer than here, on loopback")
    return bench.told(times, [value], asked.json)


if __name__ == "__main__":
    sys.exit(main())
