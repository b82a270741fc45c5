"""Numbers and operators that a device's kernels lack: named before the long work, with what to do, status 2."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.errors import InvalidSamples, InvalidSource, Unconvertible

rng = np.random.default_rng


@pytest.fixture
def refused(models, executor, tmp_path):
    """Return a function that builds a model for the host with samples that do not fit, and returns why it was refused before they were read."""

    def build(model, samples, signature=None):
        with pytest.raises(Unconvertible) as caught:
            toolkit.build(
                Original(models / model, signature), ["host"], Samples(str(samples)), tmp_path / "d", executor=executor
            )
        assert caught.value.exit_status == 2
        return caught.value

    return build


@pytest.mark.parametrize(
    ("model", "signature", "says", "do"),
    [
        (
            "double",
            "computes",
            "computes in float64 (MatMul, Tanh), which TFLite has no kernels for",
            'set_floatx("float32")',
        ),
        ("half", None, "computes in float16 (MatMul), which TFLite has no kernels for", 'set_dtype_policy("float32")'),
    ],
)
def test_arithmetic_that_tflite_lacks_is_named(refused, models, executor, arrays, model, signature, says, do):
    """At `inspect`, and at `build` before a sample is read; also inside of a loop."""
    error = refused(model, arrays(x=rng(0).normal(size=(9, 3))), signature)

    assert says in error.problem
    assert do in error.hint
    found = toolkit.inspect(models / model, executor=executor)["findings"]
    (said,) = (one for one in found if one["code"] == "no-arithmetic")
    assert says in said["message"]
    assert said["signatures"] == [signature or "serving_default"]


def test_float64_at_the_ends_alone_gets_a_cast_ready_to_paste(
    refused, models, executor, tensorflow_python, arrays, tmp_path
):
    """And with it the model is built."""
    samples = arrays(x=rng(0).normal(size=(200, 6)))

    error = refused("double", samples, "ends")

    assert "'x' is float64, 'y' is float64; an artifact takes and gives float32, or integers" in error.problem
    script = error.hint.partition("\n")[2]
    subprocess.run([tensorflow_python, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    outcomes = toolkit.build(
        Original(tmp_path / "double_float32"), ["host"], Samples(str(samples)), tmp_path / "d", scheme="float32",
        executor=executor,
    )  # fmt: skip
    assert outcomes["host"].artifact.signature.inputs[0].dtype == "float32"
    assert outcomes["host"].outcome == "passed"


def test_constants_of_float64_are_nobodys_business(models, executor, arrays, tmp_path):
    """The converter folds them."""
    samples = str(arrays(x=rng(0).normal(size=(9, 3))))

    outcomes = toolkit.build(
        Original(models / "double", "single"), ["host"], Samples(samples), tmp_path / "d", executor=executor
    )

    assert isinstance(outcomes["host"], InvalidSamples)  # it came as far as its samples


@pytest.mark.parametrize(
    ("signature", "says"), [("there", "no interpreter can start"), ("back", "TFLite has no kernel for IRFFT")]
)
def test_a_fourier_transform_that_no_kernel_does_is_told(models, executor, tmp_path, signature, says):
    """What there is instead is named."""
    with pytest.raises(Unconvertible) as caught:
        toolkit.convert(
            Original(models / "fourier", signature), "float32", Samples(), tmp_path / "m.tflite", executor=executor
        )

    assert says in caught.value.problem
    assert "tf.signal.rfft" in caught.value.hint


@pytest.mark.parametrize(("file", "became"), [("m.tflite", "became infinite"), ("m.onnx", "became 65,504")])
def test_weights_beyond_float16_are_named(models, executor, tmp_path, file, became):
    """The verdict that fails says NaN; this says why."""
    artifact = toolkit.convert(
        Original(models / "beyond"),
        "float16",
        Samples(),
        tmp_path / file,
        artifact_format=file.rpartition(".")[2],
        executor=executor,
    )

    (said,) = (one.message for one in artifact.findings if one.code == "beyond-float16")
    assert "1 weights are beyond float16's range of 65,504" in said
    assert became in said


def test_an_operator_that_only_the_device_has_gets_the_tensors_to_cut_at(models, executor, arrays, tmp_path):
    """TensorFlow runs the graph up to it; with the cut that is proposed, by `inspect` as by the error, the rest is built."""
    graph = models / "detection" / "graph.pb"
    samples = str(arrays(image=rng(0).normal(size=(60, 8, 8, 3))))

    with pytest.raises(
        InvalidSource, match="TFLite_Detection_PostProcess is an operator that TFLite's runtimes have"
    ) as caught:
        toolkit.build(Original(graph), ["host"], Samples(samples), tmp_path / "d", executor=executor)

    assert "--inputs image=image:0 --outputs boxes=raw/boxes:0,scores=raw/scores:0" in caught.value.hint
    found = toolkit.inspect(graph, executor=executor)["findings"]
    assert caught.value.hint in next(one["message"] for one in found if one["code"] == "device-operators")
    cut = Original(graph, inputs={"image": "image:0"}, outputs={"boxes": "raw/boxes:0", "scores": "raw/scores:0"})
    made = toolkit.convert(cut, "float32", Samples(), tmp_path / "m.tflite", executor=executor)
    assert [spec.name for spec in made.signature.outputs] == ["boxes", "scores"]


def test_an_artifact_with_an_operator_of_the_runtimes_is_run(models, executor, arrays, tmp_path):
    """LiteRT has it built in; what is said of it is no error."""
    artifact = models / "detection" / "model.tflite"
    samples = str(arrays(image=rng(0).normal(size=(4, 8, 8, 3))))

    ran = toolkit.run(artifact, "host", samples, tmp_path / "out.npz", executor=executor)

    assert ran.count == 4
    (said,) = toolkit.inspect(artifact, executor=executor)["findings"]
    assert (said["code"], said["severity"]) == ("device-operators", "info")
