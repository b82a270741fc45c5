"""What a board adds to a job: `python tests/bench/boards.py`. The board is a real OpenSSH server on loopback, so no network is in it.

Prints milliseconds, the middle of many: a small job here, and the same on the board, one after another with workers that have started; and the
first contact, for each build. Fails where a job on the board takes more than 0.3 s longer.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.integration.launchers.loopback_board import HOST, board_in, reachable  # noqa: E402 (from this checkout)
from toolkit.jobs.job import Engine, Job  # noqa: E402 (likewise)
from toolkit.jobs.local_executor import LocalExecutor  # noqa: E402 (likewise)
from toolkit.launchers import ssh  # noqa: E402 (likewise)
from toolkit.settings import Settings  # noqa: E402 (likewise)
from toolkit.wire.shards import ShardWriter  # noqa: E402 (likewise)

TIMES = 15
LIMIT_S = 0.3


def job_s(executor: LocalExecutor, job: Job) -> float:
    """Return the middle of the seconds that a job takes, the first left out: it starts the worker."""
    found = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        executor.run(replace(job))
        found.append(time.perf_counter() - began)
    return statistics.median(found[1:])


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        with ShardWriter(Path(folder) / "samples") as writer:
            writer.add({"x": np.zeros((1, 2), np.float32)})
        board = board_in(Path(folder) / "board")
        on_board = Engine("dataset", "ssh", {"host": HOST})
        samples = {"samples": Path(folder) / "samples"}
        try:
            with reachable(board), LocalExecutor(Settings()) as executor:
                executor.prepare(on_board)
                began = time.perf_counter()
                ssh.prepare("dataset", on_board.options, Settings())
                contact_s = time.perf_counter() - began
                here, there = (
                    job_s(executor, Job("first", "wire.subset", "first", engine, {"count": 1}, samples, cached=False))
                    for engine in (Engine("dataset"), on_board)
                )
        finally:
            board.stop()
    sys.stdout.write(
        f"first contact {contact_s * 1e3:.0f} ms, job here {here * 1e3:.0f} ms, on the board {there * 1e3:.0f} ms\n"
    )
    if there - here > LIMIT_S:
        sys.exit(f"a job on the board takes {there - here:.2f} s longer, more than {LIMIT_S} s")


if __name__ == "__main__":
    main()
