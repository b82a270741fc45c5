"""A network that others trained, with one of its layers broken: the verdict names the stage, and what follows it the operator."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.bundle.attribution_folder import write
from toolkit.environments import resolve
from toolkit.errors import RequestError
from toolkit.settings import Settings
from toolkit.verbs.debug import Looking, locate

BREAK = Path(__file__).parents[1] / "integration" / "diagnosis" / "break_operators.py"
BROKEN = 10  # of ResNet8's 17 operators: a convolution of its last block
RECIPE = """
[reader]
kind   = "arrays"
path   = "{path}"
inputs = {{ image = "x" }}
[preprocess]
dtype  = "float32"
"""


@pytest.fixture
def resnet8(shared_models, models, recipe, executor, tmp_path):
    """Return ResNet8, its sets, and its int8 artifact."""
    sets = [
        str(recipe(name, RECIPE.format(path=shared_models / "resnet8" / f"{name}.npz"))) for name in ("train", "test")
    ]
    original = Original(models / "resnet8")
    made = toolkit.convert(original, "static_wi8_ai8", Samples(sets[0]), tmp_path / "model.tflite", executor=executor)
    return original, Samples(*sets), made.path


def test_the_broken_layer_of_resnet8_is_named_and_shown(resnet8, executor, home, tmp_path):
    original, samples, artifact = resnet8
    broken, python = tmp_path / "broken.tflite", resolve("litert", settings=Settings(home=home)).python
    subprocess.run([python, BREAK, artifact, broken, str(BROKEN), "weights"], check=True)

    found = locate(broken, original, samples, executor=executor)

    assert found.stage == "quantization"
    assert (found.guilty.operator, found.guilty.place) == ("CONV_2D", BROKEN)
    assert len(found.samples) == 4
    write(found, tmp_path / "out")
    assert (tmp_path / "out" / "operator.tflite").stat().st_size < artifact.stat().st_size


def test_where_every_stage_kept_its_bounds_one_is_to_be_named(resnet8, executor):
    original, samples, artifact = resnet8

    with pytest.raises(RequestError, match="every stage kept its bounds; choose one with --stage"):
        locate(artifact, original, samples, executor=executor)
    found = locate(artifact, original, samples, Looking(samples=1), "kernels", executor=executor)

    assert found.stage == "kernels"
    assert found.first is not None
