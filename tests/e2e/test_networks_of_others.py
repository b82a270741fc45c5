"""Networks that others trained and saved, with real inputs; what is known of them was measured with other tools."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import scores, stage
from toolkit import Original, Samples, report
from toolkit.errors import InvalidSamples

pytestmark = pytest.mark.slow  # whole builds of many networks

IMAGES = """
[reader]
kind   = "arrays"
path   = "{path}"
inputs = {{ image = "x" }}
labels = "y"
[preprocess]
dtype  = "float32"
{more}
"""


@pytest.fixture
def resnet8(shared_models, models):
    """Return MLPerf Tiny's ResNet8, exported from its .h5 file to a SavedModel."""
    return models / "resnet8"


@pytest.fixture
def images(shared_models, recipe):
    """Return a function that writes the recipe of the CIFAR-10 images in one of the two files: 0 to 255, as the network takes them."""

    def write(name, more=""):
        return str(
            recipe(f"{name}-{len(more)}", IMAGES.format(path=shared_models / "resnet8" / f"{name}.npz", more=more))
        )

    return write


def test_resnet8_agrees_with_what_others_measured(resnet8, images, executor, tmp_path):
    """The original's top-1 is theirs to the last image; int8 loses as little as they saw: 96.9 % agreement, 83.6 % and 87.5 % top-1."""
    samples = Samples(images("train"), images("test"))

    outcomes = toolkit.build(Original(resnet8), ["host"], samples, tmp_path, scheme="static_wi8_ai8", executor=executor)

    found = report.verdict_json(outcomes["host"], "model.tflite")
    assert found["verdict"] == "passed"
    assert found["samples"] == {"calibration": 128, "verification": 128}
    assert scores(found)["original"] == scores(found)["conversion"] == 110 / 128  # 85.9 %
    assert 0.83 <= scores(found)["kernels"] <= 0.90
    assert stage(found, "total", "top1_agreement")["value"] >= 0.95
    assert 20 <= stage(found, "quantization", "sqnr_db")["value"] <= 30
    assert stage(found, "conversion", "max_abs")["value"] < 1e-4


def test_resnet8_calibrated_on_another_scale_is_refused_before_it_is_converted(resnet8, images, executor, tmp_path):
    """Divided by 255 by mistake: seen by holding the set against the one that judges."""
    samples = Samples(images("train", "scale = 0.00392156862745098"), images("test"))

    with pytest.raises(InvalidSamples, match=r"\[(wrong-scale|double-normalization)\]"):
        toolkit.build(Original(resnet8), ["host"], samples, tmp_path, scheme="static_wi8_ai8", executor=executor)

    assert not (tmp_path / "host").exists()


def test_resnet8_calibrated_on_another_scale_is_not_shipped(resnet8, images, executor, tmp_path):
    """Accepted by who thinks he knows: 13.3 % top-1 was seen. The mistake is in the quantization, and the report says so."""
    accepted = "".join(
        f'[[accepted]]\ncode = "{code}"\nbecause = "of a test"\n' for code in ("wrong-scale", "double-normalization")
    )
    (tmp_path / "limits.toml").write_text(accepted)
    samples = Samples(images("train", "scale = 0.00392156862745098"), images("test"), tmp_path / "limits.toml")

    outcomes = toolkit.build(Original(resnet8), ["host"], samples, tmp_path, scheme="static_wi8_ai8", executor=executor)

    found = report.verdict_json(outcomes["host"], "model.tflite")
    assert (found["verdict"], found["guilty_stage"]) == ("failed", "quantization")
    assert scores(found)["original"] == 110 / 128
    assert scores(found)["kernels"] == pytest.approx(0.133, abs=0.008)  # reference kernels run part of the samples only
    assert stage(found, "quantization", "sqnr_db")["value"] < 5
    assert not (tmp_path / "host" / "model.tflite").exists()


def test_an_artifact_with_other_names_is_bound_where_that_leaves_no_doubt(resnet8, shared_models, images, executor):
    """`verify` on a file that their converter wrote: it names its only input and its only output otherwise."""
    theirs = shared_models / "resnet8" / "pretrainedResnet_quant.tflite"

    (verdict,) = toolkit.verify(
        theirs, Original(resnet8), ["host"], Samples(evaluation=images("test")), executor=executor
    ).values()

    said = [found.message for found in verdict.findings if found.code == "bound-without-name"]
    assert len(said) == 2
    assert "the only input is called 'input_1_int8', and 'image' in the original" in said[0]
    assert {each.output for each in verdict.total.comparisons} == {
        spec.name for spec in verdict.source.signature.outputs
    }


def test_a_model_of_tensorflow_1_with_reference_variables_passes(shared_models, arrays, edge, tmp_path):
    """Y = ax + b as TensorFlow 1.11 saved it: an input of any rank, variables that no re-export survives."""
    samples = arrays(X=np.random.default_rng(0).uniform(-3, 3, 400))

    ended = edge(
        "build", shared_models / "regression" / "saved_model", "--target", "host",
        "--calibration", samples, "--scheme", "float32", "--json", "--out", tmp_path,
    )  # fmt: skip

    assert ended.status == 0, ended.err
    found = ended.document["targets"]["host"]
    assert found["verdict"] == "passed"
    assert found["source"]["writer"] == "tensorflow 1.11.0"
    assert found["artifact"]["signature"]["inputs"] == [{"name": "X", "dtype": "float32", "shape": []}]
    assert stage(found, "source", "max_abs")["value"] == 0


def test_the_same_model_in_int8_on_two_runtimes(shared_models, arrays, executor, tmp_path):
    """The frozen form calibrates as any other."""
    samples = Samples(str(arrays(X=np.random.default_rng(0).uniform(-3, 3, 400))))
    targets = ["host", "linux-x86_64-tflite-runtime"]

    outcomes = toolkit.build(
        Original(shared_models / "regression" / "saved_model"), targets, samples, tmp_path, executor=executor
    )

    for name in targets:
        assert outcomes[name].passed
        assert outcomes[name].artifact.scheme == "static_wi8_ai8"


def test_a_model_that_reads_serialized_examples_is_refused(shared_models, arrays, edge):
    """The signature of a trainer, which takes strings: no runtime does, and the way out can be pasted."""
    ended = edge(
        "build",
        shared_models / "penguin" / "saved_model",
        "--target",
        "host",
        "--calibration",
        arrays(x=np.zeros((2, 2))),
    )

    assert ended.status == 2
    assert "'examples' of signature 'serving_default' is of dtype string" in ended.err
    assert "--inputs body_mass_g=" in ended.err
    assert "--outputs output_0=" in ended.err


@pytest.mark.parametrize(
    "name",
    [
        "resnet8/pretrainedResnet_quant.tflite",
        "hello_world/hello_world_int8.tflite",
        "mnist_lstm/trained_lstm_int8.tflite",
    ],
)
def test_artifacts_of_other_converters_can_be_inspected(shared_models, executor, name):
    """Old files have no signature; what they hold is told all the same."""
    held = toolkit.inspect(shared_models / name, executor=executor)

    assert held["kind"] == "tflite"
    (signature,) = held["signatures"]
    assert signature["inputs"]
    assert signature["outputs"]
    assert held["weights_bytes"]["int8"] > 0
