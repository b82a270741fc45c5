"""Every model that others saved, in the form in which they saved it: built and verified for this machine, with the numbers that are known of it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import toolkit
from tests.e2e.conftest import outputs_of
from toolkit import Original, Samples
from toolkit.wire.shards import read_all

pytestmark = pytest.mark.slow  # whole builds of many networks

PENGUIN = ("culmen_length_mm", "culmen_depth_mm", "flipper_length_mm", "body_mass_g")
PARSED = "StatefulPartitionedCall/ParseExample/ParseExampleV2"


@pytest.fixture
def build(shared_models, executor, recipe, tmp_path):
    """Return a function that builds a model for this machine; samples are arrays by input name and, if any, labels as `y`."""

    def samples(name, held):
        path = tmp_path / f"{name}.npz"
        np.savez(path, **held)
        inputs = ", ".join(f'"{key}" = "{key}"' for key in held if key != "y")
        labels = 'labels = "y"' if "y" in held else ""
        return str(recipe(name, f'[reader]\nkind = "arrays"\npath = "{path}"\ninputs = {{ {inputs} }}\n{labels}\n'))

    def run(path, evaluation, calibration=None, scheme=None, **said):
        sets = Samples(samples("calibration", calibration) if calibration else None, samples("evaluation", evaluation))
        original = Original(shared_models / path, **said)
        outcomes = toolkit.build(original, ["host"], sets, tmp_path / "dist", scheme=scheme, executor=executor)
        (outcome,) = outcomes.values()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return run


def floats(path, name):
    """Return an array of an .npz as float32."""
    with np.load(path) as held:
        return held[name].astype(np.float32)


def mirrored(images):
    """Return images, and the same from right to left: twice as many."""
    return np.concatenate([images, images[:, :, ::-1]])


def test_resnet8_from_its_keras_file(build, shared_models):
    """Written by tf.keras 2.4; top-1 of the original on 128 images is what its authors' tools gave, and int8 loses what theirs lost."""
    sets = {
        name: {
            "input_1": floats(shared_models / "resnet8" / f"{name}.npz", "x"),
            "y": np.load(shared_models / "resnet8" / f"{name}.npz")["y"].ravel(),
        }
        for name in ("train", "test")
    }

    verdict = build("resnet8/pretrainedResnet.h5", sets["test"], sets["train"], "static_wi8_ai8")

    assert verdict.passed
    assert verdict.source.kind == "keras_file"
    assert verdict.source.writer.startswith("keras 2.4")
    assert verdict.tasks[0].scores["original"] == 110 / 128  # 85.9 %
    assert 0.83 <= verdict.tasks[0].scores["kernels"] <= 0.90


def test_visual_wake_words_from_its_keras_file(build, shared_models, executor, tmp_path):
    """Keras 3 refuses it, tf-keras loads it; the outputs are those of the .tflite that its authors converted."""
    images = floats(shared_models / "vww" / "inputs.npz", "x")

    verdict = build("vww/vww_96.h5", {"input_1": images}, {"input_1": mirrored(images)[41:]})

    assert verdict.passed
    assert verdict.source.loader.startswith("tf-keras")
    ours = tmp_path / "ours.tflite"
    toolkit.convert(Original(shared_models / "vww" / "vww_96.h5"), "float32", Samples(), ours, executor=executor)
    np.savez(tmp_path / "images.npz", input_1=images)
    outputs = []
    for artifact in (ours, shared_models / "vww" / "vww_96_float.tflite"):
        ran = toolkit.run(artifact, "host", str(tmp_path / "images.npz"), tmp_path / "outputs.npz", executor=executor)
        outputs += outputs_of(ran).values()
    np.testing.assert_allclose(*outputs, atol=1e-4)


def test_the_streaming_wakeword_from_its_keras_file(build, shared_models):
    """Written by Keras 2.14: 41 of 45 right."""
    path = shared_models / "streaming_wakeword" / "calibration_samples.npz"
    labels = np.load(path)["labels"].astype(np.int64)

    verdict = build(
        "streaming_wakeword/str_ww_ref_model.h5", {"input_1": floats(path, "specs"), "y": labels}, scheme="float32"
    )

    assert verdict.passed
    assert verdict.tasks[0].scores["original"] == 41 / 45  # 91.1 %


@pytest.mark.parametrize("file", ["fer2013_mini_XCEPTION.102-0.66.hdf5", "tiny_XCEPTION_KDEF.hdf5"])
def test_faces_from_keras_files_of_2017(build, shared_models, file):
    """Keras 2.0.5."""
    faces = mirrored(floats(shared_models / "face" / "faces64.npz", "x"))

    verdict = build(f"face/{file}", {"input_1": faces}, scheme="float32")

    assert verdict.passed
    assert "2.0.5" in verdict.source.writer


@pytest.mark.parametrize("name", ["x2", "x2_small", "x3"])
def test_super_resolution_from_a_savers_files(build, shared_models, name):
    """Of TensorFlow 1.12, with its training graph: height and width are the samples'; pieces of a photograph are enlarged."""
    photo = Image.open(shared_models / "fsrcnn_saver" / "butterfly.png").convert("L")
    grey = np.asarray(photo, np.float32) / 255
    corners = [(top, left) for top in range(0, 160, 20) for left in range(0, 160, 20)]
    pieces = np.stack([grey[top : top + 32, left : left + 32] for top, left in corners])[..., None]
    ends = {"inputs": {"image": "IteratorGetNext:0"}, "outputs": {"enlarged": "NCHW_output:0"}}

    verdict = build(f"fsrcnn_saver/{name}", {"image": pieces}, scheme="float32", **ends)

    assert verdict.passed
    assert verdict.source.kind == "saver"
    assert verdict.source.signature.inputs[0].shape[1:3] == (None, None)


@pytest.mark.parametrize("name", ["FSRCNN_x2.pb", "FSRCNN_x3.pb"])
def test_super_resolution_from_a_frozen_graph(build, shared_models, name):
    """One placeholder, one result: nothing has to be said of them, but the rank, which the file leaves open."""
    pieces = np.random.default_rng(0).uniform(size=(40, 24, 24, 1)).astype(np.float32)

    verdict = build(
        f"fsrcnn_saver/{name}",
        {"IteratorGetNext": pieces},
        scheme="float32",
        shapes={"IteratorGetNext": (1, 24, 24, 1)},
    )

    assert verdict.passed
    assert verdict.source.kind == "frozen_graph"


@pytest.mark.parametrize(
    ("path", "kind"), [("regression/checkpoint", "saver"), ("regression/graphdef/frozen.pb", "frozen_graph")]
)
def test_a_line_from_a_savers_files_and_from_a_frozen_graph(build, path, kind):
    """Y = ax + b, of a number; the training graph has labels and an optimizer too, which go."""
    x = np.random.default_rng(0).uniform(-3, 3, 60).astype(np.float32)

    verdict = build(path, {"X": x}, scheme="float32", inputs={"X": "X:0"}, outputs={"pred": "pred:0"})

    assert verdict.passed
    assert verdict.source.kind == kind
    assert len(verdict.artifact.operators) <= 2


@pytest.mark.parametrize("name", ["gru.pb", "lstm.pb"])
def test_recurrent_networks_from_frozen_graphs(build, name):
    """Their dropout goes when its placeholder is bound to 1, and is asked for before."""
    digits = np.random.default_rng(0).uniform(size=(60, 784)).astype(np.float32)

    verdict = build(
        f"rnn_frozen/{name}", {"X": digits}, scheme="float32", bind={"keep_prob": "1.0"}, shapes={"X": (1, 784)}
    )

    assert verdict.passed
    assert "RandomUniform" not in str(verdict.artifact.operators).upper()


def test_penguins_behind_the_part_that_reads_strings(build, shared_models):
    """Four inputs of one shape, bound by name: 96 of 100 right, and the numbers that were measured with other tools."""
    path = shared_models / "penguin" / "penguin_eval.npz"
    columns, truth, known = floats(path, "x"), np.load(path)["y"], np.load(path)["ref"]
    samples = {name: columns[:, [place]] for place, name in enumerate(PENGUIN)} | {"y": truth}
    trained = {name: floats(path, "xt")[:, [place]] for place, name in enumerate(PENGUIN)}
    inputs = {name: f"{PARSED}:{place}" for place, name in enumerate(sorted(PENGUIN))}

    verdict = build("penguin/saved_model", samples, trained, inputs=inputs)

    assert verdict.passed
    assert verdict.tasks[0].scores["original"] == 0.96
    (name,) = (spec.name for spec in verdict.runs["original"].signature.outputs)
    judged = read_all(verdict.runs["original"].outputs, name).reshape(100, 3)
    np.testing.assert_allclose(np.sort(judged, axis=0), np.sort(known, axis=0), atol=1e-5)
