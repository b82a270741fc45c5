"""Builders that are missing, broken, in the way, or changed since: what each leaves is one clear message, and never an old answer."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import HERE
from toolkit import Original, Samples
from toolkit.errors import InvalidSource, RequestError

GOOD = HERE / "builders" / "checkpoint_keras3.py"


@pytest.fixture
def checkpoint(made):
    """Return the prefix of a Keras 3 model's weights; x (6) to scores (4)."""
    return made("make_checkpoints.py") / "keras3_root" / "weights"


@pytest.fixture
def builder(tmp_path):
    """Return a function that writes a builder's file and returns how it is named."""

    def write(text, name="builder", function="network"):
        (tmp_path / f"{name}.py").write_text(text)
        return f"{tmp_path / name}.py:{function}"

    return write


@pytest.fixture
def convert(checkpoint, executor, tmp_path):
    """Return a function that converts the checkpoint with a builder."""

    def run(builder, **said):
        return toolkit.convert(
            Original(checkpoint, builder=builder, **said),
            "float32",
            Samples(),
            tmp_path / "model.tflite",
            executor=executor,
        )

    return run


def test_a_checkpoint_without_builder_says_what_it_needs(edge, checkpoint, tmp_path):
    """A file of numbers alone is no model."""
    ended = edge("convert", checkpoint, "--out", tmp_path / "model.tflite")

    assert ended.status == 2
    assert "--builder" in ended.err
    assert not (tmp_path / "model.tflite").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def network():\n    raise KeyError('no such size')\n", "failed: KeyError: 'no such size'"),
        ("def network():\n    import sys\n    sys.exit(3)\n", "failed: SystemExit: 3"),
        ("def network():\n    return 'a model'\n", "gave str; expected a Keras model, a tf.Module"),
        ("def network():\n    return None\n", "gave NoneType"),
        ("def network():\n    return (1, 2, 3)\n", "gave a tuple of 3"),
        ("def network():\n    return {'modle': 1}\n", "gave a mapping with 'modle' in it; known parts: model"),
        ("def network(\n", "cannot be imported: SyntaxError"),
        ("import no_such_library\ndef network():\n    pass\n", "cannot be imported: ModuleNotFoundError"),
        ("def netwrok():\n    pass\n", "has no function 'network'; did you mean 'netwrok'?"),
        ("def network(size):\n    pass\n", "failed: TypeError"),
    ],
)
def test_a_broken_builder_is_blamed(convert, builder, text, said):
    """By name, with what it raised or gave; the line where it is its own."""
    with pytest.raises(InvalidSource) as caught:
        convert(builder(text))

    assert said in caught.value.problem
    assert "builder" in caught.value.problem


def test_the_line_that_raised_is_named(convert, builder):
    """In the user's file, not in ours."""
    with pytest.raises(InvalidSource) as caught:
        convert(builder("def network():\n    x = 1\n    raise ValueError(x)\n"))

    assert caught.value.hint.endswith("builder.py, line 3")


def test_a_builder_that_never_returns_is_ended(edge, checkpoint, builder, tmp_path):
    """By the limit that every job has."""
    forever = builder("import time\ndef network():\n    time.sleep(10**6)\n")

    ended = edge("convert", checkpoint, "--builder", forever, "--timeout", 8, "--out", tmp_path / "model.tflite")

    assert ended.status == 3
    assert "no answer in 8 s" in ended.err


def test_what_a_builder_prints_is_no_answer(edge, checkpoint, builder, tmp_path):
    """On either stream, and in the form of an event; standard output holds one JSON document."""
    loud = f"""
import importlib.util, os, sys
def network():
    print('{{"event": "ended", "id": 1, "status": 0}}', flush=True)
    os.write(1, b"garbage\\n"), os.write(2, b"garbage\\n")
    spec = importlib.util.spec_from_file_location("good", {str(GOOD)!r})
    good = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(good)
    return good.functional()
"""

    file = tmp_path / "model.tflite"
    ended = edge("convert", checkpoint, "--builder", builder(loud), "--allow-read", GOOD, "--out", file, "--json")

    assert ended.status == 0, ended.err
    assert ended.document["scheme"] == "float32"
    assert "garbage" not in ended.err


def test_a_builder_that_changed_is_run_again(checkpoint, executor, tmp_path, monkeypatch):
    """Its own file, a module that it imports, and a file that it reads: each decides what comes out."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "sizes.py").write_text("OUT = 'relu'\n")
    (folder / "activation.txt").write_text("linear")
    (folder / "net.py").write_text(
        "import pathlib, keras, sizes\n"
        "def network():\n"
        "    last = (pathlib.Path(__file__).parent / 'activation.txt').read_text()\n"
        "    x = y = keras.Input((6,), name='x')\n"
        "    for layer in (keras.layers.Dense(16, sizes.OUT), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)):\n"
        "        y = layer(y)\n"
        "    return keras.Model(x, keras.layers.Dense(4, last)(y))\n"
    )
    original = Original(checkpoint, builder=f"{folder / 'net.py'}:network")

    def sha256():
        return toolkit.convert(original, "float32", Samples(), tmp_path / "model.tflite", executor=executor).sha256

    first = sha256()
    assert sha256() == first
    (folder / "sizes.py").write_text("OUT = 'tanh'\n")
    second = sha256()
    (folder / "activation.txt").write_text("sigmoid")
    third = sha256()
    assert len({first, second, third}) == 3
    (folder / "sizes.py").write_text("OUT = 'relu'\n")
    (folder / "activation.txt").write_text("linear")
    assert sha256() == first


def test_a_builder_gets_its_arguments_as_text(convert, builder):
    """And one that it does not take is its own error."""
    asked = builder("def network(**given):\n    raise ValueError(sorted(given.items()))\n")

    with pytest.raises(InvalidSource, match=r"\[\('layers', '3'\), \('name', 'big'\)\]"):
        convert(asked, builder_args={"layers": "3", "name": "big"})


@pytest.mark.parametrize("name", ["no colon", "a:b:c:d e", "9x:y", ":f", "x:"])
def test_a_builder_that_is_no_name_is_refused(convert, name):
    """What one looks like is said."""
    with pytest.raises(RequestError, match=r"expected 'package\.module:function' or 'path/to/file\.py:function'"):
        convert(name)


def test_a_builders_file_that_is_not_there_is_refused(convert, tmp_path):
    """Before anything is started."""
    with pytest.raises(RequestError, match="no such file"):
        convert(f"{tmp_path / 'missing.py'}:network")


def test_a_builder_of_a_package_is_looked_for_where_the_command_is_run(edge, checkpoint, tmp_path):
    """`package.module:function`, with the current folder on the path."""
    package = tmp_path / "research"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "net.py").write_text(GOOD.read_text())

    ended = edge(
        "convert", checkpoint, "--builder", "research.net:functional", "--out", tmp_path / "model.tflite", folder=tmp_path,
        variables={"PYTHONPATH": str(HERE.parents[1])},
    )  # fmt: skip

    assert ended.status == 0, ended.err


def test_what_may_stay_unrestored_is_the_same_each_time(checkpoint, executor, arrays, tmp_path):
    """A layer that the file has not is drawn at random: reference and artifact still agree, and the report says that it was."""
    with np.load(checkpoint.parent / "known.npz") as known:
        samples = arrays(x=known["x"])
    original = Original(checkpoint, builder=f"{GOOD}:with_more", allow_unrestored=("*dense_2*",))

    outcomes = toolkit.build(original, ["host"], Samples(str(samples)), tmp_path, scheme="float32", executor=executor)

    verdict = outcomes["host"]
    assert verdict.passed
    assert len(verdict.source.coverage["unrestored"]) == 2
    assert "unrestored-variables" in {finding.code for finding in verdict.findings}


def test_every_verb_takes_a_builder(edge, checkpoint, arrays, tmp_path):
    """What inspect would restore, what build shipped, and what verify says of it: one model."""
    with np.load(checkpoint.parent / "known.npz") as known:
        samples = arrays(x=known["x"])
    said = ("--builder", f"{GOOD}:functional")

    looked = edge("inspect", checkpoint, *said, "--json")
    built = edge("build", checkpoint, *said, "--target", "host", "--calibration", samples, "--out", tmp_path)
    artifact = tmp_path / "host" / "model.tflite"
    judged = edge("verify", artifact, "--source", checkpoint, *said, "--target", "host", "--eval", samples, "--json")

    assert (looked.status, built.status, judged.status) == (0, 0, 0), judged.err
    assert looked.document["needs"] == []
    assert [spec["name"] for spec in looked.document["signatures"][0]["inputs"]] == ["x"]
    assert len(looked.document["coverage"]["restored"]) == 8
    assert judged.document["targets"]["host"]["verdict"] == "passed"


def test_the_verdict_on_a_built_model_tells_what_was_restored(checkpoint, executor, arrays, tmp_path):
    """All of it, by name; and the same numbers come out as before it was saved."""
    with np.load(checkpoint.parent / "known.npz") as known:
        samples = arrays(x=known["x"])
    original = Original(checkpoint, builder=f"{GOOD}:functional")

    outcomes = toolkit.build(original, ["host"], Samples(str(samples)), tmp_path, executor=executor)

    assert outcomes["host"].passed
    coverage = outcomes["host"].source.coverage
    assert len(coverage["restored"]) >= 8
    assert coverage["unrestored"] == []


def test_a_builder_that_downloads_weights_does_so_where_it_may(edge, checkpoint, builder, fresh_home, served, tmp_path):
    """As Keras' applications do; without the flag it is told which, and what was built is built no second time."""
    text = f"{GOOD.read_text()}\ndef downloading():\n    import keras\n    path = keras.utils.get_file('weights.h5', origin={served!r})\n"
    text += "    assert open(path).read() == 'fetched'\n    return functional()\n"
    asked = (
        "convert",
        checkpoint,
        "--builder",
        builder(text, function="downloading"),
        "--out",
        tmp_path / "model.tflite",
    )

    refused = edge(*asked, home=fresh_home)
    built, again = edge(*asked, "--allow-network", home=fresh_home), edge(*asked, "--allow-network", home=fresh_home)

    assert refused.status == 2
    assert "--allow-network" in refused.err
    assert built.status == 0, built.err
    assert again.status == 0, again.err
    assert "finished after" not in again.err
