"""LiteRT's GPU delegate, really run on the software driver by confined jobs: what it took, what it refuses, and what it gets wrong in silence."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from toolkit import launchers, profiles
from toolkit.comparison.compare import compare
from toolkit.environments import resolve
from toolkit.errors import EnvironmentUnavailable, TargetUnavailable, Unconvertible, WorkerRefused
from toolkit.execution.run import Execution, compiled_first, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import lavapipe
from toolkit.launchers.emulation import debian, known_answer
from toolkit.settings import Settings
from toolkit.verdict.stage_run import StageRun
from toolkit.wire.shards import ShardWriter, read_all

GPU = Engine("litert", "lavapipe")
COUNT = 5
WIDTH = 1024  # values that `summed` adds up
SHAPES = {
    "summed": (1, WIDTH),
    "recurrent": (1, 1, 4),
    "ranked": (1, 10),
    "axes": (1, 4, 4, 12),
    "reshaped": (1, 4, 4, 12),
}


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
                shape = SHAPES.get(name, (1, 4))
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

        def at_delegate(name):
            runs = values(name, "default", engine=Engine("litert"), runtime="litert")[0], values(name)[0]
            cpu, gpu = (StageRun("delegate", each, each.signature).read() for each in runs)
            held = compare(cpu, gpu, profiles.find("android-gpu").bounds, stage="delegate", scheme="float32")
            return {each.status for each in held.comparisons}

        make.values, make.at_delegate = values, at_delegate
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


def test_a_dense_layer_on_four_axes_is_found_to_be_wrong(run):
    """The delegate of 2.3.0 takes it, says nothing, and gives other numbers; behind the RESHAPE that TensorFlow's converter writes they are right."""
    assert run.at_delegate("axes") == {"failed"}
    assert run.at_delegate("reshaped") == {"passed"}


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


def test_shaders_serve_a_run_over_other_samples(settings, files, tmp_path):
    """They are compiled by a job that reads the file alone, so another file has others, and no run can change them."""

    def running(name, value):
        samples = tmp_path / f"{name} {value}"
        with ShardWriter(samples) as writer:
            writer.add({"x": np.full((1, WIDTH) if name == "summed" else (1, 4), value, np.float32)})
        run = compiled_first(run_job(files / f"{name}.tflite", samples, Execution(GPU, "litert_gpu", "float32")))
        return run, run.inputs["compiled"].job

    own = replace(settings, home=tmp_path / "home")
    own.home.mkdir(mode=0o700)
    for shared in ("environments", "systems", "remembered"):
        (own.home / shared).symlink_to(settings.home / shared)
    events = []
    with LocalExecutor(own, watch=lambda job, what, _: events.append((job.title, what))) as executor:
        (first, compiling), (second, again), (other, of_other) = (
            running("dense", 1),
            running("dense", 2),
            running("summed", 1),
        )
        entries = executor.run(first, compiling, second, again, other, of_other)

    assert (entries[1].key, entries[1].digest) == (entries[3].key, entries[3].digest)
    assert entries[5].key != entries[1].key
    assert events.count(("compiling dense.tflite on emulated litert_gpu (float32 kernels)", "started")) == 1
    kept = [path for path in (entries[1].out / "compiled").rglob("foz_cache.foz") if path.stat().st_size > 1000]
    assert len(kept) == 1
    calls = [np.load(entry.out / "call_ms.npy")[0] for entry in (entries[0], entries[2])]
    assert max(calls) < 1e3 * entries[1].seconds


def test_the_known_model_is_made_by_its_script(tmp_path):
    """The same bytes, from the seed; its answer comes from no engine."""
    environment = resolve("litert", Settings())
    command = [environment.python, known_answer.FOLDER / "make_float.py", tmp_path]
    subprocess.run(command, env={**os.environ, **environment.variables}, capture_output=True, check=True)

    assert (tmp_path / "float.tflite").read_bytes() == (known_answer.FOLDER / "float.tflite").read_bytes()
    made, kept = (dict(np.load(folder / "float_answer.npz")) for folder in (tmp_path, known_answer.FOLDER))
    assert {name: values.tolist() for name, values in made.items()} == {
        name: values.tolist() for name, values in kept.items()
    }


def test_a_driver_that_computes_wrongly_is_unavailable(settings, tmp_path, monkeypatch):
    """It is said of the driver, before a job begins, and is not remembered as right; so nothing is blamed on the delegate."""
    launch = lavapipe.prepare("litert", {}, settings)
    folder = tmp_path / "known_answer"
    shutil.copytree(known_answer.FOLDER, folder)
    answer = dict(np.load(folder / "float_answer.npz"))
    answer["3_conv_2d"][0, 0, 0, 2] += 1
    np.savez(folder / "float_answer.npz", **answer)
    monkeypatch.setattr(known_answer, "FOLDER", folder)

    for _ in range(2):
        with pytest.raises(TargetUnavailable) as said:
            lavapipe.prepare("litert", {}, settings)
    wrong = "3_conv_2d in float{}: 1 numbers wrong by up to 1"
    assert said.value.problem == (
        f"{launch.about['engine']} on {launch.about['emulator']}: computes a known float model wrongly "
        f"({wrong.format(16)}, {wrong.format(32)})"
    )
    assert "this driver cannot be trusted" in str(said.value.hint)


def test_a_driver_that_cannot_be_loaded_is_unavailable(settings, tmp_path):
    """As one of another processor, or with a library missing."""
    launch = lavapipe.prepare("litert", {}, settings)
    manifest = tmp_path / "broken.json"
    manifest.write_text(
        '{"file_format_version": "1.0.0", "ICD": {"library_path": "./none.so", "api_version": "1.4.0"}}'
    )
    broken = replace(launch, variables={**launch.variables, "VK_DRIVER_FILES": str(manifest)})

    with pytest.raises(TargetUnavailable, match=r"on Mesa lavapipe .*: failed on a known model \(exit status 1\)"):
        known_answer.known_answer(broken, "litert", gpu=True)
