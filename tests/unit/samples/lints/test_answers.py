"""Samples that cannot show whether an artifact is right: each fault is found in a set made for it, and healthy sets of many kinds are left alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from toolkit.samples import lint, lint_job
from toolkit.samples.lints import Input, repeated
from toolkit.samples.lints._tests import binomial_tail, hypergeometric_tail
from toolkit.wire import labels as labels_of
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter

COUNT, CLASSES = 200, 10
RNG = np.random.default_rng(3)
TRUTH = np.arange(COUNT) % CLASSES
TRUTH = TRUTH[RNG.permutation(COUNT)]


@pytest.fixture
def looked(tmp_path):
    """Return a function that writes samples, labels and answers as a build does, and returns the findings, {code: finding}."""

    def run(answers, truth=None, inputs=None, *, origins=None, limits=None, kinds=None):
        count = len(answers)
        inputs = np.linspace(0, 1, count * 4, dtype=np.float32).reshape(count, 1, 4) if inputs is None else inputs
        for folder, name, array in (("samples", "x", inputs), ("outputs", "y", answers)):
            with ShardWriter(tmp_path / folder) as shards:
                for row in array:
                    shards.add({name: row[None]})
        said = [f"sample {index}" for index in range(count)] if origins is None else origins
        (tmp_path / "samples" / "origins.json").write_text(json.dumps(said))
        if truth is not None:
            labels_of.write(tmp_path / "samples", [{labels_of.UNNAMED: np.asarray(each)} for each in truth])
        spec = {"name": "y", "dtype": answers.dtype.name, "shape": [1, *answers.shape[1:]]}
        options = {
            **(limits or lint_job.read_limits()).options(),
            "names": {"verification": "mine.toml"},
            "constant": [],
            "signature": {"outputs": [spec]},
            "kinds": kinds or {},
        }
        places = {"samples": tmp_path / "samples", "outputs": tmp_path / "outputs"}
        result = lint.answers(Request(options, places, tmp_path / "out"))
        return {found["code"]: found for found in result["findings"]}

    return run


def shares(said, classes=CLASSES):
    """Return softmax-like rows (n, classes) that say a class each."""
    rows = np.full((len(said), classes), 0.1 / (classes - 1), np.float32)
    rows[np.arange(len(said)), said] = 0.9
    return rows


def mostly(truth, right, seed=0):
    """Return answers of which a share is right, the others any class."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(truth)) < right, truth, rng.integers(0, CLASSES, len(truth)))


def severities(found):
    return {code: each["severity"] for code, each in found.items()}


# ---- faults


@pytest.mark.parametrize("said", [mostly(np.full(46, 3), 0.9), np.full(46, 3)])
def test_samples_of_one_class_show_nothing_of_the_others(looked, said):
    found = looked(shares(said), np.full(46, 3))

    assert severities(found) == {"one-class": "inconclusive"}
    assert found["one-class"]["message"] == (
        "mine.toml: output 'y': all 46 samples are of class 3 (by their labels): nothing is known of the other 9 of 10 classes"
    )


def test_classes_are_those_of_a_one_in_a_row_too(looked):
    assert severities(looked(shares(np.full(46, 3)), np.eye(CLASSES)[np.full(46, 3)])) == {"one-class": "inconclusive"}


def test_one_answer_to_all_without_labels_is_one_class(looked):
    found = looked(shares(np.full(46, 3)))

    assert severities(found) == {"one-class": "inconclusive"}
    assert "(by what the original answers)" in found["one-class"]["message"]
    assert "[preprocess]" in found["one-class"]["fix"]


def test_one_probability_and_one_label(looked):
    found = looked(RNG.random((60, 1)).astype(np.float32), np.ones(60, int))

    assert severities(found) == {"one-class": "inconclusive"}


@pytest.mark.parametrize(
    ("absent", "count", "severity"), [(3, 200, "inconclusive"), (1, 200, "inconclusive"), (3, 25, "info")]
)
def test_classes_that_are_absent_are_named(looked, absent, count, severity):
    truth = np.arange(count) % (CLASSES - absent)

    found = looked(shares(truth), truth)

    assert severities(found) == {"absent-classes": severity}
    assert found["absent-classes"]["classes"] == list(range(CLASSES - absent, CLASSES))


def test_one_class_of_twenty_that_nothing_is_labelled_as_is_a_warning(looked):
    truth = np.arange(400) % 19 + 1

    assert severities(looked(shares(truth, 20), truth)) == {"absent-classes": "warning"}


def test_one_answer_to_all_against_the_labels_is_an_error(looked):
    said = np.full(COUNT, 7)
    said[:5] = 2

    found = looked(shares(said), TRUTH)

    assert severities(found) == {"constant-answers": "error"}
    assert found["constant-answers"]["share"] == pytest.approx(0.975)
    assert "[preprocess]" in found["constant-answers"]["message"]


def test_labels_in_another_order_of_some_classes_are_told(looked):
    """Three of ten classes are where they belong, so that it is no chance."""
    order = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9, 3])

    found = looked(shares(mostly(TRUTH, 0.9)), order[TRUTH])

    assert severities(found) == {"renumbered-labels": "warning"}
    assert (
        "; with another numbering of the classes (3 as 9, 4 as 3, 5 as 4, 6 as 5, …) it would be right for 87%: "
        in (found["renumbered-labels"]["message"])
    )


@pytest.mark.parametrize("right", [0.3, 0.6, 0.95])
def test_a_poor_original_is_no_other_order(looked, right):
    """Whatever it knows, of ten classes or of a few samples of each."""
    assert "renumbered-labels" not in looked(shares(mostly(TRUTH, right)), TRUTH)
    assert "renumbered-labels" not in looked(shares(mostly(TRUTH[:30], right)), TRUTH[:30])


def test_two_classes_that_are_confused_are_no_other_order(looked):
    """The original says 4 for nearly all of 3, and knows 4: a class has one number."""
    said = np.where((TRUTH == 3) & (np.arange(COUNT) % 4 > 0), 4, TRUTH)

    assert "renumbered-labels" not in looked(shares(said), TRUTH)


def test_labels_of_other_samples_are_chance(looked):
    found = looked(shares(TRUTH), np.random.default_rng(9).permutation(TRUTH))

    assert severities(found) == {"chance-answers": "inconclusive"}


def test_classes_that_are_numbered_otherwise_are_told(looked):
    found = looked(shares((TRUTH + 1) % CLASSES), TRUTH)

    assert severities(found) == {"chance-answers": "inconclusive"}
    assert (
        "with another numbering of the classes (0 as 1, 1 as 2, 2 as 3, 3 as 4, …) it would be right for 100%"
        in found["chance-answers"]["message"]
    )


def test_an_imbalanced_set_of_which_the_rare_class_is_never_found_shows_nothing_of_it(looked):
    truth = (np.arange(COUNT) < 6).astype(int)

    assert severities(looked(shares(np.zeros(COUNT, int), 2), truth)) == {"chance-answers": "inconclusive"}


def test_real_numbers_that_have_nothing_to_do_with_the_labels(looked):
    numbers = np.random.default_rng(4).normal(size=(COUNT, 2, 2)).astype(np.float32)

    assert severities(looked(numbers[:, 0], numbers[:, 1])) == {"chance-answers": "inconclusive"}


@pytest.mark.parametrize(("first", "severity"), [(1, "warning"), (5, "info")])
def test_labels_that_are_no_classes_of_the_scores_are_told(looked, first, severity):
    """They may be another output's; where they begin at 1 they are hardly."""
    found = looked(shares(TRUTH), TRUTH + first)

    assert severities(found) == {"labels-misfit": severity}
    assert ("begin at 1" in found["labels-misfit"]["message"]) == (first == 1)


@pytest.mark.parametrize("shift", [-1, 1])
def test_labels_that_are_shifted_are_named(looked, shift):
    """Of samples in a drawn order, of which a third was not drawn."""
    places = np.random.default_rng(5).permutation(COUNT)[: COUNT * 2 // 3]
    origins = [f"sample {place}" for place in places]

    found = looked(shares(np.roll(TRUTH, shift)[places]), TRUTH[places], origins=origins)

    assert severities(found)["shifted-labels"] == "inconclusive"
    assert found["shifted-labels"]["shift"] == -shift


@pytest.mark.parametrize(("low", "severity"), [(-127.5, "inconclusive"), (126.5, "warning")])
def test_images_far_from_zero_are_told(looked, low, severity):
    images = (np.random.default_rng(6).random((COUNT, 8, 8, 1)) + low).astype(np.float32)

    found = looked(shares(TRUTH), TRUTH, images)

    assert severities(found) == {"off-range": severity}
    assert "[preprocess]" in found["off-range"]["message"]


@pytest.mark.parametrize("shape", [(2,), (6,), (8, 8, 1), (3000,)])
def test_samples_that_are_repeated_with_a_trace_of_noise_are_told(looked, shape):
    """Four samples, each 59 times, are 236 to every rate, and judged as certainly as 236."""
    rng = np.random.default_rng(5)
    inputs = np.repeat(rng.normal(size=(4, *shape)), 59, axis=0) + rng.uniform(0, 1e-6, (236, *shape))
    order = rng.permutation(236)

    found = looked(shares(TRUTH)[order % COUNT], None, inputs[order].astype(np.float32))

    assert severities(found) == {"repeated-samples": "inconclusive"}
    assert (found["repeated-samples"]["copies"], found["repeated-samples"]["samples"]) == (232, 236)
    assert "4 differ by more than a trace" in found["repeated-samples"]["message"]


@pytest.mark.parametrize(
    "kind", ["plane", "heavy tails", "rounded", "rare", "drift", "far from zero", "images", "noise of one level"]
)
def test_samples_that_were_not_repeated_are_not_called_so(looked, kind):
    """However few numbers a sample has, however far one of them is from the others, however slowly they change."""
    rng = np.random.default_rng(8)
    count = 2000
    inputs = {
        "plane": rng.uniform(size=(count, 2)),
        "heavy tails": np.exp(5 * rng.normal(size=(count, 3))),
        "rounded": np.unique(rng.normal(size=(3 * count, 4)).round(1), axis=0)[:count],
        "rare": np.where(rng.random((count, 12)) < 0.9, 0, np.exp(3 * rng.normal(size=(count, 12))))
        + np.eye(1, 12) * rng.normal(size=(count, 1)),
        "drift": np.cumsum(rng.normal(size=(count, 3)), axis=0),
        "far from zero": np.stack([1.7e7 + np.arange(count), rng.uniform(0, 1, count)], axis=1),
        "images": rng.integers(0, 256, (300, 20, 20, 1)) / 255,
        "noise of one level": 0.5 + rng.integers(-1, 2, (300, 16, 16, 1)) / 255,
    }[kind]

    found = looked(shares(np.arange(len(inputs)) % CLASSES), None, inputs.astype(np.float32))

    assert "repeated-samples" not in found


def test_samples_of_several_inputs_are_not_called_repeated(tmp_path):
    """One of them may be the same for many, as a mask or a question is."""
    one = Input("mask", (4,), "float32", is_alone=False)

    assert "another" in repeated.applies(one)


def test_what_is_known_is_accepted_with_its_reason(looked, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[[accepted]]\ncode = "one-class"\nbecause = "a gate: whatever is not class 3 is refused elsewhere"\n'
    )

    found = looked(shares(np.full(46, 3)), np.full(46, 3), limits=lint_job.read_limits(mine))

    assert severities(found) == {"one-class": "info"}


# ---- healthy sets

RARE = (np.arange(COUNT) < 6).astype(int)
NUMBERS = np.random.default_rng(7).normal(290, 5, (COUNT, 1)).astype(np.float32)
HEALTHY = {
    "a classifier": (shares(mostly(TRUTH, 0.95)), TRUTH),
    "a poor one that knows something": (shares(mostly(TRUTH, 0.15, 3)), TRUTH),
    "logits": (10 * shares(mostly(TRUTH, 0.9)) - 3, TRUTH),
    "a rare class that is found": (shares(RARE, 2), RARE),
    "a rare class that is found half of the time": (shares(RARE * (np.arange(COUNT) % 2), 2), RARE),
    "a probability of a rare class": (RARE[:, None] * np.float32(0.6), RARE),
    "few samples of two classes": (shares(np.arange(12) % 2, 2), np.arange(12) % 2),
    "a hundred classes, each seldom": (shares(np.arange(COUNT) % 100, 100), np.arange(COUNT) % 100),
    "a row with a one for the class": (shares(mostly(TRUTH, 0.95)), np.eye(CLASSES)[TRUTH]),
    "no labels": (shares(TRUTH), None),
    "no labels, and some classes only": (shares(TRUTH % 3), None),
    "a regression": (NUMBERS + 1, NUMBERS),
    "a regression in another unit": (NUMBERS - 273, NUMBERS),
    "a regression without labels": (NUMBERS, None),
    "a detector of one class": (np.random.default_rng(8).random((COUNT, 5, 6)).astype(np.float32), None),
    "several labels at once": (
        (np.eye(4)[TRUTH % 4] + np.eye(4)[TRUTH // 4 % 4]).clip(0, 1).astype(np.float32) * 0.9,
        (np.eye(4, dtype=int)[TRUTH % 4] + np.eye(4, dtype=int)[TRUTH // 4 % 4]).clip(0, 1),
    ),
    "an embedding of persons": (
        (rows := np.random.default_rng(8).normal(size=(COUNT, 16)))
        / np.linalg.norm(rows, axis=1, keepdims=True).astype(np.float32),
        TRUTH,
    ),
    "ids": (TRUTH[:, None] + 100, TRUTH + 100),
    "ids without labels": (TRUTH[:, None] + 100, None),
    "yes or no": (RARE[:, None] == 1, RARE),
    "a mask": (np.random.default_rng(8).random((COUNT, 4, 4, 3)).astype(np.float32), np.zeros((COUNT, 4, 4), int)),
    "sorted by class": (shares(np.sort(mostly(TRUTH, 1))), np.sort(TRUTH)),
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_set_is_left_alone(looked, kind):
    answers, truth = HEALTHY[kind]

    assert severities(looked(answers.astype(answers.dtype if answers.dtype != float else np.float32), truth)) == {}


def test_numbers_that_may_be_no_scores_are_a_warning_at_most(looked):
    """Features of persons, with the persons' numbers as labels: nobody said that the largest one decides."""
    features = np.random.default_rng(8).normal(size=(COUNT, 64)).astype(np.float32)

    found = looked(features, np.arange(COUNT) % 50)
    assert severities(found) == {"absent-classes": "info", "chance-answers": "warning"}
    assert looked(features, np.arange(COUNT) % 50, kinds={"y": "embedding"}) == {}


def test_as_many_numbers_as_classes_are_scores(looked):
    """Logits, whose labels are those of other samples."""
    logits = np.random.default_rng(8).normal(size=(COUNT, CLASSES)).astype(np.float32)

    assert severities(looked(logits, TRUTH)) == {"chance-answers": "inconclusive"}


@pytest.mark.parametrize(
    "images",
    [
        RNG.random((COUNT, 8, 8, 3)),
        255 * RNG.random((COUNT, 8, 8, 1)),
        2 * RNG.random((COUNT, 8, 8, 1)) - 1,
        255 * RNG.random((COUNT, 8, 8, 3)) - [123.7, 116.8, 103.9],
        (RNG.random((COUNT, 8, 8, 3)) - 0.45) / 0.22,
        -80 * RNG.random((COUNT, 8, 8, 1)),
        285 + 20 * RNG.random((COUNT, 8, 8, 1)),
    ],
)
def test_images_of_usual_ranges_are_left_alone(looked, images):
    """Shares, grey levels, about zero, less a mean per channel, normalized, spectra in dB, and temperatures."""
    assert looked(shares(TRUTH), TRUTH, images.astype(np.float32)) == {}


def test_exact_tests_are_exact():
    """Against sums of whole numbers."""
    assert binomial_tail(3, 4, 0.5) == pytest.approx(5 / 16)
    assert binomial_tail(0, 4, 0.1) == 1
    assert binomial_tail(1, 4, 0.0) == 0
    assert hypergeometric_tail(2, 6, 3, 2) == pytest.approx(3 / 15)
    assert hypergeometric_tail(0, 6, 3, 2) == pytest.approx(1)
