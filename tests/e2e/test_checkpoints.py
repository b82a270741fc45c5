"""Checkpoints and the builders of their models: restored to the numbers of the trained model, or refused with what is missing and why."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import HERE, copied, flip_a_bit, outputs_of
from tests.rows import quick
from toolkit import Original, Samples
from toolkit.errors import InvalidSource, UnknownName

BUILDERS = HERE / "builders"
KERAS3, TF_KERAS, MODULE = "checkpoint_keras3", "checkpoint_tf_keras", "checkpoint_module"
MODEL = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "kernel", "bias")


@pytest.fixture(scope="session")
def checkpoints(made):
    """Return the folder that make_checkpoints.py writes."""
    return made("make_checkpoints.py")


@pytest.fixture
def own(checkpoints, tmp_path):
    """Return a function that gives a copy of one of the folders, to be damaged."""
    return lambda name: copied(checkpoints / name, tmp_path / name)


@pytest.fixture
def opened(executor):
    """Return a function that loads a checkpoint with a builder, and returns what is told of it."""

    def run(path, module, function, *, step=None, allow=(), **arguments):
        builder = f"{BUILDERS / module}.py:{function}"
        original = Original(path, builder=builder, builder_args=arguments, step=step, allow_unrestored=allow)
        return toolkit.inspect(original, executor=executor)

    return run


@pytest.fixture
def answers(executor, tmp_path):
    """Return a function that converts a checkpoint, and returns what the artifact answers to known samples, and the trained model's answers."""

    def run(path, module, function, known, *, step=None):
        with np.load(known) as held:
            np.savez(tmp_path / "x.npz", x=held["x"])
            scores = held["scores"]
        original = Original(path, builder=f"{BUILDERS / module}.py:{function}", step=step)
        artifact = toolkit.convert(original, "float32", Samples(), tmp_path / "model.tflite", executor=executor)
        ran = toolkit.run(artifact.path, "host", str(tmp_path / "x.npz"), tmp_path / "y.npz", executor=executor)
        (found,) = outputs_of(ran).values()
        return found[:, 0], scores

    return run


FULL = [
    ("keras3", "", KERAS3, "functional"),
    ("keras3", "ckpt-1", KERAS3, "compiled"),
    ("keras3_root", "weights.index", KERAS3, "functional"),
    ("keras3_deep", "", KERAS3, "subclassed"),
    ("twice", "", KERAS3, "average"),
    ("sharded", "ckpt", KERAS3, "functional"),
    ("tf_keras_model", "", TF_KERAS, "functional"),
    ("tf_keras_legacy", "", TF_KERAS, "subclassed_x"),
    ("tf_keras_weights", "weights", TF_KERAS, "functional"),
    ("tf_keras_saved_model", "saved/variables/variables", TF_KERAS, "functional"),
    ("module", "ckpt", MODULE, "network"),
    ("module_around", "", MODULE, "around"),
]


@pytest.mark.parametrize(("name", "path", "module", "function"), quick(FULL, FULL[1::2]))
def test_a_checkpoint_answers_as_the_trained_model_did(checkpoints, answers, name, path, module, function):
    """Whoever wrote it and wherever the model was in it: all of it is restored, and on the way to the device nothing is lost."""
    folder = checkpoints / name

    found, scores = answers(folder / path, module, function, folder / "known.npz")

    assert np.ptp(scores) > 0.1  # there is something to be wrong about
    assert np.abs(found - scores).max() < 1e-5  # float32 kernels of two makers: 1e-6 were seen


@pytest.mark.parametrize("step", [None, 5, 20])
def test_a_managers_folder_gives_the_step_that_is_asked_for(own, answers, step):
    """The latest is what its state file says (10, written last), though the folder was moved since and the file's paths are stale."""
    moved = own("manager")
    assert str(moved) not in (moved / "checkpoint").read_text()

    found, scores = answers(moved, KERAS3, "functional", moved / f"known_{step or 10}.npz", step=step)

    assert np.abs(found - scores).max() < 1e-5


def test_a_step_that_is_not_there_is_refused_with_the_closest(edge, checkpoints):
    """On the command line."""
    ended = edge("inspect", checkpoints / "manager", "--step", "7", "--builder", f"{BUILDERS / KERAS3}.py:functional")

    assert ended.status == 2
    assert "has no checkpoint of step 7; the closest of 3: 5, 10, 20" in ended.err


def test_variables_that_are_not_needed_are_told_apart(checkpoints, opened):
    """The optimizer's, a counter, and another network's."""
    with_optimizer = opened(checkpoints / "keras3", KERAS3, "functional")["coverage"]
    legacy = opened(checkpoints / "tf_keras_legacy", TF_KERAS, "subclassed")["coverage"]
    average = opened(checkpoints / "twice", KERAS3, "average")["coverage"]

    assert len(with_optimizer["restored"]) == len(MODEL)
    assert kinds(with_optimizer) == {
        "optimizer": 14,
        "counter": 1,
    }  # two slots for each of six variables, iterations, learning rate
    assert kinds(legacy) == {"optimizer": 17, "counter": 1}
    assert kinds(average) == {"other": 8, "counter": 1}


def kinds(coverage):
    found = [one["what"] for one in coverage["unused"]]
    return {what: found.count(what) for what in found}


def test_what_a_checkpoint_says_of_itself_needs_no_builder(checkpoints, executor):
    """Its variables under the names by which its model reached them, who wrote it, and that a builder is needed."""
    told = toolkit.inspect(checkpoints / "keras3", executor=executor)

    assert (told["kind"], told["writer"], told["loader"]) == ("checkpoint", "keras 3", "tf.train.Checkpoint")
    assert not told["settled"]
    assert told["signatures"] == []
    held = {one["name"]: (one["dtype"], one["shape"], one["size_bytes"]) for one in told["variables"]}
    assert held["model/_operations/1/_kernel"] == ("float32", [6, 16], 384)  # the file has it under the optimizer's key
    assert held["save_counter"] == ("int64", [], 8)
    assert len(held) == len(MODEL) + 15
    assert "--builder" in told["needs"][0]
    assert "model: 8 variables, 976 bytes; save_counter = 1; optimizer: 14 variables" in told["findings"][0]["message"]


def test_a_build_without_a_builder_is_refused(edge, checkpoints, vectors):
    """A checkpoint is not a model."""
    ended = edge("build", checkpoints / "keras3", "--target", "host", "--calibration", vectors)

    assert ended.status == 2
    assert "a checkpoint has the variables of a model, not its code" in ended.err
    assert "--builder package.module:function" in ended.err


OTHERS = [
    (
        "without_norm",
        r"2 of 4 variables of the model found nothing in it: dense_1/bias, dense_1/kernel; 6 of its own found no place",
    ),
    ("with_more", r"2 of 10 variables of the model found nothing in it: dense_2/bias, dense_2/kernel"),
    ("reordered", r"4 of 8 variables of the model found nothing in it: batch_normalization/beta"),
    (
        "subclassed",
        r"8 of 8 variables of the model found nothing in it.*\n.*a functional, a sequential and a subclassed model",
    ),
    (
        "as_net",
        r"8 of 8 variables.*\n.*root has model, optimizer, save_counter; the builder's checkpoint has net: the names have to be the same",
    ),
    (
        "in_float16",
        r"2 of 8 variables have another shape or type: dense/kernel is float16 \[6, 16\] in the model, float32 \[6, 16\] in the file",
    ),
    ("never_called", r"Subclassed has no variables yet.*\n.*call it once in the builder"),
    ("lazy", r"6 of 6 variables.*\n.*layers that were never called \(dense_1\)"),
    ("checkpoint_of_text", r"its part 'checkpoint' is str; expected a tf\.train\.Checkpoint"),
]


@pytest.mark.parametrize(("function", "says"), OTHERS)
def test_a_builder_of_another_model_is_refused(checkpoints, opened, function, says):
    """Most of these TensorFlow restores in part or not at all, without an error."""
    with pytest.raises(InvalidSource) as caught:
        opened(checkpoints / "keras3", KERAS3, function)

    assert_says(caught, says)


def assert_says(caught, pattern):
    """Check what an error says, over its two lines."""
    import re

    assert re.search(pattern, str(caught.value)), str(caught.value)


def test_layers_of_another_size_are_named_one_by_one(checkpoints, opened):
    """With both shapes."""
    with pytest.raises(InvalidSource) as caught:
        opened(checkpoints / "keras3", KERAS3, "functional", width="24")

    assert "7 of 8 variables have another shape or type" in caught.value.problem
    assert "dense/kernel is float32 [6, 24] in the model, float32 [6, 16] in the file" in caught.value.problem
    assert "dense_1/kernel is float32 [24, 4] in the model, float32 [16, 4] in the file" in caught.value.problem


@pytest.mark.parametrize(
    ("name", "module", "function", "says"),
    [
        ("keras3_deep", KERAS3, "functional", "8 of 8 variables of the model found nothing in it"),
        ("tf_keras_weights", KERAS3, "functional", "the file is of a model of tf-keras, the builder's is of keras 3"),
        ("keras3", TF_KERAS, "functional", "the file is of a model of keras 3, the builder's is of tf-keras"),
        ("tf_keras_legacy", TF_KERAS, "never_called", "Subclassed has no variables yet"),
        (
            "keras3_listed",
            KERAS3,
            "listed",
            "6 of 8 variables.*\n.*does not see layers that a Keras 3 model keeps in a list",
        ),
        (
            "module",
            MODULE,
            "smaller",
            "1 of 6 variables of the model found nothing in it: scale; 1 of its own .*: shift",
        ),
    ],
)
def test_the_likely_cause_is_said(checkpoints, opened, name, module, function, says):
    """Of the ways in which a checkpoint and a model miss each other."""
    with pytest.raises(InvalidSource) as caught:
        opened(checkpoints / name, module, function)

    assert_says(caught, says)


def test_a_layer_that_only_the_file_has_is_refused(checkpoints, opened):
    """All of the model is restored, and yet it is another one: TensorFlow has nothing against it."""
    with pytest.raises(InvalidSource) as caught:
        opened(checkpoints / "keras3_deep", KERAS3, "subclassed", normalize="no")

    assert_says(caught, r"4 of its own found no place in the builder's model: trainer/network/normalize/beta")


def test_two_copies_of_a_model_want_a_choice(checkpoints, opened):
    """A running average is built as the model is; how to say which is meant is said."""
    with pytest.raises(InvalidSource) as caught:
        opened(checkpoints / "twice", KERAS3, "functional")

    assert "holds the model's variables 2 times: average, model" in caught.value.problem
    assert '"checkpoint": tf.train.Checkpoint(NAME=model)' in caught.value.hint


def test_what_may_stay_unrestored_is_recorded(checkpoints, opened):
    """With the patterns that allowed it."""
    coverage = opened(checkpoints / "module", MODULE, "smaller", allow=["sc*", "shift"])["coverage"]

    assert coverage["unrestored"] == ["scale"]
    assert [one["name"] for one in coverage["unused"] if one["what"] == "model"] == ["shift"]
    assert coverage["allowed"] == ["sc*", "shift"]


def test_a_pattern_allows_no_more_than_it_matches(checkpoints, opened):
    """The other variable is still missing."""
    with pytest.raises(InvalidSource) as caught:
        opened(checkpoints / "module", MODULE, "smaller", allow=["scale"])

    assert_says(caught, "1 of its own found no place in the builder's model: shift")


def test_a_pattern_that_matches_nothing_is_refused(checkpoints, opened):
    """A misspelt one would allow nothing, and look as if it did."""
    with pytest.raises(UnknownName, match="'shft': unknown; did you mean 'shift'"):
        opened(checkpoints / "module", MODULE, "smaller", allow=["scale", "shft"])


def test_variables_that_come_with_the_first_call_are_refused(checkpoints, opened):
    """All that was there was restored; what is made only then holds what the code gives it."""
    with pytest.raises(InvalidSource) as caught:
        opened(checkpoints / "module", MODULE, "growing")

    assert_says(caught, "the model made variables only when it was called, so they were not restored: extra")


def test_layers_that_were_never_called_are_refused_though_all_else_is_allowed(checkpoints, opened):
    """They would hold random numbers."""
    with pytest.raises(InvalidSource) as caught:
        opened(checkpoints / "keras3_deep", KERAS3, "lazy", allow=["*/last/*"])

    assert_says(caught, "never called|only when it was called")


def test_a_module_of_many_types_is_restored_whole(checkpoints, opened):
    """Numbers, switches, counters and texts; also those which a builder gives the value that the file has."""
    coverage = opened(checkpoints / "module", MODULE, "network")["coverage"]

    assert coverage["restored"] == ["active", "calls", "first", "last", "names", "shift"]
    assert coverage["unused"] == []


DAMAGE = [
    ("keras3", "ckpt-1.data-00000-of-00001", "cut", "it was cut short"),
    ("keras3", "ckpt-1.data-00000-of-00001", "empty", "has 0 bytes of"),
    (
        "keras3",
        "ckpt-1.data-00000-of-00001",
        "missing",
        "ckpt-1.data-00000-of-00001 is missing, where ckpt-1.index has values",
    ),
    ("keras3", "ckpt-1.index", "missing", "ckpt-1.index is missing"),
    ("keras3", "ckpt-1.index", "cut", "ckpt-1.index: is not the index of a checkpoint, or is damaged"),
    (
        "keras3",
        "ckpt-1.index",
        "flipped",
        "ckpt-1.index: is not the index of a checkpoint, or is damaged: the checksum of a block",
    ),
    ("sharded", "ckpt.data-00001-of-00002", "missing", "ckpt.data-00001-of-00002 is missing"),
    ("sharded", "ckpt.data-00000-of-00002", "cut", "ckpt.data-00000-of-00002: has"),
]


@pytest.mark.parametrize(("name", "file", "damage", "says"), DAMAGE)
def test_damaged_and_missing_files_are_named(own, executor, name, file, damage, says):
    """Before TensorFlow is asked: `inspect` says it already."""
    path = own(name) / file
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":
        flip_a_bit(path, 0.4)
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage == "cut" else b"")

    with pytest.raises(InvalidSource) as caught:
        toolkit.inspect(path.parent, executor=executor)

    assert says in str(caught.value)


def test_a_flipped_bit_in_a_value_is_refused(own, opened):
    """Which only whoever reads it all notices."""
    folder = own("module")
    flip_a_bit(folder / "ckpt.data-00000-of-00001", 0.2)

    with pytest.raises(InvalidSource) as caught:
        opened(folder, MODULE, "network")

    assert_says(caught, "TensorFlow cannot restore it: DataLossError.*[Cc]hecksum")


@pytest.mark.parametrize("extra", ["keras_metadata.pb", None])
def test_a_saved_model_and_a_savers_files_are_of_other_kinds(checkpoints, executor, extra):
    """Though both have a folder of variables in the same format."""
    path = checkpoints / ("tf_keras_saved_model/saved" if extra else "saver")

    told = toolkit.inspect(path, executor=executor)

    assert told["kind"] == ("saved_model" if extra else "saver")


def test_weights_in_a_folder_of_their_own_are_found_by_the_folder(checkpoints, opened):
    """The folder `variables` of a SavedModel is one."""
    told = opened(checkpoints / "tf_keras_saved_model" / "saved" / "variables", TF_KERAS, "functional")

    assert (told["kind"], told["writer"]) == ("checkpoint", "tf-keras")
    assert kinds(told["coverage"]) == {
        "optimizer": 14,
        "other": 4,
    }  # metrics, of which a loader's notes are the only owner


def test_a_prefix_that_is_not_there_is_refused_with_the_closest(edge, checkpoints):
    """As any path that does not exist."""
    ended = edge("inspect", checkpoints / "keras3" / "ckpt-2")

    assert ended.status == 2
    assert "ckpt-2" in ended.err


def test_a_copy_of_the_files_is_the_same_checkpoint(checkpoints, executor, tmp_path):
    """What it is called or where it lies has no part in what it is."""
    for file in (checkpoints / "keras3_root").glob("weights.*"):
        shutil.copy(file, tmp_path)

    one = toolkit.inspect(checkpoints / "keras3_root", executor=executor)
    other = toolkit.inspect(Path(tmp_path), executor=executor)

    assert one["sha256"] == other["sha256"]
