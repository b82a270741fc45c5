"""Builds whose samples cannot show whether the artifact is right: they are not passed, and say why."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit import Asked, Original, Samples
from toolkit.errors import InvalidSamples

STATIC = Asked("static_wi8_ai8", quantizer="mlir")
RECIPE = """
[reader]
kind = "arrays"
path = "{path}"
labels = "labels"
[preprocess]
dtype = "float32"
{steps}
"""


@pytest.fixture
def held(digits):
    with np.load(digits.with_suffix(".npz")) as file:
        return file["images"], file["labels"]


@pytest.fixture
def built(executor, sample, tmp_path):
    """Return what a build of the embedded digits comes to with these sets."""

    def build(calibration, evaluation=None, scheme: Asked | str | None = STATIC):
        samples = Samples(str(calibration), None if evaluation is None else str(evaluation))
        return toolkit.build(Original(sample), ["host"], samples, tmp_path, scheme=scheme, executor=executor)["host"]

    return build


@pytest.fixture
def recipe(tmp_path):
    """Return a maker of recipes of images and labels, prepared by some steps."""

    def make(name, images, labels, steps=""):
        np.savez(tmp_path / f"{name}.npz", image=images, labels=labels)
        (tmp_path / f"{name}.toml").write_text(RECIPE.format(path=f"{name}.npz", steps=steps))
        return tmp_path / f"{name}.toml"

    return make


def grave(verdict):
    return {one.code for one in verdict.findings if one.severity in ("error", "inconclusive")}


def test_one_class_is_no_evidence_for_the_others(built, recipe, held, digits):
    images, labels = held

    verdict = built(digits, recipe("threes", images[labels == 3], labels[labels == 3]), None)

    assert (verdict.outcome, grave(verdict)) == ("inconclusive", {"one-class"})
    assert verdict.tried == ()  # no other scheme would be judged by more
    assert all(each.passed for each in verdict.comparisons)


def test_labels_of_the_sample_before_are_named(built, recipe, held):
    """One line too many at the top of a file: the original is as if it guessed, and so is the artifact, which agrees with it."""
    images, labels = held

    verdict = built(recipe("late", images, np.roll(labels, 1)))

    assert verdict.outcome == "inconclusive"
    assert {"chance-answers", "shifted-labels"} == grave(verdict)


def test_pixels_that_are_prepared_wrongly_on_both_sides_are_named(built, recipe, held):
    """A mean of 127.5 comes off what was scaled to one: the original is fed all but one value."""
    images, labels = held

    verdict = built(recipe("dark", images, labels, "scale = 0.0625\nmean = 127.5"))

    assert verdict.outcome == "failed"
    assert {"constant-answers", "off-range", "other-preparation"} == grave(verdict)
    assert all("[preprocess]" in one.message for one in verdict.findings if one.code in grave(verdict))


def test_a_wrong_scale_stops_what_is_calibrated_and_nothing_else(built, recipe, held, digits):
    images, labels = held
    wrong = recipe("small", images[:300], labels[:300], "scale = 0.00392156862745098")
    right = recipe("right", images[300:], labels[300:])

    with pytest.raises(InvalidSamples, match=r"\[wrong-scale\]"):
        built(wrong, right)

    verdict = built(wrong, right, "dynamic_wi8_afp32")
    assert verdict.outcome == "passed"
    assert [one.severity for one in verdict.findings if one.code == "wrong-scale"] == ["warning"]
