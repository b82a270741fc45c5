"""Edges of .tflite files rewritten by the job that builds use, and both files run on the same kernels: every bit that comes out is the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from toolkit.environments import resolve
from toolkit.errors import Unconvertible
from toolkit.execution.run import AtEdges, Execution, run_job, run_of
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings
from toolkit.tensors.signature import Signature
from toolkit.wire.shards import ShardWriter, read_all

ROOT = Path(__file__).resolve().parents[4]
HERE = Execution(Engine("litert"), "litert")
TAKES = ("float32", "int32", "uint8")
COUNT = 64


@pytest.fixture(scope="module")
def executor(home):
    with LocalExecutor(Settings(home=home, offline=True)) as running:
        yield running


@pytest.fixture(scope="module")
def files(home, tmp_path_factory):
    """Return the folder that make_files.py writes."""
    folder = tmp_path_factory.mktemp("files")
    python = resolve("litert", settings=Settings(home=home, offline=True)).python
    command = [python, Path(__file__).with_name("make_files.py"), folder]
    ended = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Return samples of x (1, 4), many of them halfway between two integers of the files' grids, some beyond their ends."""
    random, folder = np.random.default_rng(2), tmp_path_factory.mktemp("samples")
    with ShardWriter(folder / "drawn") as writer:
        for _ in range(COUNT // 2):
            writer.add({"x": random.integers(-300, 300, (1, 4)).astype(np.float32) / 32})
        for _ in range(COUNT // 2):
            writer.add({"x": random.normal(scale=4, size=(1, 4)).astype(np.float32)})
    return folder / "drawn"


@pytest.fixture
def rewrite(files, executor):
    """Return a function that rewrites a file for these dtypes with this batch, and returns the file and what is said of it."""

    def make(name, takes=TAKES, batch=None):
        (entry,) = executor.run(
            Job(
                f"rewriting {name}",
                "conversion.converters.tflite",
                "rewrite",
                Engine("litert"),
                options={"name": "made.tflite", "sizes": {} if batch is None else {"x": batch}, "takes": takes},
                inputs={"model": files / f"{name}.tflite"},
            )
        )
        return entry.out / "made.tflite", entry.result

    return make


@pytest.fixture
def run(samples, executor):
    """Return a function that returns what a file gives for the samples, (COUNT, ...), fed as it is told."""

    def make(path, edges=None):
        execution = HERE if edges is None else Execution(HERE.engine, HERE.runtime, edges=edges)
        (entry,) = executor.run(run_job(path, samples, execution))
        return read_all(run_of(entry).outputs, "y")

    return make


@pytest.mark.parametrize("name", ["int8", "int16", "open_int8", "nameless"])
def test_integers_at_the_ends_become_real_numbers_and_nothing_else_changes(files, rewrite, run, name):
    """Fed with the same integers, the same bits come out. The name goes with the edge, so that an application finds it."""
    made, held = rewrite(name, batch=1)

    (x,), (y,) = held["signature"]["inputs"], held["signature"]["outputs"]
    assert [(x["name"], x["dtype"], x["shape"]), (y["name"], y["dtype"], y["shape"])] == [
        ("x", "float32", [1, 4]),
        ("y", "float32", [1, 4]),
    ]
    assert "scale" not in x
    assert y["scale"] == [pytest.approx(1 / 7)]
    grid = Signature.from_json({"key": "", "inputs": [GRIDS[name]], "outputs": []}).inputs
    before = run(files / f"{name}.tflite", AtEdges(gives_real=True))
    after = run(made, AtEdges(rounded=grid))
    assert before.dtype == after.dtype == np.float32
    assert len(np.unique(before)) > 10
    assert before.tobytes() == after.tobytes()


GRIDS = {
    name: {"name": "x", "dtype": dtype, "shape": [1, 4], "scale": [1 / 16], "zero_point": [point]}
    for name, dtype, point in (
        ("int8", "int8", 3),
        ("int16", "int16", 0),
        ("open_int8", "int8", 3),
        ("nameless", "int8", 3),
    )
}


def test_halfway_cases_are_rounded_otherwise_by_the_file_itself(files, rewrite, run):
    """By LiteRT's own kernels, away from 0, and not by XNNPACK's. So the proof feeds integers, and a stage of its own the samples."""
    made, _ = rewrite("int16")

    apart = np.abs(run(files / "int16.tflite", AtEdges(gives_real=True)) - run(made)).max()

    # a step of the input, which is added to itself, is less than one of the output
    assert apart == pytest.approx(1 / 7, rel=1e-5)


def test_an_open_batch_becomes_that_of_one_call(files, rewrite, run):
    """Outputs have the sizes that follow from it, and the same bits."""
    made, held = rewrite("open", batch=1)

    assert [spec["shape"] for side in ("inputs", "outputs") for spec in held["signature"][side]] == [[1, 4], [1, 4]]
    assert run(files / "open.tflite").tobytes() == run(made).tobytes()
    assert held["done"] == ["input x takes 1 in place of an open batch", "output y is 1x4 in place of open sizes"]


def test_a_batch_that_the_graph_holds_as_a_constant_is_no_other_answer(files, rewrite, run):
    """One that was traced with the batch of one call fits; one that was traced with another is refused."""
    made, held = rewrite("reshaped_1", batch=1)

    assert held["signature"]["outputs"][0]["shape"] == [1, 2, 2]
    assert run(files / "reshaped_1.tflite").tobytes() == run(made).tobytes()
    with pytest.raises(Unconvertible, match=r"does not start once its edges are rewritten: .*num_input_elements"):
        rewrite("reshaped_4", batch=1)


@pytest.mark.parametrize(
    ("name", "takes", "says"),
    [
        ("counted", None, "the size of output 'y' is known only when the model has run"),
        ("open_width", None, "input 'x' leaves more open than its first axis"),
        (
            "bare",
            TAKES,
            "input 'x' is int8 without a scale; expected float32, int32, uint8; output 'y' is int8 without",
        ),
        ("counted", TAKES, "input 'x' is bool; expected float32, int32, uint8"),
        ("int8", ("int32",), "input 'x' is int8; expected int32"),
        ("several", TAKES, "it has several signatures; expected one"),
    ],
)
def test_what_cannot_be_rewritten_is_refused_with_all_reasons(rewrite, name, takes, says):
    with pytest.raises(Unconvertible, match=f"{name}.tflite cannot be rewritten: .*{says}"):
        rewrite(name, takes, batch=1)


def test_files_that_lie_behind_a_model_are_missed_aloud(rewrite):
    """Labels, as TFLite's metadata have them."""
    made, held = rewrite("with_files")

    (found,) = held["findings"]
    assert (found["code"], found["names"]) == ("packed-files-left-out", ["labels.txt"])
    assert b"labels.txt" not in made.read_bytes()
