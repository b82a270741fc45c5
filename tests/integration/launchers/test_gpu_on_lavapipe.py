"""LiteRT's GPU delegate, really run on the software driver by confined jobs: what it took, what it refuses, and what it gets wrong in silence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from toolkit import launchers
from toolkit.environments import resolve
from toolkit.errors import EnvironmentUnavailable, Unconvertible, WorkerRefused
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers.emulation import debian
from toolkit.settings import Settings
from toolkit.wire.shards import ShardWriter, read_all

GPU = Engine("litert", "lavapipe")
COUNT = 5
WIDTH = 1024  # values that `summed` adds up


@pytest.fixture(scope="module")
def settings():
    """The shared home, with the driver made; skipped, loudly, only where its parts cannot be had at all."""
    settings = Settings()
    try:
        launchers.setup(["lavapipe", "litert"], settings)
    except EnvironmentUnavailable as error:
        if debian.missing_programs() or "network" in error.problem or "no Debian archive" in error.problem:
            pytest.skip(f"NOT TESTED, the software Vulkan driver is not available here: {error}")
        raise
    return settings


@pytest.fixture(scope="module")
def files(settings, tmp_path_factory):
    """Return the folder that make_gpu_models.py writes."""
    folder = tmp_path_factory.mktemp("files")
    command = [resolve("litert", settings=settings).python, Path(__file__).parent / "make_gpu_models.py", folder]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


@pytest.fixture
def run(settings, files, tmp_path):
    """Return a function that runs a file over COUNT random samples of a size: its outcome on the GPU, or on the CPU."""
    with LocalExecutor(settings) as executor:

        def make(name, kernels="float32", *, scale=1.0, engine=GPU, runtime="litert_gpu"):
            samples = tmp_path / f"samples {name} {scale}"
            if not samples.exists():
                shape = {"summed": (1, WIDTH), "recurrent": (1, 1, 4), "ranked": (1, 10)}.get(name, (1, 4))
                random = np.random.default_rng(1)
                with ShardWriter(samples) as writer:
                    for _ in range(COUNT):
                        writer.add({"x": scale * random.uniform(0.5, 1.5, size=shape).astype(np.float32)})
            job = run_job(files / f"{name}.tflite", samples, Execution(engine, runtime, kernels))
            (outcome,) = executor.outcomes([job])
            return outcome

        def values(*asked, **more):
            outcome = make(*asked, **more)
            assert outcome.error is None, outcome.error
            done = run_of(outcome.entry)
            return done, read_all(done.outputs, "y").astype(np.float64)

        make.values = values
        make.on_cpu = lambda name, **more: values(name, "default", engine=Engine("litert"), runtime="litert", **more)[1]
        yield make


def test_it_computes_on_the_gpu_in_float32_and_in_float16(run):
    """The first as the CPU does, the second with an error of float16; both say what ran where, and under which confinement."""
    cpu = run.on_cpu("dense")

    (single, by_single), (half, by_half) = run.values("dense"), run.values("dense", "default")

    assert np.abs(by_single - cpu).max() < 1e-5
    assert 1e-5 < np.abs(by_half - cpu).max() < 1e-2
    for done in (single, half):
        assert done.delegated == {"operators": [2, 2], "multiply_accumulates": [32, 32], "left": []}
        assert done.engine.startswith("ai-edge-litert GPU delegate ")
        assert str(done.about["emulator"]).startswith("Mesa lavapipe ")
        assert "Landlock" in str(done.about["confined"])


def test_what_it_leaves_to_the_cpu_is_told(run):
    """Two of four operators, with the engine's reason; and so many of the multiplications. The delegate takes one part of the graph only."""
    done, by_gpu = run.values("left")

    assert done.delegated == {
        "operators": [2, 4],
        "multiply_accumulates": [32, 52],
        "left": ["L2_NORMALIZATION: Operation is not supported."],
    }
    assert np.abs(by_gpu - run.on_cpu("left")).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", r"nothing\.tflite: LiteRT's GPU delegate takes none of its operators \(L2_NORMALIZATION\)"),
        ("recurrent", r"recurrent\.tflite: .*Variable tensors not yet supported: it keeps state in variable tensors"),
    ],
)
def test_what_it_does_not_run_is_refused_and_never_run_on_the_cpu(run, name, says):
    """In the engine's words, with the next step."""
    error = run(name).error

    assert isinstance(error, Unconvertible)
    with pytest.raises(Unconvertible, match=says):
        raise error
    assert "android-arm64" in str(error.hint)


@pytest.mark.parametrize(
    ("name", "says"), [("invalid", "Validation error: "), ("ranked", "TopK requires src tensor C dimension")]
)
def test_a_kernel_that_is_invalid_is_an_error(run, name, says):
    """The engine prints it, says that all is well, and gives numbers that nothing computed."""
    error = run(name).error

    assert isinstance(error, WorkerRefused)
    assert f"GPU delegate made an invalid kernel, and would have run it: {says}" in error.problem


def test_without_a_driver_it_is_unavailable_and_never_run_on_the_cpu(run):
    """On a launcher that brings none, on a machine that has none that a model's job could reach."""
    error = run("dense", engine=Engine("litert")).error

    assert isinstance(error, EnvironmentUnavailable)
    assert "found no Vulkan device" in error.problem
    assert "setup lavapipe" in str(error.hint)


def test_integers_at_the_edges_are_within_a_step(run):
    """In float32 and in float16: such a file feeds and gets int8 through the same buffers."""
    cpu = run.on_cpu("edges")

    single, half = run.values("edges")[1], run.values("edges", "default")[1]

    assert np.ptp(cpu) > 20
    assert max(np.abs(single - cpu).max(), np.abs(half - cpu).max()) <= 1


def test_beyond_float16_the_driver_gives_finite_numbers_that_are_wrong(run):
    """A sum of 81,920: this is why activations beyond the range are looked for, and why that the outputs agree is no proof."""
    small, large = ({"scale": scale} for scale in (1.0, 80.0))

    (_, right), (_, wrong) = run.values("summed", "default", **small), run.values("summed", "default", **large)

    assert np.abs(right - run.on_cpu("summed", **small)).max() < 0.01
    assert np.isfinite(wrong).all()
    single = run.values("summed", **large)[1]
    assert np.abs(single / run.on_cpu("summed", **large) - 1).max() < 1e-5
    assert np.abs(wrong / single - 1).max() > 0.02
