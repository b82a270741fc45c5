"""Which task metrics are scored where nobody asks: those of which outputs and labels leave no doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from toolkit.comparison import compare, task_scores
from toolkit.tensors.signature import Signature, TensorSpec

RNG = np.random.default_rng(5)
COUNT = 60
CLASSES = RNG.integers(0, 4, COUNT)
NUMBERS = RNG.normal(300, 5, (COUNT, 1)).astype(np.float32)
MASKS = RNG.integers(0, 3, (COUNT, 5, 6))


@dataclass
class Ran:
    """One run in memory."""

    stage: str
    arrays: dict

    @property
    def count(self):
        """How many samples."""
        return len(next(iter(self.arrays.values())))

    def read(self, count=None):
        """Return all of them, or the first."""
        specs = tuple(TensorSpec(name, str(array.dtype), array.shape[1:]) for name, array in self.arrays.items())
        return compare.RunOutputs(
            self.stage, Signature("", (), specs), [{name: array[:count] for name, array in self.arrays.items()}]
        )


def scored(original, labels, artifact=None, wanted=(), kinds=None):
    """Return the scores of two stages by metric; outputs are (N, ...), each as one call gives it without its batch axis."""
    original, artifact = (
        {name: array[:, None] for name, array in each.items()} for each in (original, artifact or original)
    )
    steps = [Ran("original", original), Ran("kernels", artifact)]
    return {task.metric: task.scores for task in task_scores.score(steps, labels, wanted, kinds)}


def test_real_numbers_against_real_labels():
    off = {"kelvin": NUMBERS + np.float32(3)}

    (found,) = scored({"kelvin": NUMBERS}, NUMBERS, off).items()

    assert found[0] == "r2"
    assert found[1]["original"] == 1
    assert found[1]["kernels"] < 0.9


def test_one_axis_more_or_less_is_no_doubt():
    assert list(scored({"kelvin": NUMBERS}, NUMBERS[:, 0])) == ["r2"]


@pytest.mark.parametrize(
    ("output", "labels"),
    [
        (NUMBERS, CLASSES),  # one number and whole labels: a score from where on, or an age?
        (NUMBERS, (NUMBERS > 300).astype(np.float32)),  # yes and no, as floats
        (NUMBERS - 273, NUMBERS),  # of another unit: the original explains nothing
        (np.tile(NUMBERS, 3), NUMBERS),
        (RNG.random((COUNT, 5, 6, 1)).astype(np.float32), MASKS),  # from where on is a pixel a yes?
        (np.eye(4, dtype=np.float32)[CLASSES], np.ones((COUNT, 4), np.float32)),  # of each class
    ],
)
def test_what_leaves_doubt_is_not_scored(output, labels):
    assert scored({"y": output}, labels) == {}


def test_classes_that_the_model_chose_itself():
    said = CLASSES[:, None].astype(np.int64)
    other = said.copy()
    other[:6] = 9

    found = scored({"class": said}, CLASSES, {"class": other})

    assert found == {"exact_match": {"original": 1.0, "kernels": 0.9}}


def test_yes_or_no():
    said = (CLASSES > 1)[:, None]

    assert scored({"yes": said}, CLASSES > 1) == {"exact_match": {"original": 1.0, "kernels": 1.0}}


@pytest.mark.parametrize("output", [MASKS, np.eye(3, dtype=np.float32)[MASKS]])
def test_maps_against_masks(output):
    assert scored({"map": output}, MASKS) == {"mean_iou": {"original": 1.0, "kernels": 1.0}}


def test_scores_against_classes_as_before():
    scores = np.eye(4, dtype=np.float32)[CLASSES]

    assert scored({"scores": scores}, CLASSES) == {"top_k_accuracy": {"original": 1.0, "kernels": 1.0}}


def test_scores_against_a_row_with_a_one_for_the_class():
    scores = np.eye(4, dtype=np.float32)[CLASSES]

    assert scored({"scores": scores}, np.eye(4)[CLASSES], {"scores": np.roll(scores, 1, axis=1)}) == {
        "top_k_accuracy": {"original": 1.0, "kernels": 0.0}
    }


def test_each_output_with_a_target_of_its_name():
    """Two classifiers in one model, and a number of which the labels say nothing."""
    scores = np.eye(4, dtype=np.float32)[CLASSES]
    outputs = {"shape": scores, "colour": scores[::-1].copy(), "size": NUMBERS}

    found = scored(outputs, {"shape": CLASSES, "colour": CLASSES})

    assert list(found) == ["top_k_accuracy:output=colour", "top_k_accuracy:output=shape"]
    assert found["top_k_accuracy:output=shape"]["original"] == 1


def test_labels_that_several_outputs_may_mean_are_not_used():
    scores = np.eye(4, dtype=np.float32)[CLASSES]

    assert scored({"shape": scores, "colour": scores}, CLASSES) == {}


def test_what_is_asked_for_takes_the_place_of_it():
    scores = np.eye(4, dtype=np.float32)[CLASSES]

    assert list(scored({"scores": scores}, CLASSES, wanted=("f1",))) == ["f1"]


def test_a_stage_that_it_says_nothing_about_is_scored_by_nothing():
    assert scored({"class": CLASSES[:, None]}, CLASSES, {"class": np.tile(CLASSES[:, None], 2)}) == {}


@pytest.mark.parametrize("several", [False, True])
def test_probabilities_against_yes_and_no(several):
    """One, or of several labels at once; without the kind a number in [0, 1] may be anything."""
    truth = 1 - np.eye(4, dtype=int)[CLASSES] if several else (CLASSES > 1).astype(int)
    said = (0.8 * truth + 0.1).astype(np.float32).reshape(COUNT, -1)

    assert scored({"y": said}, truth, kinds={"y": "probabilities"}) == {"f1": {"original": 1.0, "kernels": 1.0}}
    assert scored({"y": said}, truth) == {}


def test_what_an_output_means_goes_before_its_shape():
    """Vectors of persons, whose names are numbers below the vectors' length."""
    vectors = RNG.normal(size=(COUNT, 8)).astype(np.float32)

    assert list(scored({"y": vectors}, CLASSES)) == ["top_k_accuracy"]
    assert scored({"y": vectors}, CLASSES, kinds={"y": "embedding"}) == {}
    assert list(scored({"y": vectors}, CLASSES, kinds={"y": "class_scores"})) == ["top_k_accuracy"]


def test_labels_that_nothing_is_scored_by_are_told_with_the_reasons():
    """Of another length than the outputs, or of another kind of numbers."""
    original = Ran("original", {"y": NUMBERS[:, None]})

    (found,) = task_scores.unscored(original, np.tile(NUMBERS, 3), [])

    assert (found.code, found.severity) == ("labels-unused", "info")
    assert "r2: no output is the numbers that the labels are; there: y (1, 1)" in found.message
    assert "what is meant is not certain" in task_scores.unscored(original, CLASSES, [])[0].message
    assert task_scores.unscored(original, None, []) == []
    assert task_scores.unscored(original, NUMBERS, [object()]) == []
