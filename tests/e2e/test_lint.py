"""The linter and real data of others: healthy sets are left alone, and the mistakes that people make with them are found."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import toolkit
from tests.rows import slow
from toolkit import findings
from toolkit.diagnosis import calibration_stability
from toolkit.pipeline.prepare import Samples, draw, open_model
from toolkit.profiles.recipe import Recipe
from toolkit.samples import dataset, lint_job
from toolkit.source.original import Original


@pytest.fixture
def linted(executor, tmp_path):
    """Return a function that draws from two arrays, or one that is split, and gives what the linter found."""

    def run(calibration, evaluation=None, labels=(None, None)):
        paths = []
        for name, array, label in zip(("mine", "theirs"), (calibration, evaluation), labels, strict=True):
            if array is not None:
                held = {"x": array} | ({} if label is None else {"labels": label})
                np.savez(tmp_path / f"{name}.npz", **held)
                paths.append(str(tmp_path / f"{name}.npz"))
        signature = {"inputs": [{"name": "x", "dtype": calibration.dtype.name, "shape": [1, *calibration.shape[1:]]}]}
        samples = dataset.samples_job(paths[0], paths[1] if len(paths) > 1 else None, signature)
        (entry,) = executor.run(lint_job.lint_job(samples, lint_job.read_limits()))
        return entry.result

    return run


@pytest.fixture
def cifar(shared_models):
    """Return images and labels to train with, and to test with."""
    sets = []
    for part in ("train", "test"):
        with np.load(shared_models / "resnet8" / f"{part}.npz") as held:
            sets.append((held["x"].astype(np.float32), held["y"]))
    return sets


def read(path, name, rows=slice(None)):
    with np.load(path) as held:
        array = held[name][rows]
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def digits(folder):
    with gzip.open(folder / "mnist_lstm" / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28)
    return (images[:700] / 255).astype(np.float32)


# Calibration, verification (None: split), and what is truly to be said of them.
HEALTHY = {
    "CIFAR-10, train and test": (
        lambda f: read(f / "resnet8" / "train.npz", "x"),
        lambda f: read(f / "resnet8" / "test.npz", "x"),
        set(),
    ),
    "MNIST": (digits, None, set()),
    "penguins": (
        lambda f: read(f / "penguin" / "penguin_eval.npz", "xt"),
        lambda f: read(f / "penguin" / "penguin_eval.npz", "x"),
        set(),
    ),
    "words": (
        lambda f: read(f / "streaming_wakeword" / "calibration_samples.npz", "specs"),
        None,
        {"too-few-samples"},
    ),
    "faces": (lambda f: read(f / "face" / "faces64.npz", "x"), None, {"too-few-samples"}),
    # One photograph is there twice, in two sizes.
    "photographs": (
        lambda f: read(f / "vww" / "inputs.npz", "x", slice(0, None, 2)),
        lambda f: read(f / "vww" / "inputs.npz", "x", slice(1, None, 2)),
        {"too-few-samples", "leaked-samples"},
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_real_sets_are_left_alone(linted, shared_models, name):
    """No error, and no warning that is not true."""
    calibration, verification, true = HEALTHY[name]

    found = linted(calibration(shared_models), verification and verification(shared_models))["findings"]

    assert {one["code"] for one in found} == true
    assert {one["severity"] for one in found} <= {"warning"}


def test_labels_of_real_sets_miss_nothing(linted, cifar):
    """Ten classes in 128 images each."""
    assert linted(cifar[0][0], cifar[1][0], labels=(cifar[0][1], cifar[1][1]))["findings"] == []


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        (
            lambda images: images / 255,
            "wrong-scale",
            "error",
        ),  # the very mistake that costs this network 73 points of accuracy
        (lambda images: images / 127.5 - 1, "wrong-scale", "error"),
        (lambda images: images.transpose(0, 3, 1, 2).reshape(images.shape), "wrong-layout", "error"),
        (lambda images: images[..., ::-1], "swapped-channels", "warning"),
        (lambda images: np.clip(images * 2, 0, 255), "saturated-samples", "warning"),
        (lambda images: images * np.float32(0.7), "uncovered-range", "warning"),
    ],
)
def test_mistakes_with_real_images_are_found(linted, cifar, change, code, severity):
    """Each is made with the images that calibrate ResNet8; those that verify are as they should be."""
    found = linted(np.ascontiguousarray(change(cifar[0][0])), cifar[1][0])["findings"]

    assert [(one["code"], one["severity"]) for one in found] == [(code, severity)]


def test_real_images_that_were_normalized_twice_are_found(linted, cifar):
    """Divided by 255 in the file, and again."""
    (found,) = linted(cifar[0][0] / 255 / 255, cifar[1][0] / 255)["findings"]

    assert (found["code"], found["severity"]) == ("double-normalization", "error")


def test_a_class_that_is_missing_is_found(linted, cifar):
    """No ships among 128 images."""
    (images, labels), (others, their_labels) = cifar
    kept = labels != 8

    (found,) = linted(images[kept], others, labels=(labels[kept], their_labels))["findings"]

    assert (found["code"], found["classes"]) == ("missing-classes", [8])


@pytest.fixture
def judged_by_halves(executor, sample):
    """Return a function that gives what is found of ranges and of outputs where the embedded sample is calibrated with a set."""

    def run(calibration):
        recipe = Recipe("static_wi8_ai8")
        model = draw(open_model(Original(sample), executor), Samples(str(calibration)), [recipe])
        limits = lint_job.read_limits()
        statistics = model.conversions.statistics("tflite").output("statistics")
        halves = calibration_stability.halves_of(model, recipe.variants("tflite")[0], "tflite")
        (entry,) = executor.run(lint_job.lint_ranges_job(statistics, model.samples, limits))
        return [
            *findings.read(entry.result["findings"]),
            *calibration_stability.unstable_outputs(halves, executor, limits),
        ]

    return run


def test_ranges_and_outputs_of_the_embedded_sample_are_stable(judged_by_halves, digits):
    """Two hundred digits."""
    assert judged_by_halves(digits) == []


def test_one_sample_out_of_scale_makes_outputs_unstable(judged_by_halves, digits, arrays):
    """It is in one half, and not in the other."""
    with np.load(digits.with_suffix(".npz")) as held:
        images = held["images"][:60].astype(np.float32)
    images[::2][3] *= 60

    found = judged_by_halves(arrays(image=images))

    assert [one.code for one in found] == ["unstable-ranges", "unstable-outputs"]
    assert found[1].facts["between"] > 4 * found[1].facts["quantization"]


def test_a_build_says_what_is_to_be_said_of_samples_and_of_ranges(executor, sample, digits, arrays, tmp_path):
    """In the report, whatever the verdict; a sound set leaves nothing there."""
    with np.load(digits.with_suffix(".npz")) as held:
        images = held["images"][:60].astype(np.float32)
    images[::2][3] *= 60

    def codes(calibration, evaluation=None):
        samples = toolkit.Samples(str(calibration), evaluation)
        outcomes = toolkit.build(
            Original(sample), ["host"], samples, tmp_path, scheme=toolkit.Asked("static_wi8_ai8", quantizer="mlir"), executor=executor
        )  # fmt: skip
        return {finding.code for finding in outcomes["host"].findings}

    assert {"unstable-ranges", "too-few-samples"} <= codes(arrays(image=images))
    assert not codes(digits)


PHOTOS = '[reader]\nkind = "arrays"\npath = "photos.npz"\ninputs = {{ input_1 = "x" }}\nlabels = "y"\n[preprocess]\n{steps}\n'


@pytest.fixture
def photos(shared_models, tmp_path):
    """Return a function that writes a recipe of 256 real photographs, prepared by some steps."""

    def write(steps):
        held = [np.load(shared_models / "resnet8" / f"{part}.npz") for part in ("train", "test")]
        np.savez(tmp_path / "photos.npz", **{key: np.concatenate([each[key] for each in held]) for key in ("x", "y")})
        (tmp_path / "photos.toml").write_text(PHOTOS.format(steps=steps))
        return tmp_path / "photos.toml"

    return write


@pytest.mark.parametrize("steps", ['preset = "0..1"', slow('preset = "-1..1"'), slow('preset = "imagenet"')])
def test_the_preparation_that_a_real_network_was_trained_with_is_named(executor, photos, shared_models, steps):
    """It takes pixels from 0 to 255 as they are. The finding comes before anything is converted."""
    (model,) = (shared_models / "resnet8").glob("*.h5")

    found = toolkit.lint(model, calibration=photos(steps), executor=executor)

    (told,) = [one for one in found if one.code == "other-preparation"]
    assert told.severity == "inconclusive"
    assert 'with dtype = "float32" and no scale, mean or std under [preprocess]' in told.message
    assert not any(one.code.startswith("unstable") for one in found)


def test_another_preparation_that_is_accepted_is_information(executor, photos, shared_models, tmp_path):
    """A network may be meant to be fed so."""
    (model,) = (shared_models / "resnet8").glob("*.h5")
    (tmp_path / "limits.toml").write_text('[[accepted]]\ncode = "other-preparation"\nbecause = "night images"\n')
    samples = toolkit.Samples(photos('preset = "imagenet"'), limits=tmp_path / "limits.toml")

    found = toolkit.lint(model, samples, executor=executor)

    (told,) = [one for one in found if one.code == "other-preparation"]
    assert (told.severity, told.of_samples, told.facts["input"]) == ("info", True, "input_1")
    assert told.message.endswith(" (accepted: night images)")


def test_a_build_with_wrong_numbers_is_not_passed_and_names_the_right_ones(executor, photos, shared_models, tmp_path):
    """The artifact agrees with the original on all samples, and would be wrong for each photograph of the application."""
    (model,) = (shared_models / "resnet8").glob("*.h5")
    samples = toolkit.Samples(photos('preset = "imagenet"'))

    verdict = toolkit.build(
        Original(model), ["host"], samples, tmp_path, scheme=toolkit.Asked("static_wi8_ai8", quantizer="mlir"), executor=executor
    )["host"]  # fmt: skip

    assert not verdict.passed
    assert "other-preparation" in {one.code for one in verdict.findings if one.severity == "inconclusive"}
