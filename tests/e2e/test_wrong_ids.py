"""Ids that a model's table has not, in the set that calibrates or in the one that judges: status 2, with the sample, the id and the table's size."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.errors import InvalidSamples
from toolkit.profiles.recipe import Estimator, Recipe

SAYS = r"sample 7 holds an index outside of its table: 55, where the table has 50 rows \(0 to 49\)"


@pytest.fixture
def ids(arrays):
    """Return a function that writes ids for the model's table of 50 rows; with one that it has not, or without."""

    def write(name, wrong=None, seed=0):
        numbers = np.random.default_rng(seed).integers(0, 50, size=(60, 5)).astype(np.int32)
        if wrong is not None:
            numbers[7, 2] = wrong
        return str(arrays(name, ids=numbers))

    return write


@pytest.mark.parametrize(
    ("quantizer", "estimator", "file"),
    [
        ("converter", None, "model.tflite"),  # it calibrates by itself, and says nothing of samples
        ("mlir", "converter", "model.tflite"),
        ("mlir", "min_max", "model.tflite"),
        ("onnxruntime", "min_max", "model.onnx"),
    ],
)
def test_a_set_that_calibrates_with_a_wrong_id_is_refused(models, executor, ids, tmp_path, quantizer, estimator, file):
    """Whoever calibrates."""
    estimators = (Estimator(estimator or "min_max"),)
    recipe = Recipe("static_wi8_ai8", estimators, quantizer)

    with pytest.raises(InvalidSamples, match=SAYS) as caught:
        toolkit.convert(
            Original(models / "ids"),
            recipe,
            Samples(ids("wrong.npz", 55)),
            tmp_path / file,
            artifact_format=file.rpartition(".")[2],
            executor=executor,
        )

    assert "calibration" in caught.value.problem
    assert not (tmp_path / file).exists()


@pytest.mark.parametrize("scheme", ["float32", "static_wi8_ai8"])
def test_a_set_that_judges_with_a_wrong_id_is_refused(models, executor, ids, tmp_path, scheme):
    """By whichever engine meets it first."""
    samples = Samples(ids("right.npz"), ids("wrong.npz", 55, seed=1))

    outcomes = toolkit.build(
        Original(models / "ids"), ["host"], samples, tmp_path / "dist", scheme=scheme, executor=executor
    )

    with pytest.raises(InvalidSamples, match=f"evaluation: wrong.npz: {SAYS}"):
        raise outcomes["host"]


def test_the_original_names_it_too(models, executor, ids):
    """In a batch of many, which TensorFlow refuses as a whole."""
    from toolkit.samples import dataset
    from toolkit.source import source

    opened = source.open_source(Original(models / "ids"), executor)
    samples = dataset.whole_set_job(ids("wrong.npz", 55), opened.signature).output("verification")

    with pytest.raises(InvalidSamples, match=f"evaluation: wrong.npz: {SAYS}"):
        executor.run(source.reference_job(opened, samples, device="cpu"))
