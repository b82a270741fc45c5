"""LiteRT.js on WebGPU in a real page: a model that WebGPU takes as a whole runs, and no part of another runs on Wasm in silence."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest

from tests.conftest import ROOT
from toolkit.environments import resolve
from toolkit.errors import TargetUnavailable
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import chromium
from toolkit.settings import Settings
from toolkit.wire.shards import ShardWriter, read_all

PAGE = Execution(Engine("litert", "chromium", {"accelerator": "webgpu", "adapter": "swiftshader"}), "litert_web")
HERE = Execution(Engine("litert"), "litert")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the folder that make_gpu_models.py writes; skipped, loudly, only where there is no browser or no package for its page."""
    state = chromium.status(Settings())
    if not state.ready:
        pytest.skip(f"NOT TESTED: WebGPU in a page; {state.problem}")
    folder, maker = tmp_path_factory.mktemp("files"), ROOT / "tests/integration/launchers/make_gpu_models.py"
    command = [resolve("litert", settings=Settings()).python, maker, folder]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    return folder


@pytest.fixture
def run(files, tmp_path):
    """Return a function that runs a file over two random samples."""
    with ShardWriter(tmp_path / "samples") as writer:
        for x in np.random.default_rng(1).normal(size=(2, 1, 4)).astype(np.float32):
            writer.add({"x": x})
    with LocalExecutor(Settings()) as executor:

        def make(name, execution):
            (outcome,) = executor.outcomes([run_job(files / f"{name}.tflite", tmp_path / "samples", execution)])
            return outcome

        yield make


def test_a_model_that_webgpu_takes_runs(run):
    page, here = (read_all(run_of(run("dense", each).entry).outputs, "y") for each in (PAGE, HERE))

    assert np.abs(page - here).max() < 1e-2  # the page computes in float16


@pytest.mark.parametrize("name", ["left", "high"])
def test_no_part_of_a_model_runs_on_wasm_in_silence(run, name):
    """Its last layers give their results on WebGPU, and LiteRT.js calls `high` fully accelerated, for XNNPACK takes the rest."""
    error = run(name, PAGE).error

    assert isinstance(error, TargetUnavailable)
    assert "WebGPU takes only a part of this model" in error.problem


def test_a_shader_that_is_invalid_is_an_error(run):
    """LiteRT.js goes on, and gives zeros that nothing computed."""
    error = run("invalid", PAGE).error

    assert error is not None
    assert "WebGPU calls what the engine made invalid: " in error.problem
