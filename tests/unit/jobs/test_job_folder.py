"""A job's folder holds all that the job needs: its inputs are links in it, and the request names them relative to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from toolkit.errors import EdgeToolkitError, WorkerRefused
from toolkit.execution.run import Execution, run_job
from toolkit.jobs import job_folder
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.store import Entry
from toolkit.settings import Settings
from toolkit.wire.request import read_request, sha256
from toolkit.wire.shards import ShardWriter

PACKAGE = Path(job_folder.__file__).parents[1]
SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 3]}],
}


@pytest.fixture
def jobs(tmp_path):
    """Return a maker of two jobs, of which the second reads what the first one gave: samples, and a fake model over them."""

    def make(do: str = "answer", model: str = "model.fake") -> tuple[Job, Job]:
        with ShardWriter(tmp_path / "samples") as writer:
            for value in range(5):
                writer.add({"x": np.full((1, 2), value, np.float32)})
        (tmp_path / model).write_text(json.dumps({"signature": SIGNATURE, "do": do}))
        samples = Job(
            "the first", "wire.subset", "first", Engine("dataset"), {"count": 3}, {"samples": tmp_path / "samples"}
        )
        return samples, run_job(tmp_path / model, samples.output("samples"), Execution(Engine("dataset"), "fake"))

    return make


def done(home: Path, *wanted: Job) -> list[Entry]:
    with LocalExecutor(Settings(home=home, offline=True)) as executor:
        return executor.run(*wanted)


def given(entry: Entry) -> dict[str, str]:
    """Return the hashes of what a job wrote, without the durations that it measured."""
    return {
        path.relative_to(entry.out).as_posix(): sha256(path)
        for path in entry.out.rglob("*")
        if path.is_file() and path.name != "call_ms.npy"
    }


def texts(value: object) -> list[str]:
    """Return all texts in JSON."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def test_a_request_names_no_place_of_this_machine(jobs, tmp_path):
    """Neither a file of the user's nor the store is told by where it is; the links are gone when the job is finished."""
    for entry in done(tmp_path / "home", *jobs()):
        asked, request = read_request(entry.folder)

        assert [text for text in texts(asked) if str(tmp_path) in text or text.startswith("/")] == []
        assert all(path.is_relative_to(entry.folder / "inputs") for path in request.inputs.values())
        assert not (entry.folder / "inputs").exists()


def test_keys_and_answers_are_the_same_wherever_the_store_lies(jobs, tmp_path):
    """Another user's cache, another disk: what was computed there would serve here."""
    first = done(tmp_path / "home", *jobs())
    second = done(tmp_path / "other" / "deeper" / "home", *jobs())

    assert [entry.key for entry in first] == [entry.key for entry in second]
    assert [given(entry) for entry in first] == [given(entry) for entry in second]
    assert first[0].digest == second[0].digest
    assert [entry.folder for entry in first] != [entry.folder for entry in second]


def test_a_failed_job_can_be_run_again_by_hand_wherever_its_store_is_moved_to(jobs, tmp_path):
    """What another job gave is found from the folder itself."""
    _, run = jobs("raise")
    with pytest.raises(WorkerRefused) as caught:
        done(tmp_path / "home", run)
    kept = Path(caught.value.hint.rpartition("kept in ")[2])
    (tmp_path / "home").rename(tmp_path / "moved")
    kept = tmp_path / "moved" / kept.relative_to(tmp_path / "home")
    (tmp_path / "model.fake").write_text(json.dumps({"signature": SIGNATURE, "do": "answer"}))

    code = f"from toolkit.jobs.worker_child import run_job, Path; run_job(Path({str(kept)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=True)

    assert json.loads((kept / "out/outputs/index.json").read_text())["count"] == 3


def test_files_that_lie_beside_each_other_still_do(tmp_path):
    """An index names the files of values by what stands beside it; equal names of two folders stay apart."""
    for name in ("a/model.index", "a/model.data", "b/model.index"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    inputs = {
        "index": tmp_path / "a/model.index",
        "other": tmp_path / "b/model.index",
        "data": tmp_path / "a/model.data",
    }
    (tmp_path / "job").mkdir()

    job_folder.make(tmp_path / "job", tmp_path / "store", {"options": {}}, inputs)
    _, request = read_request(tmp_path / "job")

    assert {name: path.read_text() for name, path in request.inputs.items()} == {
        "index": "a/model.index", "other": "b/model.index", "data": "a/model.data"
    }  # fmt: skip
    assert request.inputs["index"].parent == request.inputs["data"].parent
    assert {name: path.name for name, path in request.inputs.items()} == {
        name: path.name for name, path in inputs.items()
    }


@pytest.mark.parametrize("path", ["/", "a/..", "a/b/.."])
def test_a_folder_without_a_name_of_its_own_is_linked_by_the_one_that_it_has(tmp_path, path):
    """`..` as a link's name would be the folder that the links lie in."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "job").mkdir()

    job_folder.make(tmp_path / "job", tmp_path / "store", {"options": {}}, {"source": tmp_path / path})
    _, request = read_request(tmp_path / "job")

    assert os.path.samefile(request.inputs["source"], tmp_path / path)
    assert (tmp_path / "job/inputs/0").is_dir()


def test_the_same_path_twice_is_linked_once(tmp_path):
    """A model that is held against itself."""
    (tmp_path / "model").write_text("one")
    (tmp_path / "job").mkdir()

    job_folder.make(
        tmp_path / "job", tmp_path / "store", {"options": {}}, dict.fromkeys(("model", "floats"), tmp_path / "model")
    )
    _, request = read_request(tmp_path / "job")

    assert request.inputs["model"].read_text() == request.inputs["floats"].read_text() == "one"


@pytest.mark.parametrize("folder", ["plain", "with space", "esc\x1b[2J\nape"])
def test_messages_name_what_the_user_named_and_not_the_link(tmp_path, folder):
    """Whatever a library says of the path that it was given."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "model").write_text("")
    (tmp_path / "job").mkdir()
    made = job_folder.make(
        tmp_path / "job", tmp_path / "store", {"options": {}}, {"model": tmp_path / folder / "model"}
    )
    link = tmp_path / "job/inputs/0/model"

    error = made.retold(EdgeToolkitError(f"{link}: damaged", f"look at '{link}'"))

    assert str(tmp_path / "job") not in error.text
    assert error.problem == EdgeToolkitError(f"{tmp_path / folder / 'model'}: damaged").problem
    assert error.hint == EdgeToolkitError("", f"look at '{tmp_path / folder / 'model'}'").hint


def test_a_failed_job_tells_its_user_which_file_of_his_it_was(jobs, tmp_path):
    """As the worker said it: by the path that it has."""
    samples, _ = jobs()
    (tmp_path / "samples/index.json").unlink()

    with pytest.raises(EdgeToolkitError) as caught:
        done(tmp_path / "home", samples)

    assert f"No such file or directory: '{tmp_path / 'samples/index.json'}'" in caught.value.problem
    assert "inputs/0" not in caught.value.text
