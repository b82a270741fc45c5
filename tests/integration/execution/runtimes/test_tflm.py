"""TFLite Micro, really run by confined jobs: names and orders, state, tensors for `debug`, and how it fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from toolkit import profiles
from toolkit.environments import resolve
from toolkit.errors import Unconvertible, UnknownName, WorkerCrashed, WorkerRefused
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.pipeline import arena
from toolkit.settings import Settings
from toolkit.wire.shards import ShardWriter, read_all

TFLM = Execution(Engine("tflite_micro"), "tflm")
RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def executor(home):
    """Return workers in this machine's environments."""
    with LocalExecutor(Settings(home=home)) as made:
        yield made


def in_its_environment(home: Path, *arguments: object) -> str:
    """Return what a Python program prints that runs in TFLite Micro's environment."""
    python = resolve("tflite_micro", Settings(home=home)).python
    ended = subprocess.run(
        [python, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended.stdout


@pytest.fixture(scope="module")
def models(home, tmp_path_factory):
    """Return the folder that make_micro_models.py writes."""
    folder = tmp_path_factory.mktemp("models")
    in_its_environment(home, Path(__file__).parent / "make_micro_models.py", folder)
    return folder


@pytest.fixture
def run(executor, models, tmp_path):
    """Return a function that runs a model over samples, {name: (N, *shape)}, and returns its outputs, or raises the error."""

    def run(name, signature=None, **inputs):
        with ShardWriter(tmp_path / "samples") as writer:
            for place in range(len(next(iter(inputs.values())))):
                writer.add({key: values[place] for key, values in inputs.items()})
        job = run_job(models / f"{name}.tflite", tmp_path / "samples", TFLM, signature=signature)
        (outcome,) = executor.outcomes([job])
        found = run_of(outcome.entry)
        return found, {spec.name: read_all(found.outputs, spec.name) for spec in found.signature.outputs}

    return run


def test_inputs_and_outputs_have_the_names_of_the_signature(run):
    """The engine knows them by their order in the graph only, which is another than that of the names."""
    a, b = (RANDOM.normal(size=(3, 1, 4)).astype(np.float32) for _ in "ab")

    found, outputs = run("named", a=a, b=b)

    np.testing.assert_array_equal(outputs["z"], a - b)
    np.testing.assert_array_equal(outputs["y"], (a - b) ** 2)
    assert found.engine == "tflite-micro 0.dev20261023182759"


def test_each_sample_begins_without_the_state_of_the_one_before(run):
    """A filter with memory would give 11 for the second of two ones."""
    _, outputs = run("kept", x=np.ones((2, 1, 1), np.float32))

    assert outputs["y"].ravel().tolist() == [1.0, 1.0]


def test_a_missing_operator_is_named_in_the_engines_own_words(run):
    """Its exception says only that tensors could not be allocated; the reason is on file descriptor 2."""
    with pytest.raises(WorkerRefused, match=r"failed to allocate tensors: .*Didn't find op for builtin opcode 'GELU'"):
        run("lacking", x=np.ones((1, 1, 8), np.float32))


def test_an_abort_ends_its_job_only(run):
    """SOFTMAX's multiplier of such a scale is no number that its kernel can hold."""
    with pytest.raises(WorkerCrashed, match="killed by SIGABRT"):
        run("aborting", x=np.ones((1, 1, 8), np.int8))

    _, outputs = run("named", a=np.ones((1, 1, 4), np.float32), b=np.zeros((1, 1, 4), np.float32))
    assert outputs["z"].tolist() == [[[1, 1, 1, 1]]]


def test_only_a_signature_of_the_first_graph_runs(run):
    """Of two graphs the engine starts the first; the answer of another would be another signature's."""
    x = np.float32([[[-1, 2, -3, 4]]])

    _, outputs = run("several", signature="absolute", x=x)

    np.testing.assert_array_equal(outputs["y"], np.abs(x))
    with pytest.raises(Unconvertible, match="signature 'negative' is graph 1 of the file; TFLite Micro starts graph 0"):
        run("several", signature="negative", x=x)
    with pytest.raises(UnknownName, match="positive"):
        run("several", signature="positive", x=x)


def test_samples_with_other_names_are_refused(run):
    with pytest.raises(WorkerRefused, match=r"given \['a'\], the model takes \['a', 'b'\]"):
        run("named", a=np.ones((1, 1, 4), np.float32))


def test_every_tensor_of_the_graph_can_be_read(home, models):
    """Each with the operator that gives it; an arena that is planned for speed would have overwritten the first."""
    program = """
import sys
from pathlib import Path
import numpy as np
from toolkit.execution.runtimes.tflm import tap
tapped = tap(Path(sys.argv[1]), {"threads": 1})
sample = {"a": np.float32([[5, 4, 3, 2]]), "b": np.float32([[1, 1, 1, 1]])}
for _ in range(2):
    arrays = tapped.call(sample)
print([(spec["name"], spec["operator"], array.ravel().tolist()) for spec, array in zip(tapped.tensors, arrays, strict=True)])
"""
    said = in_its_environment(home, "-c", program, models / "named.tflite").splitlines()[-1]

    assert said == str([
        ("first", "", [5.0, 4.0, 3.0, 2.0]),
        ("second", "", [1.0, 1.0, 1.0, 1.0]),
        ("less", "SUB", [4.0, 3.0, 2.0, 1.0]),
        ("squared", "MUL", [16.0, 9.0, 4.0, 1.0]),
    ])  # fmt: skip


def test_an_arena_is_tried_with_the_sizes_that_the_engine_has(executor, models):
    """A file with an open batch has one in memory; the least size runs, and the next smaller one does not."""
    board = profiles.find("arduino-nano-33-ble")

    for name in ("named", "open", "kept"):
        found = arena.measured(models / f"{name}.tflite", None, board, executor)

        assert 0 < found.least_bytes <= found.recommended_bytes
        assert found.least_bytes % 16 == 0
        assert found.head_bytes + found.tail_bytes == found.recorded_bytes
    with pytest.raises(Unconvertible, match=r"does not run in an arena of any size: .*GELU"):
        arena.measured(models / "lacking.tflite", None, board, executor)
