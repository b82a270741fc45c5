"""The linter at work: samples drawn and looked at by real workers, from recipes and files as users have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toolkit.errors import InvalidSamples
from toolkit.findings import Finding
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.samples import dataset, lint_job
from toolkit.settings import Settings

ROOT = Path(__file__).resolve().parents[4]
DIGITS = ROOT / "calibration" / "digits.toml"
SIGNATURE = {"inputs": [{"name": "image", "dtype": "float32", "shape": [1, 8, 8, 1]}]}
LARGE = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 224, 224, 3]}]}


@pytest.fixture
def notes():
    """Return what happened to the linter's jobs."""
    return []


@pytest.fixture
def executor(tmp_path, notes):
    def watch(job, what, progress):
        if job.module == "samples.lint" and what != "progress":
            notes.append(what)

    with LocalExecutor(Settings(home=tmp_path / "home", offline=True), watch) as executor:
        yield executor


@pytest.fixture
def linted(executor):
    """Return a function that draws from recipes or files, and gives what the linter found."""

    def run(calibration, evaluation=None, signature=SIGNATURE, limits=None):
        samples = dataset.samples_job(str(calibration), evaluation and str(evaluation), signature)
        (entry,) = executor.run(lint_job.lint_job(samples, limits or lint_job.read_limits()))
        return entry.result

    return run


@pytest.fixture
def digits(tmp_path):
    """Return a function that writes a recipe for a part of the digits, prepared in some way; labels come with them."""
    with np.load(DIGITS.with_suffix(".npz")) as held:
        images, labels = held["images"], held["labels"]

    def write(name, part, change=lambda images: images, more=""):
        np.savez(tmp_path / f"{name}.npz", image=change(images[part].astype(np.float32)), labels=labels[part])
        path = tmp_path / f"{name}.toml"
        path.write_text(f'[reader]\nkind = "arrays"\npath = "{name}.npz"\nlabels = "labels"\n{more}')
        return path

    return write


FIRST, LAST = slice(0, 200), slice(200, 700)


def test_the_embedded_digits_are_healthy(linted):
    """The sample's recipe, which the first command of every user runs."""
    found = linted(DIGITS)

    assert found["findings"] == []
    assert {"scale", "channels"} & {skipped["check"] for skipped in found["skipped"]}


def test_two_sets_of_digits_are_healthy(linted, digits):
    """With labels on both sides."""
    assert linted(digits("mine", FIRST), digits("theirs", LAST))["findings"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda images: images / 16, "wrong-scale"),
        (lambda images: np.random.default_rng(0).uniform(0, 16, images.shape).astype("f4"), "random-looking"),
    ],
)
def test_digits_that_were_prepared_otherwise_stop_a_build(linted, digits, change, code):
    """Named by recipe, input, reason code and fix."""
    found = linted(digits("mine", FIRST, change), digits("theirs", LAST))["findings"]

    assert {one["code"] for one in found if one["severity"] == "error"} == {code}
    with pytest.raises(InvalidSamples, match=rf"^mine.toml: input 'image': .*\[{code}\]\n    \w"):
        lint_job.refuse_severe(map(Finding.from_json, found))


def test_a_scale_that_preprocessing_mends_is_no_finding(linted, digits):
    """What was drawn is looked at, not what lies in the file."""
    mended = digits("mine", FIRST, lambda images: images / 16, "[preprocess]\nscale = 16\n")

    assert linted(mended, digits("theirs", LAST))["findings"] == []


def test_digits_without_one_of_them_miss_a_class(linted, tmp_path, digits):
    """The last 500 have all ten."""
    with np.load(DIGITS.with_suffix(".npz")) as held:
        others = np.flatnonzero(held["labels"][FIRST] != 7)

    (found,) = linted(digits("mine", others), digits("theirs", LAST))["findings"]

    assert (found["code"], found["severity"], found["classes"]) == ("missing-classes", "warning", [7])


def test_digits_that_leaked_are_found_in_both_forms(linted, executor, digits):
    """Bit by bit, which the draw leaves out, and with a little noise."""
    both = dataset.samples_job(str(digits("mine", FIRST)), str(digits("all", slice(0, 700))), SIGNATURE)
    (drawn,) = executor.run(both)
    noise = np.random.default_rng(0).normal(0, 0.05, (700, 8, 8, 1)).astype(np.float32)

    (found,) = linted(
        digits("mine", FIRST),
        digits("noisy", slice(0, 700), lambda images: np.clip(images + noise * (images > 0), 0, 16)),
    )["findings"]

    assert [one["code"] for one in drawn.result["findings"]] == ["calibrated-samples"]
    assert (found["code"], found["severity"]) == ("leaked-samples", "warning")
    assert found["copies"] > 100


def test_an_input_that_is_declared_constant_is_not_looked_at(linted, tmp_path):
    """A mask that is all ones: no check has anything to say of it."""
    random = np.random.default_rng(0)
    np.savez(tmp_path / "s.npz", x=random.random((200, 6), np.float32), mask=np.ones((200, 64), np.float32))
    recipe = tmp_path / "mine.toml"
    recipe.write_text('constant = ["mask"]\n[reader]\nkind = "arrays"\npath = "s.npz"\n')
    inputs = [{"name": name, "dtype": "float32", "shape": [1, size]} for name, size in (("x", 6), ("mask", 64))]

    found = linted(recipe, signature={"inputs": inputs})

    assert found["findings"] == []
    assert {"check": "input", "input": "mask", "reason": "declared to be constant"} in found["skipped"]


def test_a_set_is_looked_at_once(linted, digits, notes, tmp_path):
    """And again only where the samples or the limits are others."""
    own = tmp_path / "own.toml"
    own.write_text('[[limits]]\ncheck = "few"\nlimit = "samples"\nvalue = 300\nbecause = "a test"\n')
    recipes = digits("mine", FIRST), digits("theirs", LAST)

    results = [linted(*recipes, limits=limits) for limits in (None, None, lint_job.read_limits(own))]

    assert notes == ["started", "finished", "reused", "started", "finished"]
    assert [len(result["findings"]) for result in results] == [0, 0, 1]


def test_a_set_to_judge_with_alone_has_nothing_to_look_at(digits):
    """There is no calibration set."""
    samples = dataset.samples_job(None, str(digits("theirs", LAST)), SIGNATURE)

    with pytest.raises(InvalidSamples, match="no calibration set"):
        lint_job.lint_job(samples, lint_job.read_limits())


def test_memory_does_not_grow_with_the_number_of_samples(executor, tmp_path):
    """Photographs of 224 x 224 pixels, of which only what was measured is kept."""
    peaks = []
    for count in (40, 120):
        random = np.random.default_rng(count)
        blocks = random.random((count, 14, 14, 3), np.float32)
        np.save(tmp_path / f"{count}.npy", np.kron(blocks, np.ones((1, 16, 16, 1), np.float32)))
        samples = dataset.samples_job(str(tmp_path / f"{count}.npy"), None, LARGE)
        (entry,) = executor.run(lint_job.lint_job(samples, lint_job.read_limits()))
        peaks.append(entry.about["peak_bytes"])

    assert peaks[1] - peaks[0] < 16_000_000  # 80 more samples are 48 MB
