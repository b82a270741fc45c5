"""`convert` and `run` by themselves: what they need, and what they take."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit import Asked, Original, Samples
from toolkit.errors import InvalidSamples
from toolkit.profiles.recipe import Estimator, Recipe

rng = np.random.default_rng


@pytest.fixture
def converted(models, executor, vectors, tmp_path):
    """Return an artifact whose input x is int8, and the affine numbers of that input."""
    recipe = Recipe("static_wi8_ai8", inputs="int8")
    path = tmp_path / "int8.tflite"
    made = toolkit.convert(Original(models / "dense"), recipe, Samples(str(vectors)), path, executor=executor)
    (spec,) = made.signature.to_json()["inputs"]
    return path, spec["scale"][0], spec["zero_point"][0]


@pytest.mark.parametrize("count", [1, 2])
def test_convert_needs_no_sample_that_judges(models, executor, arrays, tmp_path, count):
    """A set of one sample calibrates; `build` would ask for another to judge with."""
    one = str(arrays(x=rng(0).normal(size=(count, 6))))

    made = toolkit.convert(
        Original(models / "dense"), "static_wi8_ai8", Samples(one), tmp_path / "m.tflite", executor=executor
    )

    assert made.path.is_file()


def test_convert_takes_a_recipe_whose_samples_all_calibrate(models, executor, vectors, recipe, tmp_path):
    """It declares as many as there are."""
    all_of_them = recipe("all", f'[reader]\nkind = "arrays"\npath = "{vectors}"\n[sampling]\ncalibration = 400\n')

    made = toolkit.convert(
        Original(models / "dense"),
        "static_wi8_ai8",
        Samples(str(all_of_them)),
        tmp_path / "m.tflite",
        executor=executor,
    )

    assert made.path.is_file()


def test_convert_calibrates_with_the_samples_that_build_does(models, executor, vectors, tmp_path):
    """Where there are enough for both: the same file comes out."""
    original, samples = Original(models / "dense"), Samples(str(vectors))
    recipe, asked = Recipe("static_wi8_ai8", quantizer="mlir"), Asked("static_wi8_ai8", (Estimator("min_max"),), "mlir")

    made = toolkit.convert(original, recipe, samples, tmp_path / "m.tflite", executor=executor)

    outcomes = toolkit.build(original, ["host"], samples, tmp_path / "d", scheme=asked, executor=executor)
    assert made.sha256 == outcomes["host"].artifact.sha256


def test_convert_tells_of_too_few_samples_without_options_that_it_lacks(models, executor, recipe, vectors, tmp_path):
    """There is no --eval here."""
    too_many = recipe("many", f'[reader]\nkind = "arrays"\npath = "{vectors}"\n[sampling]\ncalibration = 401\n')

    with pytest.raises(InvalidSamples, match="too few samples: 401 for calibration, but there are 400") as caught:
        toolkit.convert(
            Original(models / "dense"), "static_wi8_ai8", Samples(str(too_many)), tmp_path / "m", executor=executor
        )

    assert "--eval" not in str(caught.value)


def test_run_takes_an_artifacts_integers_as_they_are(converted, executor, arrays, tmp_path):
    """They give what the real numbers give that are quantized to them, and the result says which was done."""
    path, scale, zero_point = converted
    integers = rng(1).integers(-128, 128, size=(20, 6)).astype(np.int8)
    real = (integers.astype(np.float64) - zero_point) * scale

    fed = toolkit.run(path, "host", str(arrays("i.npz", x=integers)), tmp_path / "i_out.npz", executor=executor)
    quantized = toolkit.run(path, "host", str(arrays("r.npz", x=real)), tmp_path / "r_out.npz", executor=executor)

    assert fed.fed == {"x": "int8, as given"}
    assert quantized.fed == {"x": "float32, quantized to int8"}
    with np.load(tmp_path / "i_out.npz") as ours, np.load(tmp_path / "r_out.npz") as theirs:
        np.testing.assert_array_equal(ours["scores"], theirs["scores"])


def test_run_says_what_it_did_with_the_samples(edge, converted, arrays, tmp_path):
    """On the command line, for people and as JSON."""
    path, *_ = converted
    samples = arrays(x=rng(1).integers(-128, 128, size=(4, 6)).astype(np.int8))
    asked = ("run", path, "--target", "host", "--samples", samples, "--out", tmp_path / "y.npz")

    assert "fed x: int8, as given" in edge(*asked).out
    assert edge(*asked, "--json").document["fed"] == {"x": "int8, as given"}


def test_run_refuses_integers_of_another_dtype(converted, executor, arrays, tmp_path):
    """Pixels may mean themselves or a quantized input's integers, so it is asked."""
    path, *_ = converted
    samples = str(arrays(x=rng(1).integers(0, 256, size=(20, 6)).astype(np.uint8)))

    with pytest.raises(InvalidSamples, match="'x' is uint8, the artifact takes int8, or real numbers") as caught:
        toolkit.run(path, "host", samples, tmp_path / "out.npz", executor=executor)

    assert 'dtype = "int8"' in caught.value.hint
    assert caught.value.exit_status == 2
