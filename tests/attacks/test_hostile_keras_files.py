"""Keras files that reach out of themselves: each is refused by name before anything loads it, and touches nothing."""

from __future__ import annotations

import json
import os
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.environments import resolve
from toolkit.errors import EdgeToolkitError, InvalidSource, RequestError
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings

HERE = Path(__file__).resolve().parent
PATIENCE_S = 60  # of one file, on a machine that does other things; most take a fifth of a second
pytestmark = pytest.mark.engines


def ran(python, *arguments):
    """Run a script of this folder in an engine's environment."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(
        [python, "-W", "ignore", *map(str, arguments)], env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4000:]


@pytest.fixture(scope="session")
def python(home):
    """Return the interpreter of TensorFlow's environment."""
    return resolve("tensorflow", settings=Settings(home=home)).python


@pytest.fixture(scope="session")
def executor(home):
    """Return one executor for all files, so that TensorFlow is imported once."""
    with LocalExecutor(Settings(home=home)) as shared:
        yield shared


@pytest.fixture(scope="session")
def canary(tmp_path_factory):
    """Return a folder that the files try to reach."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "secret").write_text("0123456789abcdef\n")
    (folder / "keep").mkdir()
    (folder / "keep" / "treasure").write_text("kept\n")
    return folder


@pytest.fixture(scope="session")
def files(python, canary, tmp_path_factory):
    """Return the folder of make_keras_files.py."""
    folder = tmp_path_factory.mktemp("keras_files")
    ran(python, HERE / "make_keras_files.py", folder, canary)
    return folder


@pytest.fixture
def samples(tmp_path):
    """Return samples of the input that all of the files have."""
    np.savez(tmp_path / "fed.npz", x=np.zeros((4, 6), np.float32))
    return Samples(str(tmp_path / "fed.npz"))


def tree(folder):
    """Return what lies in a folder: content by path."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def inspected(file, executor):
    """Return what `inspect` says against a file: its refusal, or its findings."""
    try:
        found = toolkit.inspect(file, executor=executor)["findings"]
    except RequestError as error:  # exit status 2
        return error.problem
    return "\n".join(one["message"] for one in found)


def test_each_file_is_refused_by_name_and_touches_nothing(files, canary, executor, samples, tmp_path):
    """By `inspect` without loading it, and before it is loaded; with the exit status of a wrong request, and soon."""
    before, wrong = tree(canary), []
    expected = json.loads((files / "expected.json").read_text())
    for name, told in expected.items():
        began = time.monotonic()
        said = inspected(files / name, executor)
        with pytest.raises(EdgeToolkitError) as caught:
            toolkit.convert(Original(files / name), "float32", samples, tmp_path / "model.tflite", executor=executor)
        took = time.monotonic() - began
        touched = tree(canary) != before
        if (
            told not in said
            or told not in caught.value.problem
            or caught.value.exit_status != 2
            or touched
            or took > PATIENCE_S
        ):
            wrong.append((name, told, said, str(caught.value), touched, took))

    assert len(expected) >= 100
    assert not wrong


@pytest.mark.parametrize("name", ["write.h5", "vocabulary-StringLookup.keras", "get-file.keras", "operator.h5"])
def test_what_reaches_out_says_how_to_go_on(files, executor, samples, tmp_path, name):
    """A builder, or trust, as for the operators of a SavedModel."""
    with pytest.raises(InvalidSource) as caught:
        toolkit.convert(Original(files / name), "float32", samples, tmp_path / "model.tflite", executor=executor)

    assert "--trust" in str(caught.value.hint)


@pytest.mark.parametrize(
    "name", ["lambda-text.h5", "external.h5", "system-tf_keras.keras", "twice.keras", "instance-method.h5"]
)
def test_code_and_numbers_from_elsewhere_are_refused_with_trust_too(files, canary, executor, samples, tmp_path, name):
    """Trust lets TensorFlow's functions run, and nothing else."""
    before = tree(canary)

    with pytest.raises(InvalidSource) as caught:
        toolkit.convert(
            Original(files / name, trust=True), "float32", samples, tmp_path / "model.tflite", executor=executor
        )

    assert "--trust" not in str(caught.value)
    assert tree(canary) == before


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_inspect_of_a_large_archive_answers_at_once(files, executor, tmp_path, packing):
    """Its weights are read where they lie, or left packed: 300 MB of zeros, and another 100 MB as noise."""
    block = os.urandom(1 << 20)
    large = tmp_path / "large.keras"
    with zipfile.ZipFile(files / "eval.keras") as old, zipfile.ZipFile(large, "w", packing, compresslevel=1) as new:
        for name in ("config.json", "metadata.json"):
            new.writestr(name, old.read(name))
        held = bytearray(old.read("model.weights.h5"))
        held[40:48] = (len(held) + (400 << 20)).to_bytes(8, "little")  # the superblock's end of the file
        with new.open("model.weights.h5", "w", force_zip64=True) as weights:
            weights.write(held)
            for _ in range(100):
                weights.write(block)
            for _ in range(300):
                weights.write(bytes(1 << 20))
    toolkit.inspect(files / "eval.keras", executor=executor)  # which starts the worker

    began = time.monotonic()
    found = toolkit.inspect(large, executor=executor)
    took = time.monotonic() - began

    told = [one["code"] for one in found["findings"]]
    assert ("packed-weights" in told) == (packing == zipfile.ZIP_DEFLATED)
    assert took < 60  # of an idle machine's one second: reading 400 MB for the hash of the job


def test_inspect_of_a_configuration_full_of_code_answers_at_once(files, executor, tmp_path):
    """Thousands of Lambda layers: each part is walked once, not once for each of them (1,000 took 4 s, twice as many four times as long)."""
    part = {"class_name": "__lambda__", "config": {"code": "AAAA"}}
    layers = [{"class_name": "Lambda", "config": {"name": f"e{number}", "function": part}} for number in range(10_000)]
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    full = tmp_path / "full.keras"
    with zipfile.ZipFile(files / "eval.keras") as old, zipfile.ZipFile(full, "w") as new:
        new.writestr("config.json", json.dumps(config))
        for name in ("metadata.json", "model.weights.h5"):
            new.writestr(name, old.read(name))
    toolkit.inspect(files / "eval.keras", executor=executor)  # which starts the worker

    began = time.monotonic()
    found = toolkit.inspect(full, executor=executor)
    took = time.monotonic() - began

    assert "lambda" in [one["code"] for one in found["findings"]]
    assert took < 60  # of an idle machine's half second


def test_the_known_names_are_what_is_installed(python):
    """Each is there, none takes a function or the name of a file, and no layer that is left out has come in."""
    ran(python, HERE / "check_known_names.py")


@pytest.mark.slow
def test_no_healthy_model_is_refused(python):
    """Networks of Keras's own, functions of TensorFlow as layers, lookups, cells, attention: in the forms of both Keras, as .keras and .h5."""
    ran(python, HERE / "check_healthy_configurations.py")
