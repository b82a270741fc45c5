"""Graphs that would read, write, delete or call what is not theirs: refused before anything of them runs, by whatever verb they come in."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from toolkit.environments import resolve
from toolkit.errors import RequestError
from toolkit.jobs.job import Output
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.samples.dataset import samples_job
from toolkit.settings import Limits, Settings
from toolkit.source import inspection, location, source
from toolkit.source.original import Original
from toolkit.wire.shards import read_all

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "make_hostile_graphs.py"
PATIENCE_S, MEMORY = 300, 8_000_000_000
SECRET = 73402151.0  # as in the script; what a model could make of it lies near it, or is the sum of its characters
OF_LETTERS = (sum(b"73402151\n73402152\n"), sum(b"73402151"))
AT_ONCE = (
    "initialize",
    "create",
    "restore_saves",
    "restore_elsewhere",
    "main_op",
)  # do harm as soon as they are loaded

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def executor(home) -> Iterator[LocalExecutor]:
    """Return workers that all tests here share, so that TensorFlow is imported once."""
    with LocalExecutor(Settings(home=home, limits=Limits(PATIENCE_S, MEMORY))) as shared:
        yield shared


@pytest.fixture(scope="module")
def hostile(home, tmp_path_factory) -> tuple[list[dict], Path]:
    """Return the index of the models that the script writes, and the canary's folder."""
    folder, canary = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("watched") / "canary"
    python = resolve("tensorflow", settings=Settings(home=home)).python
    variables = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [python, SCRIPT, folder, canary]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    return json.loads((folder / "index.json").read_text()), canary


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    """Return samples for all of them: x (8, 3)."""
    path = tmp_path_factory.mktemp("samples") / "x.npz"
    np.savez(path, x=np.random.default_rng(0).uniform(0, 3, (8, 3)).astype(np.float32))
    return path


def original(model: dict, *, trust: bool = False) -> Original:
    return Original(Path(model["path"]), inputs=model.get("inputs", {}), outputs=model.get("outputs", {}), trust=trust)


def state(folder: Path) -> dict[str, bytes | None]:
    """Return what lies in a folder: the content of each file."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_no_hostile_graph_is_run(hostile, executor):
    """Each is refused with what it can do; what it was after is as it was. More than sixty, by as many ways in."""
    models, canary = hostile
    before, wrong = state(canary), {}
    refused = [model for model in models if model["says"] is not None and "damaged" not in model]

    for model in refused:
        try:
            source.open_source(original(model), executor)
            wrong[model["name"]] = "was opened"
        except RequestError as error:
            if model["says"] not in error.problem:
                wrong[model["name"]] = error.problem

    assert len(refused) > 60
    assert not wrong
    assert state(canary) == before


def said_by_inspect(asked: Original, executor: LocalExecutor) -> str:
    """Return the errors that inspect finds, or why it refuses."""
    try:
        looked = source.inspect_source(asked, executor)
    except RequestError as error:
        return error.problem
    return " ".join(each["message"] for each in looked["findings"] if each["severity"] == "error")


def test_inspect_names_it_and_runs_nothing(hostile, executor):
    """As a finding, or where the files cannot be read at all as a refusal."""
    models, canary = hostile
    before = state(canary)
    looked = [model for model in models if model["says"] is not None and "damaged" not in model]

    said = {model["name"]: (model["says"], said_by_inspect(original(model), executor)) for model in looked}

    assert {name: text for name, (says, text) in said.items() if says not in text} == {}
    assert state(canary) == before


def test_a_cut_that_is_looked_at_loads_nothing_either(hostile, executor):
    """With tensors to cut at, inspect loads the graph; an initializer would run then."""
    models, canary = hostile
    before = state(canary)

    for model in (model for model in models if model["name"] in AT_ONCE):
        cut = Original(Path(model["path"]), inputs={"x": "x:0"}, outputs={"y": "y:0"})
        assert model["says"] in said_by_inspect(cut, executor), model["name"]

    assert state(canary) == before


def test_a_worker_refuses_what_the_host_let_through(hostile, executor):
    """The job that loads the model looks again, at the bytes that it loads."""
    models, canary = hostile
    before = state(canary)

    for model in (model for model in models if model["name"] in (*AT_ONCE, "table_of_a_path", "merge")):
        kind, files = location.locate(original(model))
        with pytest.raises(RequestError, match="running it lets it do that"):
            inspection.load(original(model), kind, files, executor)

    assert state(canary) == before


def test_a_damaged_graph_is_refused_by_what_loads_it(hostile, executor):
    """With the file's name and what TensorFlow says of it, not with an error of ours."""
    models, _ = hostile
    damaged = [model for model in models if "damaged" in model]

    for model in damaged:
        kind, files = location.locate(original(model))
        with pytest.raises(RequestError, match=model["says"]):
            inspection.load(original(model), kind, files, executor)

    assert damaged


def test_healthy_graphs_run_without_trust(hostile, executor, samples):
    """Tables of assets, variables that are restored, devices that are not here, a file that is read beside the part that is wanted."""
    models, canary = hostile
    before = state(canary)
    healthy = [model for model in models if model["says"] is None]

    for model in healthy:
        opened = source.open_source(original(model), executor)
        drawn = samples_job(None, str(samples), opened.signature)
        executor.run(source.canonical_job(opened, Output(drawn, "verification")))
        (ran,) = executor.run(source.reference_job(opened, Output(drawn, "verification"), device="cpu"))
        values = read_all(ran.out / "outputs", "y")
        assert values.size == 24, model["name"]
        assert np.isfinite(values).all(), model["name"]
        assert values.max() < min(SECRET, *OF_LETTERS), model["name"]

    assert {model["name"] for model in healthy} >= {
        "healthy",
        "healthy_table",
        "healthy_v1",
        "frozen_beside",
        "meta_healthy",
    }
    assert state(canary) == before


def test_a_model_that_changed_is_looked_at_again(hostile, executor, tmp_path):
    """What was found of a file is found of its content, not of its name."""
    models, _ = hostile
    by_name = {model["name"]: Path(model["path"]) for model in models}
    place = tmp_path / "model.pb"
    ends = {"inputs": {"x": "x:0"}, "outputs": {"y": "y:0"}}
    place.write_bytes(by_name["frozen_healthy"].read_bytes())
    source.open_source(Original(place, **ends), executor)

    place.write_bytes(by_name["frozen_writes"].read_bytes())

    with pytest.raises(RequestError, match="WriteFile"):
        source.open_source(Original(place, **ends), executor)
