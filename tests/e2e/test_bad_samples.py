"""Samples that do not fit the model, or do not suffice: refused with status 2, naming the sample and what is expected."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.errors import EdgeToolkitError, WorkerTimeout
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.report import exit_status
from toolkit.settings import Limits, Settings

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
    """Return images as expected: (60, 8, 8, 1) float32, 0 to 16."""
    return np.random.default_rng(0).uniform(0, 16, (COUNT, 8, 8, 1)).astype(np.float32)


def with_one(images, value, which=7):
    """Return the images with one number of one sample replaced."""
    changed = images.copy()
    changed[which, 3, 3, 0] = value
    return changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: {"image": x[:, :, :7]}, ["'image' has shape (8, 7, 1)", "a sample of the model has (8, 8, 1)"]),
        (
            lambda x: {"image": x.reshape(COUNT, 64)},
            ["has shape (64,)", "declare shape = [8, 8, 1] under [preprocess]"],
        ),
        (
            lambda x: {"image": x[0]},
            [
                "has shape (8, 1)",
                "the first axis of an array counts the samples; a sample itself has no batch axis, or one of 1",
            ],
        ),
        (lambda x: {"image": x[:, None, None]}, ["has shape (1, 1, 8, 8, 1)", "declare shape = [8, 8, 1]"]),
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
    ids="shape flat one-for-all axes uint8 bool names nan infinite identical single-values zeros empty one complex text labels".split(),
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


def test_one_nan_among_five_hundred_samples_is_named(refused, arrays):
    """Neither left out nor averaged away."""
    rows = np.random.default_rng(0).uniform(0, 16, (500, 8, 8, 1)).astype(np.float32)

    assert "sample 321: input 'image' holds 1 NaN" in refused(arrays("mine.npz", image=with_one(rows, np.nan, 321)))


def test_an_image_that_does_not_decode_is_named(refused, recipe, tmp_path):
    """Half a download among whole ones."""
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "photos").mkdir()
    for index in range(COUNT):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8), np.uint8)
        image.fromarray(pixels).save(tmp_path / "photos" / f"{index:02d}.png")
    broken = tmp_path / "photos" / "41.png"
    broken.write_bytes(broken.read_bytes()[:50])
    steps = '[preprocess]\ncolor = "gray"\ndtype = "float32"\nscale = 0.0625\n'

    assert "41.png: does not decode" in refused(recipe("mine", f'[reader]\nkind = "images"\npath = "photos"\n{steps}'))


def test_a_sound_at_another_rate_is_refused_with_the_fix(refused, recipe, tmp_path):
    """Never resampled in silence: the pitch would be another, or the features."""
    (tmp_path / "sounds").mkdir()
    for index in range(COUNT):
        rate, raw = 44100 if index == 41 else 16000, np.random.default_rng(index).bytes(128)
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
        body = b"WAVE" + form + struct.pack("<4sI", b"data", len(raw)) + raw
        (tmp_path / "sounds" / f"{index:02d}.wav").write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    text = '[reader]\nkind = "audio"\npath = "sounds"\nsample_rate = 16000\n[preprocess]\nshape = [8, 8, 1]\n'

    said = refused(recipe("mine", text))

    assert "41.wav: sampled at 44100 Hz, the recipe declares 16000 Hz" in said
    assert "resample = true" in said


@pytest.mark.parametrize("name", ["empty", "empty.toml"])
def test_an_empty_folder_is_refused_with_what_was_looked_for(refused, recipe, tmp_path, name):
    """By itself, and by a recipe."""
    (tmp_path / "empty").mkdir()
    recipe("empty", '[reader]\nkind = "images"\npath = "empty"\n')

    said = refused(tmp_path / name)

    assert f"{name}: holds no sample; expected images (.bmp, " in said
    assert "there: nothing" in said


def test_no_set_where_one_is_needed_shows_the_lines_to_write(sample, executor, tmp_path):
    """Three lines of TOML, for whoever has never seen one; before anything is converted."""
    with pytest.raises(EdgeToolkitError) as caught:
        toolkit.build(Original(sample), ["host"], Samples(), tmp_path, scheme="static_wi8_ai8", executor=executor)

    assert caught.value.exit_status == 2
    assert '[reader]\n    kind = "arrays"\n    path = "samples.npz"\n' in caught.value.hint


def test_a_table_with_a_missing_value_is_refused_by_its_line(refused, recipe, tmp_path):
    """Two lines of a table with a header: the first is line 2."""
    rows = np.random.default_rng(0).uniform(0, 16, (COUNT, 64)).round(3).astype(str)
    rows[41, 7] = ""
    lines = [",".join(f"p{place}" for place in range(64)), *map(",".join, rows)]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    text = '[reader]\nkind = "csv"\npath = "mine.csv"\n[preprocess]\nshape = [8, 8, 1]\n'

    assert "sample 41 (line 43): column 'p7' is empty" in refused(recipe("mine", text))


def test_a_function_that_fails_half_way_is_not_taken_for_a_short_one(refused, tmp_path):
    """What came before is no set: it would be another one on another day."""
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "def samples():\n"
        "    for seed in range(100):\n"
        "        if seed == 30:\n"
        "            raise OSError('the disk is gone')\n"
        "        yield np.random.default_rng(seed).uniform(0, 16, (8, 8, 1)).astype('float32')\n"
    )

    said = refused(f"{tmp_path / 'mine.py'}:samples")

    assert "mine.py:samples: failed after 30 samples: OSError: the disk is gone" in said
    assert "mine.py, line 5" in said


def test_a_function_that_never_ends_gives_what_is_needed(sample, executor, tmp_path, recipe):
    """No more is asked of it."""
    (tmp_path / "mine.py").write_text(
        "import itertools\n"
        "import numpy as np\n"
        "def samples():\n"
        "    for seed in itertools.count():\n"
        "        yield np.random.default_rng(seed).uniform(0, 16, (8, 8, 1)).astype('float32')\n"
    )
    text = f'[reader]\nkind = "python"\nfunction = "{tmp_path / "mine.py"}:samples"\n[sampling]\ncalibration = 30\nverification = 40\n'

    outcomes = toolkit.build(
        Original(sample), ["host"], Samples(str(recipe("mine", text))), tmp_path, scheme="float32", executor=executor
    )

    assert outcomes["host"].samples == {"calibration": 30, "verification": 40}


def test_a_function_that_never_answers_is_ended(sample, digits, home, executor, tmp_path):
    """By the limit that every job has."""
    (tmp_path / "mine.py").write_text("import time\ndef samples():\n    time.sleep(600)\n    yield\n")
    given = Samples(f"{tmp_path / 'mine.py'}:samples")
    settings = replace(Settings(home=home), limits=Limits(5.0, 8_000_000_000))

    def build(samples, executor):
        return toolkit.build(
            Original(sample), ["host"], samples, tmp_path / "dist", scheme="float32", executor=executor
        )

    build(Samples(str(digits)), executor)  # so that nothing but the function is left to do within 5 s
    with LocalExecutor(settings) as short:
        outcomes = build(given, short)

    assert isinstance(outcomes["host"], WorkerTimeout)
    assert "drawing samples from mine.py:samples: no answer in 5 s" in str(outcomes["host"])


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
