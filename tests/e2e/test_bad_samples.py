"""Samples that do not fit the model, or do not suffice: refused with status 2, naming the sample and what would be right."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.errors import EdgeToolkitError
from toolkit.report import exit_status

COUNT = 60


@pytest.fixture
def refused(sample, executor, tmp_path):
    """Return a function that builds the embedded sample with a set, and returns the error of the target."""

    def build(calibration, evaluation=None, scheme="static_wi8_ai8"):
        given = Samples(str(calibration), None if evaluation is None else str(evaluation))
        outcomes = toolkit.build(Original(sample), ["host"], given, tmp_path / "dist", scheme=scheme, executor=executor)
        assert exit_status(outcomes) == 2
        assert not (tmp_path / "dist" / "host").exists()
        error = outcomes["host"]
        assert isinstance(error, EdgeToolkitError)
        return str(error)

    return build


@pytest.fixture
def images():
    """Return images that would be right: (60, 8, 8, 1) float32, 0 to 16."""
    return np.random.default_rng(0).uniform(0, 16, (COUNT, 8, 8, 1)).astype(np.float32)


def with_one(images, value):
    """Return the images with one number of sample 7 replaced."""
    changed = images.copy()
    changed[7, 3, 3, 0] = value
    return changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: {"image": x[:, :, :7]}, ["'image' has shape (8, 7, 1)", "a sample of the model has (8, 8, 1)"]),
        (
            lambda x: {"image": x.reshape(COUNT, 64)},
            ["has shape (64,)", "declare shape = [8, 8, 1] under [preprocess]"],
        ),
        (lambda x: {"image": x.astype(np.uint8)}, ["'image' is uint8, the model takes float32", 'dtype = "float32"']),
        (lambda x: {"image": x > 8}, ["'image' is bool, the model takes float32"]),
        (
            lambda x: {"imag": x, "other": x},
            ["no array for the model's inputs ['image']", "imag float32", "other float32"],
        ),
        (lambda x: {"image": with_one(x, np.nan)}, ["sample 7", "'image'", "1 NaN and 0 infinite of 64 values"]),
        (lambda x: {"image": with_one(x, np.inf)}, ["sample 7", "0 NaN and 1 infinite"]),
        (lambda x: {"image": np.repeat(x[:1], COUNT, 0)}, [f"all {COUNT} samples read are identical"]),
        (lambda x: {"image": x[:, :1, :1] * np.ones((1, 8, 8, 1), np.float32)}, ["one single value all over"]),
        (lambda x: {"image": np.zeros_like(x)}, ["identical"]),
        (lambda x: {"image": x[:0]}, ["holds no sample"]),
        (lambda x: {"image": x[:1]}, ["too few samples", "at least 1 for calibration and at least 1 for verification"]),
        (lambda x: {"image": x.astype(np.complex64)}, ["no array for the model's inputs ['image']"]),
        (lambda x: {"image": np.array(["a"] * COUNT)}, ["no array for the model's inputs ['image']"]),
        (
            lambda x: {"image": x, "labels": np.arange(COUNT - 1)},
            ["different numbers of samples", f"image {COUNT}", f"labels {COUNT - 1}"],
        ),
    ],
    ids="shape flat uint8 bool names nan infinite identical single-values zeros empty one complex text labels".split(),
)
def test_samples_that_do_not_fit_are_refused(refused, arrays, images, change, says):
    """Nothing is bent to fit: the message names the set, the sample, the input, and what the model takes."""
    said = refused(arrays("mine.npz", **change(images)))

    assert "mine.npz" in said
    for part in says:
        assert part in said


def test_python_objects_in_an_npz_are_not_read(refused, tmp_path):
    """Reading a pickle runs whatever code is in it."""
    np.savez(tmp_path / "objects.npz", image=np.array([{}] * COUNT, dtype=object))

    said = refused(tmp_path / "objects.npz")

    assert "no array for the model's inputs ['image']" in said


def test_nan_that_preprocessing_makes_is_refused(refused, arrays, images, recipe):
    """The file is finite; what would be fed is not."""
    arrays("mine.npz", image=images * 1e30)
    said = refused(
        recipe("mine", '[reader]\nkind = "arrays"\npath = "mine.npz"\n[preprocess]\ndtype = "float32"\nscale = 1e20\n')
    )

    assert "after [preprocess]" in said
    assert "infinite" in said


def test_declared_counts_that_cannot_be_met_are_refused(refused, arrays, images, recipe):
    """Too few to split as asked: how many were wanted, and how many there are."""
    arrays("mine.npz", image=images)
    text = '[reader]\nkind = "arrays"\npath = "mine.npz"\n[sampling]\ncalibration = 50\nverification = 50\n'

    said = refused(recipe("mine", text))

    assert "too few samples: 50 for calibration and 50 for verification, but there are 60 different ones" in said


def test_repeated_samples_do_not_make_a_set_larger(refused, arrays, images, recipe):
    """Two samples, thirty times each, are two samples."""
    arrays("mine.npz", image=np.tile(images[:2], (30, 1, 1, 1)))
    text = '[reader]\nkind = "arrays"\npath = "mine.npz"\n[sampling]\ncalibration = 2\nverification = 2\n'

    assert "there are 2 different ones among 60" in refused(recipe("mine", text))


def test_what_calibrated_does_not_judge(refused, arrays, images):
    """The same images under another name: all of them are in the calibration set, so none is left."""
    said = refused(arrays("one.npz", image=images), arrays("other.npz", image=images[::-1], labels=np.arange(COUNT)))

    assert "other.npz: too few samples" in said
    assert "60 of them in the calibration set" in said


def test_a_function_that_fails_is_named_with_its_line(refused, tmp_path):
    """The user's own code is where the mistake is; the toolkit's frames are of no use to him."""
    (tmp_path / "mine.py").write_text("def samples():\n    yield {}['image']\n")

    said = refused(f"{tmp_path / 'mine.py'}:samples")

    assert "mine.py:samples: failed" in said
    assert "KeyError: 'image'" in said
    assert "mine.py, line 2" in said


def test_a_damaged_npz_is_refused(refused, arrays, images, tmp_path):
    """Cut in the middle, as a broken download is."""
    whole = arrays("whole.npz", image=images)
    (tmp_path / "cut.npz").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    assert "cut.npz: cannot be read, it is damaged or cut short" in refused(tmp_path / "cut.npz")


def test_the_command_line_says_it_with_status_2(edge, sample, arrays, images):
    """As text for a person, as JSON for a script."""
    bad = arrays("mine.npz", image=with_one(images, np.nan))

    said = edge("build", sample, "--target", "host", "--calibration", bad)
    document = edge("build", sample, "--target", "host", "--calibration", bad, "--json")

    assert said.status == document.status == 2
    assert "sample 7: input 'image' holds 1 NaN" in said.out + said.err
    error = document.document["targets"]["host"]["error"]
    assert (error["kind"], error["exit_status"]) == ("InvalidSamples", 2)


def test_a_misspelt_set_is_refused_before_anything_is_done(edge, sample, arrays, images, tmp_path):
    """The closest name that is there is offered."""
    arrays("images.npz", image=images)

    ended = edge("build", sample, "--target", "host", "--calibration", tmp_path / "imags.npz")

    assert ended.status == 2
    assert "did you mean 'images.npz'?" in ended.err
