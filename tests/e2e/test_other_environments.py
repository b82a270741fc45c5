"""Models that only another TensorFlow can load: their builder runs there, everything else where it always runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import HERE, PACKAGE, PATIENCE_S, outputs_of
from tests.rows import slow
from toolkit import Original, Samples
from toolkit.environments import resolve
from toolkit.errors import InvalidSource
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.report import exit_status
from toolkit.settings import Settings

KERAS2 = PACKAGE.parent / ".venv" / "keras2" / "bin" / "python"
BUILDERS = HERE / "builders"
KERAS2_BUILDER = f"{BUILDERS / 'other_keras2.py'}:build"

# One line of a project's own package that is called as ours is, by file.
PROJECT = {
    "__init__.py": "",
    "layers.py": "import tensorflow as tf\n\ndef make():\n    return tf.keras.Sequential([tf.keras.Input((6,)), tf.keras.layers.Dense(4)])\n",
    "late.py": "NAME = 'imported when it was called'\n",
}


@pytest.fixture(scope="session")
def keras2():
    """Return an interpreter that holds TensorFlow 2.15."""
    named = os.environ.get("EDGE_TOOLKIT_KERAS2")
    python = Path(named) if named else KERAS2
    if not named and not python.exists():
        pytest.skip(
            "NOT TESTED, no TensorFlow 2.15 is here: `make test` installs it into .venv/keras2 where there is a Python 3.10 or 3.11; "
            "or say EDGE_TOOLKIT_KERAS2=/path/to/python"
        )
    return python


@pytest.fixture(scope="session")
def other(made, keras2):
    """Return the folder of what make_other.py writes there."""
    folder = made("make_other.py", python=keras2)
    assert (folder / "version").read_text().startswith("2.15.")
    return folder


@pytest.fixture(scope="module")
def there(home, keras2):
    """Return workers of which those that load a model run in the other environment, without what the developer's shell adds to its path."""
    with (
        pytest.MonkeyPatch.context() as patch,
        LocalExecutor(Settings(home=home, pythons={"source": keras2})) as shared,
    ):
        patch.setenv("PYTHONPATH", "")
        yield shared


def answers_as_it_did(dist, other, executor):
    """The artifact of a build gives what the model gave before it was saved."""
    artifact, outputs = dist / "host" / "model.tflite", dist / "outputs.npz"
    ran = toolkit.run(artifact, "host", str(other / "samples.npz"), outputs, executor=executor)
    (scores,) = outputs_of(ran).values()
    np.testing.assert_allclose(scores.reshape(-1, 4), np.load(other / "scores.npy"), atol=1e-5)


def test_a_checkpoint_is_built_with_the_interpreter_of_its_training(edge, there, home, other, keras2, tmp_path):
    """The original runs there, the converter where it always runs, the report says which is which, and the artifact answers as the model did."""
    ended = edge(
        "build", other / "checkpoint", "--builder", KERAS2_BUILDER, "--python", f"source={keras2}",
        "--target", "host", "--scheme", "float32", "--calibration", other / "samples.npz", "--out", tmp_path / "dist",
    )  # fmt: skip

    assert ended.status == 0, ended.err
    report = json.loads((tmp_path / "dist" / "host" / "report.json").read_text())
    here = resolve("tensorflow", settings=Settings(home=home)).versions["tensorflow"]
    assert "tensorflow 2.15." in report["runs"]["original"]["engine"]
    assert report["runs"]["source"]["engine"] == f"tensorflow {here}"
    assert report["tools"]["tensorflow"] == here
    assert not report["source"]["coverage"]["unrestored"]
    assert {unused["what"] for unused in report["source"]["coverage"]["unused"]} == {"optimizer", "counter"}
    answers_as_it_did(tmp_path / "dist", other, there)


@pytest.mark.parametrize(
    ("model", "builder"),
    [
        slow("model.weights.h5", KERAS2_BUILDER),
        ("model.keras", None),
        slow("model.h5", None),
        ("saved_model", None),
    ],
    ids=lambda value: Path(value).name if value else "alone",
)
def test_whatever_another_tensorflow_saved_answers_as_it_did_there(there, other, tmp_path, model, builder):
    """By name, through every file that it writes; a checkpoint is above."""
    samples = str(other / "samples.npz")

    outcomes = toolkit.build(
        Original(other / model, builder=builder), ["host"], Samples(samples), tmp_path, scheme="float32", executor=there
    )

    assert exit_status(outcomes) == 0, outcomes
    assert "tensorflow 2.15." in outcomes["host"].runs["original"].engine
    answers_as_it_did(tmp_path, other, there)


def test_a_builder_in_the_wrong_environment_says_what_is_missing_there(edge, other):
    """It names the builder, what TensorFlow lacks, and the line; nothing suggests that the checkpoint is at fault."""
    ended = edge("inspect", other / "checkpoint", "--builder", KERAS2_BUILDER)

    assert ended.status == 2
    assert f"builder {KERAS2_BUILDER}: failed: AttributeError" in ended.err
    assert "has no attribute 'LocallyConnected1D'" in ended.err
    assert f"{BUILDERS / 'other_keras2.py'}, line " in ended.err


def test_an_interpreter_without_tensorflow_is_refused(edge, sample, digits):
    """Before anything is started; here it is the toolkit's own."""
    ended = edge("build", sample, "--python", f"source={sys.executable}", "--target", "host", "--calibration", digits)

    assert ended.status == 3
    assert f"environment source: the interpreter '{sys.executable}' lacks tensorflow>=2.8" in ended.err
    assert "leave out `--python source=...`" in ended.err


@pytest.fixture(scope="module")
def without_tf2onnx(tensorflow_python, tmp_path_factory):
    """Return an interpreter of its own that imports what TensorFlow's environment holds, except tf2onnx."""
    folder = tmp_path_factory.mktemp("without") / "venv"
    subprocess.run([tensorflow_python, "-m", "venv", "--without-pip", folder], check=True, timeout=PATIENCE_S)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (held,) = tensorflow_python.parents[1].glob("lib/python3*/site-packages")
    for entry in held.iterdir():
        if not entry.name.startswith("tf2onnx"):
            (packages / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def test_onnx_is_refused_where_the_named_interpreter_lacks_what_writes_it(
    edge, without_tf2onnx, sample, digits, tmp_path
):
    """TFLite needs none of it, so the interpreter is not refused before; the one message says what to install, and where."""
    ended = edge(
        "build", sample, "--python", f"tensorflow={without_tf2onnx}", "--target", "onnxruntime-host",
        "--scheme", "float32", "--calibration", digits, "--out", tmp_path / "dist",
    )  # fmt: skip

    assert ended.status == 3
    assert (ended.out + ended.err).count(f"converting to ONNX: {without_tf2onnx} has no tf2onnx") == 1
    assert "install tf2onnx there, or leave --python tensorflow=... out" in ended.out + ended.err
    assert not (tmp_path / "dist" / "onnxruntime-host").exists()


@pytest.fixture(scope="module")
def project(tmp_path_factory, keras2):
    """Return a project's folder: builders, a package of its own called `toolkit`, and a checkpoint."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "toolkit").mkdir(parents=True)
    shutil.copy(BUILDERS / "other_project.py", folder)
    (folder / "other_borrows.py").write_text("import pydantic\n\ndef build():\n    return pydantic\n")
    for name, text in PROJECT.items():
        (folder / "toolkit" / name).write_text(text)
    write = "import tensorflow as tf, toolkit.layers as own; tf.train.Checkpoint(model=own.make()).write('weights')"
    variables = {**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(
        [keras2, "-c", write], cwd=folder, env=variables, check=True, capture_output=True, timeout=PATIENCE_S
    )
    return folder


@pytest.mark.parametrize("builder", ["other_project:build", "other_project.py:build"])
def test_a_builder_sees_its_project_and_nothing_of_ours(there, project, tmp_path, monkeypatch, builder):
    """No folder of the toolkit or of the host is on its path, and the name `toolkit` means the project's own package, in the builder's calls too."""
    monkeypatch.chdir(project)

    mark = f"seen in {tmp_path}: "

    told = toolkit.inspect(Original(project / "weights", builder=builder, builder_args={"say": mark}), executor=there)

    logs = (log.read_text() for log in there.store.root.glob("objects/*/*/log"))
    seen = json.loads(next(text.partition(mark)[2].splitlines()[0] for text in logs if mark in text))
    ours = [one for one in map(Path, seen["path"]) if one == PACKAGE.parent or PACKAGE in (one, *one.parents)]
    host = [entry for entry in seen["path"] if Path(entry).is_dir() and Path(entry) in map(Path, host_path())]
    assert seen["path"][0] == str(project)
    assert (ours, host) == ([], [])
    own = {name: file for name, file in seen["modules"].items() if name.partition(".")[0] == "toolkit"}
    assert own == {
        "toolkit": str(project / "toolkit" / "__init__.py"),
        "toolkit.layers": str(project / "toolkit" / "layers.py"),
        "toolkit.late": str(project / "toolkit" / "late.py"),
    }
    assert seen["late"] == "imported when it was called"
    assert len(told["coverage"]["restored"]) == 2


def host_path() -> list[str]:
    """Return the folders that the host imports packages from; those of Python itself may be one interpreter's as well as the other's."""
    return [entry for entry in sys.path if "site-packages" in entry or "dist-packages" in entry]


def test_the_hosts_packages_are_not_importable_in_a_builder(there, project, monkeypatch):
    """What the training environment lacks stays missing, and the error says which interpreter may have it."""
    monkeypatch.chdir(project)

    with pytest.raises(InvalidSource, match="No module named 'pydantic'") as caught:
        toolkit.inspect(Original(project / "weights", builder="other_borrows:build"), executor=there)

    assert "--python source=/path/to/python" in caught.value.hint
