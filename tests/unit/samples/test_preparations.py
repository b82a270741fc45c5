"""Images that are prepared in one usual way are taken to the others, and the one that the original knows is named."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.samples import lint_job
from toolkit.samples.lints import preparation
from toolkit.samples.normalization import PRESETS
from toolkit.samples.preparations import changes
from toolkit.samples.preprocess import prepared

PIXELS = np.random.default_rng(5).integers(0, 256, (6, 8, 9, 3), np.uint8)
FLOAT = {"dtype": "float32"}
CAFFE = {"color": "bgr", "dtype": "float32", "mean": [103.939, 116.779, 123.68]}
RECIPES = {
    'preset = "0..1"': {"preset": "0..1", **FLOAT, **PRESETS["0..1"].steps()},
    'preset = "-1..1"': {"preset": "-1..1", **FLOAT, **PRESETS["-1..1"].steps()},
    'preset = "imagenet"': {"preset": "imagenet", **FLOAT, **PRESETS["imagenet"].steps()},
    'dtype = "float32" and no scale, mean or std': FLOAT,
    'color = "bgr", preset = "0..1"': {"color": "bgr", "preset": "0..1", **FLOAT, **PRESETS["0..1"].steps()},
    'color = "bgr", preset = "-1..1"': {"color": "bgr", "preset": "-1..1", **FLOAT, **PRESETS["-1..1"].steps()},
    'color = "bgr", dtype = "float32" and no scale, mean or std': {"color": "bgr", **FLOAT},
    'color = "bgr", dtype = "float32" and mean = [103.939, 116.779, 123.68]': CAFFE,
}
LIMITS = preparation.Limits(**lint_job.read_limits().values["preparation"])


def made(steps, pixels=PIXELS):
    """Return what the toolkit makes of pixels by these steps."""
    return np.array([prepared(each, steps, "x") for each in pixels])


def changed(values, change):
    """Return what a job makes of samples."""
    told = change.options()
    values = values[..., ::-1] if told["reverse"] else values
    return values * np.array(told["factor"]) + np.array(told["offset"])


@pytest.mark.parametrize("own", RECIPES)
def test_each_usual_preparation_is_reached_from_each_other(own):
    """As the recipe that is proposed makes it, to a hundredth of a pixel."""
    values = made(RECIPES[own])

    found = {change.to.declared.removeprefix('color = "rgb", '): change for change in changes(values, RECIPES[own])}

    assert set(found) | {own} == {*RECIPES, *(name for name in found if "the same numbers" in name)}
    for name, change in found.items():
        if name in RECIPES:
            assert np.allclose(changed(values, change), made(RECIPES[name]), atol=1e-3), name


def test_colours_are_declared_only_where_they_change():
    found = [change.to.declared for change in changes(made(CAFFE), CAFFE)]

    assert 'color = "rgb", preset = "0..1"' in found
    assert not any('"rgb"' in change.to.declared for change in changes(made(FLOAT), FLOAT))


def test_numbers_of_ones_own_are_tried_with_the_colours_exchanged():
    steps = {"dtype": "float32", "scale": 1 / 255, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}

    (exchanged,) = [change for change in changes(made(steps), steps) if "same numbers" in change.to.declared]

    assert exchanged.to.declared == 'color = "bgr", the same numbers'
    assert np.allclose(changed(made(steps), exchanged), made({**steps, "color": "bgr"}), atol=1e-5)


def test_images_that_were_prepared_before_they_were_saved_are_recognized():
    """No recipe says how."""
    values = made(RECIPES['preset = "-1..1"'])

    (change,) = [change for change in changes(values, {}) if change.to.declared == 'preset = "0..1"']

    assert np.allclose(changed(values, change), PIXELS / 255, atol=1e-5)


def test_gray_images_have_no_colours_to_exchange():
    values = made(FLOAT, PIXELS[..., :1])

    assert [change.to.declared for change in changes(values, FLOAT)] == ['preset = "0..1"', 'preset = "-1..1"']


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).normal(size=(3, 8, 8, 3)),
        np.random.default_rng(1).integers(0, 4096, (3, 8, 8, 1)).astype(float),
        PIXELS[..., :2].astype(float),
    ],
    ids=["real numbers", "12 bits", "two channels"],
)
def test_what_is_no_8_bit_image_is_left_alone(values):
    assert changes(values, {}) == []


def right(count, of=100):
    return np.arange(of) < count


def test_the_preparation_of_the_training_is_named():
    """By what the original has right, of the same samples."""
    (found,) = preparation.judge(right(17), np.array([right(20), right(99)]), ["this", "that"], LIMITS)

    assert (found.code, found.severity) == ("other-preparation", "inconclusive")
    assert found.facts == {"samples": 100, "right": 17, "otherwise": 99}
    assert found.message.startswith(
        "of 100 samples the original is right for 17 as they are prepared, and for 99 with that under [preprocess]: "
    )
    assert found.fix.startswith("declare that; ")


@pytest.mark.parametrize(
    ("own", "other"), [(60, 60), (60, 68), (99, 20), (30, 41)], ids=["equal", "a little", "worse", "a tenth, sure"]
)
def test_a_poor_original_that_is_fed_rightly_is_left_alone(own, other):
    """Eleven of a hundred more and none less is the least that is certain."""
    found = preparation.judge(right(own), np.array([right(other)]), ["this"], LIMITS)

    assert bool(found) == (other - own > 10)


def test_a_gain_that_may_be_chance_is_none():
    """30 samples are won and 18 lost."""
    own, other = right(60), np.roll(right(72), 30)

    assert preparation.judge(own, np.array([other]), ["this"], LIMITS) == []


def test_few_samples_show_nothing():
    said = preparation.judge(right(0, 19), np.array([right(19, 19)]), ["this"], LIMITS)

    assert said == "fewer than 20 samples show nothing about how they are prepared"
