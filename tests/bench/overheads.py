"""Measure what a worker adds to an engine's call, and how soon an emulated target is ready; exit with 1 where a limit is missed.

    python overheads.py [--rounds 7] [--json FILE]

A worker's calls: the fake runtime, whose call is known, over inputs of 150 kB. What 400 samples take longer than one, by the wall clock from the
request to the stored answer, less the engine's own calls: reading, checking and writing are in it, the start of the job is not.

An emulated target: from a program that begins until the first job of the target's engine has answered, with all its files made. It starts a
processor, Python and the engine there.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import bench
import numpy as np

from toolkit import profiles
from toolkit.execution.run import Execution, run_job
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.pipeline.stages import engine_of
from toolkit.settings import Settings, default_home
from toolkit.wire.shards import ShardWriter

FEW, MANY = 1, 400
SIZE = 150_000  # bytes of an input, uint8: an image of 224 by 224 in three colours
EMULATED = "raspberry-pi-4"
SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "image", "dtype": "uint8", "shape": [1, SIZE]}],
    "outputs": [{"name": "scores", "dtype": "float32", "shape": [1, 10]}],
}


def call_s(executor: LocalExecutor, work: Path, rounds: int) -> list[float]:
    """Return the seconds that a worker adds to each call, by round."""
    (work / "model.fake").write_text(json.dumps({"signature": SIGNATURE}))
    images = np.random.default_rng(0).integers(0, 256, (MANY, 1, SIZE), dtype=np.uint8)
    for count in (FEW, MANY):
        with ShardWriter(work / f"{count}") as writer:
            for image in images[:count]:
                writer.add({"image": image})
    execution = Execution(Engine("dataset"), "fake")
    jobs = {count: run_job(work / "model.fake", work / f"{count}", execution) for count in (FEW, MANY)}
    executor.run(replace(jobs[FEW], cached=False))
    found = []
    for _ in range(rounds):
        took, calls = {}, {}
        for count, job in jobs.items():
            began = time.perf_counter()
            (entry,) = executor.run(replace(job, cached=False))
            took[count] = time.perf_counter() - began
            calls[count] = float(np.load(entry.out / "call_ms.npy").sum()) / 1e3
        found.append((took[MANY] - calls[MANY] - (took[FEW] - calls[FEW])) / (MANY - FEW))
    return found


def ready_s(work: Path, rounds: int) -> list[float]:
    """Return the seconds until the first answer of an emulated engine, by round; the first time, which may make files, is left out."""
    with ShardWriter(work / "one") as writer:
        writer.add({"x": np.zeros((1, 2), np.float32)})
    job = Job(
        "first",
        "wire.subset",
        "first",
        engine_of(profiles.runnable(EMULATED)),
        {"count": 1},
        {"samples": work / "one"},
        cached=False,
    )
    found = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        with LocalExecutor(Settings(home=default_home(), offline=True)) as executor:
            executor.run(replace(job))
            found.append(time.perf_counter() - began)
    return found[1:]


def main() -> int:
    """Measure, print, and return 0 if every limit is met, else 1."""
    asked = bench.arguments(__doc__, rounds=7).parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-toolkit-bench-") as folder:
        work = Path(folder)
        with LocalExecutor(Settings(home=default_home(), offline=True)) as executor:
            calls = call_s(executor, work, asked.rounds)
        ready = ready_s(work, asked.rounds)
    values = [
        bench.Measured(
            "a call through a worker", statistics.median(calls) * 1e3, 2.0, "ms", "more than the bare call, 150 kB"
        ),
        bench.Measured(f"{EMULATED} is ready", statistics.median(ready), 2.0, "s", "warm: first answer of its engine"),
    ]
    return bench.told(bench.Times({"added to a call": calls, "emulated target ready": ready}), values, asked.json)


if __name__ == "__main__":
    sys.exit(main())
