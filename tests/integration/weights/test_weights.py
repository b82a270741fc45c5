"""The account of weights on real files: every way in which a .tflite holds a constant, and what this project's own quantizers make."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toolkit.environments import resolve
from toolkit.errors import UnknownName
from toolkit.jobs.job import Engine, Job
from toolkit.profiles.weight_limits import Weights
from toolkit.settings import Settings
from toolkit.weights.account_job import account_job
from toolkit.weights.judge import judge_account

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def files(home, tmp_path_factory):
    """Return the folder that make_weights.py writes."""
    folder = tmp_path_factory.mktemp("weights")
    python = resolve("litert", settings=Settings(home=home, offline=True)).python
    command = [python, Path(__file__).with_name("make_weights.py"), folder]
    ended = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def judge(files, executor):
    """Return a function that returns the account of a file against floats.tflite."""

    def of(name, signature=None):
        (entry,) = executor.run(account_job(files / f"{name}.tflite", files / "floats.tflite", signature=signature))
        return judge_account(entry.result, Weights(), "quantization")

    return of


@pytest.mark.parametrize(("name", "dtype"), [("int4", "int4"), ("blocks", "int4"), ("float16", "float16")])
def test_weights_are_read_however_they_are_held(judge, name, dtype):
    found = judge(name)

    assert found.findings == ()
    assert (found.matrices, found.matched) == (3, 3)
    assert {row["dtype"] for row in found.worst if row["role"] == "matrix"} == {dtype}


def test_a_sparse_encoding_is_said_not_to_be_read(judge):
    found = judge("sparse")

    assert {row["why"] for row in found.unmatched} == {"is held in a sparse encoding, which is not read"}
    assert [each.code for each in found.findings if each.severity == "error"] == ["other-weights"]


def test_of_two_signatures_the_one_that_is_meant_is_looked_into(judge):
    """The second has a matrix that is twice as large."""
    assert judge("two", "first").findings == ()
    assert [(row["tensor"], row["what"]) for row in judge("two", "second").wrong] == [
        ("own", "all values are multiplied by 2")
    ]


def test_a_signature_that_is_not_there_is_said(files, executor):
    (outcome,) = executor.outcomes([account_job(files / "two.tflite", files / "floats.tflite", signature="frist")])

    assert isinstance(outcome.error, UnknownName)
    assert "did you mean 'first'" in str(outcome.error)


def test_operators_that_draw_random_numbers_are_an_error_of_the_file(files, executor):
    job = Job(
        "inspect",
        "conversion.converters.tflite",
        "inspect",
        Engine("litert", preload=False),
        inputs={"model": files / "drawing.tflite"},
    )
    (entry,) = executor.run(job)

    (finding,) = (each for each in entry.result["findings"] if each["code"] == "random-operators")
    assert (finding["severity"], finding["names"]) == ("error", ["RANDOM_UNIFORM"])
