"""Kernels of one engine that disagree on an int8 network are found by the bounds of the stage `kernels`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from toolkit import profiles
from toolkit.comparison.compare import compare
from toolkit.environments import resolve
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings
from toolkit.verdict.stage_run import StageRun
from toolkit.wire.shards import ShardWriter

SHAPE = (1, 8, 8, 4)
COUNT = 40


@pytest.fixture
def judged(tmp_path):
    """Return a function that runs ties.tflite over samples on reference kernels and XNNPACK, judged as the stage `kernels` of `host`."""
    command = [resolve("litert", settings=Settings()).python, Path(__file__).parent / "make_ties.py", tmp_path]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, timeout=600)
    bounds = profiles.find("host").bounds

    def run(samples):
        with ShardWriter(tmp_path / "samples") as writer:
            for sample in samples:
                writer.add({"x": sample.astype(np.float32)})
        model = tmp_path / "ties.tflite"
        jobs = [
            run_job(model, tmp_path / "samples", Execution(Engine("litert"), "litert", kernels))
            for kernels in ("reference", "default")
        ]
        with LocalExecutor(Settings()) as executor:
            runs = [run_of(entry) for entry in executor.run(*jobs)]
        reference, candidate = (StageRun("kernels", each, each.signature).read() for each in runs)
        held = compare(reference, candidate, bounds, stage="kernels", scheme="static_wi8_ai8")
        return {each.output: each for each in held.comparisons if each.metric == "sqnr_db"}

    return run


def test_halves_that_are_rounded_to_even_are_found(judged):
    """One step in the first layer, which no bound minds, is eight in the second: about 7 dB of 15."""
    random = np.random.default_rng(1)
    samples = 2 * (random.integers(0, 40, (COUNT, *SHAPE[:3], 1)) + random.integers(0, 4, (COUNT, *SHAPE)))
    samples[..., ::2] += 1

    found = judged(samples)

    assert [found[name].status for name in ("halves", "differences")] == ["passed", "failed"], found


def test_the_same_network_where_no_half_is_rounded_agrees(judged):
    """It is not the network that is found, but what its kernels make of these samples."""
    found = judged(2 * np.random.default_rng(1).integers(10, 12, (COUNT, *SHAPE)))

    assert all(each.status == "passed" for each in found.values()), found
