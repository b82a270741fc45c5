"""SavedModels of every origin, each held against what its maker computed; and what is said of those that cannot be built."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import outputs_of
from tests.rows import slow
from toolkit import Original, Samples
from toolkit.errors import InvalidSource, RequestError, UnknownName
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings.permissions import Permissions

SCRIPT = "make_saved_models.py"
READ = Path("/etc/hostname")  # by a model of the script's


@pytest.fixture
def case(made, arrays):
    """Return a function that gives a model's path, samples for it, and what its maker got for these, by output."""

    def find(name):
        folder = made(SCRIPT)
        with np.load(folder / f"{name}.npz") as held:
            samples = {key: held[key] for key in held if not key.startswith("=")}
            expected = {key[1:]: held[key] for key in held if key.startswith("=")}
        return folder / name, arrays(f"{name}.npz", **samples), expected

    return find


@pytest.fixture
def given(executor, tmp_path):
    """Return a function that builds a model in float32, runs the artifact, and returns its outputs by name, (N, *shape)."""

    def run(original, samples):
        outcomes = toolkit.build(
            original, ["host"], Samples(str(samples)), tmp_path / "dist", scheme="float32", executor=executor
        )
        assert getattr(outcomes["host"], "passed", outcomes["host"]) is True
        artifact = tmp_path / "dist" / "host" / "model.tflite"
        ran = toolkit.run(artifact, "host", str(samples), tmp_path / "outputs.npz", executor=executor)
        return {name: array.reshape(len(array), *array.shape[2:]) for name, array in outputs_of(ran).items()}

    return run


@pytest.mark.parametrize(
    "name",
    [
        "keras_3_export",
        slow("tf_keras_save"),
        slow("lstm_static"),
        "gru",
        slow("embedding"),
        slow("normalization"),
        "control_flow",
        "dynamic",
        "stateful",
        slow("simple_save"),
        "tags",
    ],
)
def test_a_saved_model_gives_what_its_maker_got(case, given, name):
    """Names, numbers, and of a model with state each number in its place of the sequence."""
    path, samples, expected = case(name)

    found = given(Original(path), samples)

    assert set(found) == set(expected)
    for output, array in expected.items():
        np.testing.assert_allclose(found[output], array, rtol=1e-4, atol=1e-5)


def test_of_several_graphs_the_one_to_serve_is_taken(case, executor):
    """The training graph has a signature of its own, which is not among them."""
    held = toolkit.inspect(case("tags")[0], executor=executor)

    assert held["tags"] == ["serve"]
    assert [signature["key"] for signature in held["signatures"]] == ["serving_default"]


@pytest.mark.parametrize("key", ["day", "night"])
def test_of_two_signatures_with_the_same_names_the_one_is_taken_that_was_asked_for(case, given, key):
    """Nothing but the numbers tells them apart."""
    path, samples, expected = case("alike")

    found = given(Original(path, signature=key), samples)

    np.testing.assert_allclose(found["y"], expected[key], rtol=1e-4, atol=1e-5)
    assert np.abs(expected["day"] - expected["night"]).max() > 1


def test_of_two_signatures_with_the_same_names_none_is_guessed(case, executor, tmp_path):
    """The choice is asked for."""
    path, samples, _ = case("alike")

    with pytest.raises(InvalidSource, match="has the signatures day, night"):
        toolkit.build(Original(path), ["host"], Samples(str(samples)), tmp_path, executor=executor)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("serialized", {"height", "weights"}), ("lookup", {"size", "word"}), ("tables_lost", {"fare", "miles", "word"})],
)
def test_the_part_that_takes_strings_is_cut_off_as_proposed(case, edge, given, name, inputs):
    """The error has the options that cut it; with these, the rest gives what the whole gave."""
    path, samples, expected = case(name)

    refused = edge("build", path, "--target", "host", "--calibration", samples)

    assert refused.status == 2
    assert "is of dtype string" in refused.err
    flags = shlex.split(refused.err[refused.err.index("--inputs") :].splitlines()[0])
    ends = {
        flag: dict(pair.split("=") for pair in text.split(","))
        for flag, text in zip(flags[::2], flags[1::2], strict=True)
    }
    (unknown,) = inputs - set(ends["--inputs"]) or {None}  # what was a word is named by the operator that looks it up
    renamed = {name if name in inputs else unknown: tensor for name, tensor in ends["--inputs"].items()}
    assert set(renamed) == inputs
    shapes = {"word": (1, 1)} if name == "tables_lost" else None  # TensorFlow 1 does not know what a lookup gives
    found = given(Original(path, shapes=shapes, inputs=renamed, outputs=ends["--outputs"]), samples)
    for output, array in expected.items():
        np.testing.assert_allclose(found[output], array, rtol=1e-4, atol=1e-5)


def test_a_graph_of_tensorflow_1_is_cut_as_inspect_proposes(case, executor):
    """Its operators that take strings are named, and the cut is there before a build is tried: nothing of it is run for that."""
    path, _, _ = case("tables_lost")

    found = toolkit.inspect(path, executor=executor)

    named, cut = found["needs"]
    assert "ParseExampleV2" in named
    assert "LookupTableFindV2" in named
    assert "fare=ParseExample/ParseExampleV2:0" in cut
    assert "--outputs scores=scores:0" in cut


def test_a_cut_at_tensors_that_are_not_there_is_refused_with_the_closest(case, executor, tmp_path):
    """Of a name almost right, the right one."""
    path, samples, _ = case("serialized")
    cut = Original(path, inputs={"x": "PartitionedCall/concat:0"}, outputs={"y": "PartitionedCall/Tahn:0"})

    with pytest.raises(UnknownName, match="did you mean 'PartitionedCall/Tanh"):
        toolkit.build(cut, ["host"], Samples(str(samples)), tmp_path, executor=executor)


def test_a_dropout_that_was_left_on_is_refused(case, executor, tmp_path):
    """The same input gave other outputs: nothing can be held against such an original."""
    path, samples, _ = case("noisy")

    outcomes = toolkit.build(
        Original(path), ["host"], Samples(str(samples)), tmp_path, scheme="float32", executor=executor
    )

    error = outcomes["host"]
    assert isinstance(error, InvalidSource)
    assert "gives other outputs each time" in error.problem
    assert "RandomUniform" in error.problem
    assert "training=False" in error.hint


@pytest.mark.parametrize(
    ("name", "operator", "what"),
    [
        ("reads_a_file", "ReadFile", "reads files"),
        ("writes_a_file", "WriteFile", "writes files"),
        ("python_inside", "PyFunc", "runs Python"),
    ],
)
def test_a_model_that_reaches_outside_is_reported_and_refused(case_path, edge, arrays, name, operator, what):
    """By inspect, which runs nothing; by build, before TensorFlow is started, unless it is trusted."""
    path = case_path(name)
    samples = arrays(x=np.random.default_rng(0).normal(size=(80, 3)))

    looked = edge("inspect", path, "--json")
    refused = edge("build", path, "--target", "host", "--calibration", samples)

    (finding,) = (one for one in looked.document["findings"] if one["code"] == "reaches-outside")
    assert f"{operator} ({what})" in finding["message"].replace("Eager", "").replace("Stateless", "")
    assert refused.status == 2
    assert "--trust" in refused.err
    assert "finished after" not in refused.err.replace("inspect", "")
    assert not (path.parent / "written-by-a-model").exists()


@pytest.fixture
def case_path(made):
    """Return a function that gives a model's path."""
    return lambda name: made(SCRIPT) / name


def test_a_model_that_is_trusted_may_reach_outside(case, executor, tmp_path):
    """It is run, and what its maker got comes out; that TFLite has no such operator is the converter's to say. What it reads is allowed by name."""
    path, samples, _ = case("reads_a_file")
    original, given = Original(path, trust=True), Samples(str(samples))

    refused = toolkit.build(original, ["host"], given, tmp_path, scheme="float32", executor=executor)
    with LocalExecutor(replace(executor.settings, permissions=Permissions((READ,)))) as allowing:
        outcomes = toolkit.build(original, ["host"], given, tmp_path, scheme="float32", executor=allowing)

    assert "PermissionDenied" in refused["host"].problem
    assert f"--allow-read {READ}" in refused["host"].hint
    assert "TFLite has no kernel for ReadFile" in outcomes["host"].problem


def test_an_operator_that_tensorflow_has_not_is_named_at_once(case_path, edge, arrays):
    """By inspect, without TensorFlow; by build, when the model is loaded."""
    samples = arrays(x=np.random.default_rng(0).normal(size=(80, 3)))

    looked = edge("inspect", case_path("foreign_operator"), "--json")
    refused = edge("build", case_path("foreign_operator"), "--target", "host", "--calibration", samples)

    assert "unknown-operators" in {finding["code"] for finding in looked.document["findings"]}
    assert refused.status == 2
    assert "has no operator Erq" in refused.out + refused.err
    assert "--python source=" in refused.out + refused.err


@pytest.mark.parametrize(
    ("option", "what"),
    [
        ({"builder": "a.b:c"}, "--builder"),
        ({"step": 3}, "--step"),
        ({"allow_unrestored": ("x",)}, "--allow-unrestored"),
    ],
)
def test_an_option_that_a_saved_model_has_no_use_for_is_refused(case_path, executor, option, what):
    """Nothing that was requested is dropped in silence."""
    with pytest.raises(RequestError, match=what):
        toolkit.convert(
            Original(case_path("dynamic"), **option), "float32", Samples(), executor=executor, out=case_path("x.tflite")
        )


def test_a_reference_on_a_gpu_that_is_not_there_is_refused(case, edge):
    """Not run on the processor instead."""
    path, samples, _ = case("dynamic")

    ended = edge("build", path, "--target", "host", "--calibration", samples, "--reference-device", "gpu")

    assert ended.status == 2
    assert "finds no GPU here" in ended.out + ended.err
