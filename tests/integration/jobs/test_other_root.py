"""Jobs are done where nothing of this machine's disk is seen: folder there, worker there, folder back, and the same answer as here."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toolkit.errors import RequestError, WorkerCrashed
from toolkit.execution.run import Execution, run_job
from toolkit.jobs import job_folder
from toolkit.jobs.access import is_confined
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.store import Entry
from toolkit.samples.dataset import samples_job
from toolkit.settings import Settings
from toolkit.settings.permissions import Permissions
from toolkit.wire.request import sha256
from toolkit.wire.shards import ShardWriter, read_all

CHECKOUT = Path(job_folder.__file__).parents[2]
HERE = Path(__file__).parent
SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 3]}],
}


@pytest.fixture(autouse=True)
def launcher(monkeypatch):
    """Have the launcher of the tests among the toolkit's own."""
    spec = importlib.util.spec_from_file_location("toolkit.launchers.other_root", HERE / "other_root.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, spec.name, module)
    return module


@pytest.fixture(params=["--user --map-root-user --mount", "--mount"], ids=["user", "root"])
def elsewhere(request, tmp_path):
    """Return a maker of an environment's engine in another root; as any user, and as root, who needs no namespace of users for it."""
    tried = subprocess.run(["unshare", *request.param.split(), "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"NOT TESTED, no other root can be made here: unshare {request.param}: {tried.stderr.strip()}")
    return lambda name: Engine(name, "other_root", {"root": str(tmp_path / "root"), "namespaces": request.param})


@pytest.fixture
def fakes(tmp_path):
    """Return a maker of a chain of jobs in an engine: samples of samples, and a fake model over them."""
    with ShardWriter(tmp_path / "samples") as writer:
        for value in range(5):
            writer.add({"x": np.full((1, 2), value, np.float32)})

    def make(engine: Engine, do: str = "answer") -> tuple[Job, Job]:
        (tmp_path / "model.fake").write_text(json.dumps({"signature": SIGNATURE, "do": do}))
        samples = Job("first", "wire.subset", "first", engine, {"count": 3}, {"samples": tmp_path / "samples"})
        return samples, run_job(tmp_path / "model.fake", samples.output("samples"), Execution(engine, "fake"))

    return make


def done(home: Path, *wanted: Job, permissions: Permissions | None = None) -> list[Entry]:
    settings = Settings(home=home, offline=True)
    with LocalExecutor(replace(settings, permissions=permissions) if permissions else settings) as executor:
        return executor.run(*wanted)


def given(entry: Entry) -> dict[str, str]:
    """Return the hashes of what a job wrote, without the durations that it measured."""
    files = [path for path in entry.out.rglob("*") if path.is_file() and path.name != "call_ms.npy"]
    return {path.relative_to(entry.out).as_posix(): sha256(path) for path in files}


def jobs_left(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "root/jobs")


def test_a_job_elsewhere_gives_the_same_bytes_under_the_same_key(fakes, elsewhere, tmp_path):
    """Each in a store of its own, so that nothing is taken from the other; nothing stays there."""
    here = done(tmp_path / "here", *fakes(Engine("dataset")))
    there = done(tmp_path / "there", *fakes(elsewhere("dataset")))

    assert [entry.key for entry in there] == [entry.key for entry in here]
    assert [given(entry) for entry in there] == [given(entry) for entry in here]
    assert there[1].about["launcher"] == "other_root"
    assert jobs_left(tmp_path) == []


def test_a_job_elsewhere_is_confined_as_one_here(fakes, elsewhere, tmp_path):
    """By the kernel, as the worker there says."""
    (here, *_), (there, *_) = (
        done(tmp_path / where, *fakes(engine)[:1])
        for where, engine in (("here", Engine("dataset")), ("there", elsewhere("dataset")))
    )

    assert there.about["confined"] == here.about["confined"]
    assert is_confined(there.about) == is_confined(here.about)


def test_nothing_of_this_checkout_is_seen_there(elsewhere, launcher, tmp_path):
    """Else it would not show that a job's folder is enough."""
    engine = elsewhere("dataset")
    launch = launcher.prepare(engine.environment, engine.options, Settings(home=tmp_path / "home", offline=True))
    enter = launch.command[:-1]

    found = [
        subprocess.run([*enter, "test", "-e", place], check=False).returncode == 0
        for place in (CHECKOUT / "toolkit", HERE, tmp_path / "home", launch.script, "/jobs")
    ]

    assert found == [False, False, False, True, True]


def test_a_crash_elsewhere_is_told_as_one_here(fakes, elsewhere, tmp_path):
    """The signal, the line that called the engine, and the folder with what came back."""
    with pytest.raises(WorkerCrashed, match="killed by SIGSEGV") as caught:
        done(tmp_path / "there", *fakes(elsewhere("dataset"), "segfault"))

    kept = Path(caught.value.hint.rpartition("kept in ")[2])
    assert "fake.py" in caught.value.hint
    assert "Segmentation fault" in (kept / "log").read_text()
    assert jobs_left(tmp_path) == []


def test_code_of_the_users_runs_on_this_machine_only(elsewhere, tmp_path):
    """It imports what lies beside it, and reads what nobody knows of."""
    (tmp_path / "mine.py").write_text("def samples():\n    return {'x': [[1.0]]}\n")
    (tmp_path / "mine.toml").write_text('[reader]\nkind = "python"\nfunction = "mine.py:samples"\n')
    signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 1]}]}
    job = replace(samples_job(None, str(tmp_path / "mine.toml"), signature), engine=elsewhere("dataset"))

    with pytest.raises(
        RequestError, match=r"drawing samples from mine.toml .*: is code of yours.*; it runs on this machine only"
    ):
        done(tmp_path / "there", job)


def test_what_a_trusted_model_may_read_here_is_not_there(fakes, elsewhere, tmp_path):
    """A path of this machine is none of that one."""
    _, run = fakes(elsewhere("dataset"))
    trusted = replace(run, options={**run.options, "trust": True})

    with pytest.raises(RequestError, match=r"--allow-read lets it read .*, so it runs on this machine only"):
        done(tmp_path / "there", trusted, permissions=Permissions(read=(tmp_path,)))


def test_an_engine_elsewhere_computes_the_same(elsewhere, home, tmp_path):
    """A real engine in its real environment, over a model whose answer is known."""
    model = CHECKOUT / "toolkit/launchers/emulation/known_answer/model.tflite"
    answer = dict(np.load(model.with_name("answer.npz")))
    with ShardWriter(tmp_path / "samples") as writer:
        writer.add({"sample": answer.pop("sample")})
    runs = []
    for where, engine in (("here", Engine("litert")), ("there", elsewhere("litert"))):
        (tmp_path / where).mkdir(mode=0o700)
        for entry in home.iterdir():  # the environments of this machine, and a store of its own
            if entry.name != "store":
                (tmp_path / where / entry.name).symlink_to(entry.resolve())
        with LocalExecutor(Settings(home=tmp_path / where)) as executor:
            runs += executor.run(run_job(model, tmp_path / "samples", Execution(engine, "litert")))

    here, there = runs
    assert there.key == here.key
    assert given(there) == given(here)
    for name, values in answer.items():
        np.testing.assert_array_equal(read_all(there.out / "outputs", name)[0], values)
