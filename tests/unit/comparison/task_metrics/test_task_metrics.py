"""Each task metric against its formula written as a loop, and at the edges of what it is for."""

from __future__ import annotations

import itertools
import math

import jiwer
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from toolkit.comparison import task_metrics
from toolkit.comparison.task_metrics import count_labels, part
from toolkit.errors import RequestError, UnjudgeableRun

SEEDS = range(8)


def applies(text, outputs, labels):
    return task_metrics.load(text).applies({name: np.shape(array)[1:] for name, array in outputs.items()}, labels)


def rows(text, outputs, labels):
    outputs = {name: np.asarray(array, np.float64) for name, array in outputs.items()}
    assert applies(text, outputs, labels) is None
    return task_metrics.load(text).evidence(outputs, labels)


def score(text, y, labels):
    return task_metrics.load(text).score(rows(text, {"y": y}, labels))


def drawn(seed, *, count=30, classes=4, digits=1):
    """Return scores (n, 1, C), with equal ones among them, and classes."""
    rng = np.random.default_rng(seed)
    return np.round(rng.random((count, 1, classes)), digits), rng.integers(0, classes, count)


def f1_of(pairs):
    """F1 by its first definition, of (truth, said) of one class; None where the class is nowhere."""
    right = sum(truth and said for truth, said in pairs)
    if not any(truth or said for truth, said in pairs):
        return None
    if not right:
        return 0.0
    precision, recall = right / sum(said for _, said in pairs), right / sum(truth for truth, _ in pairs)
    return 2 / (1 / precision + 1 / recall)


# Classes


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_sorts_and_looks(seed, k):
    scores, labels = drawn(seed)
    right = [
        label in sorted(range(4), key=lambda one, sample=sample: (-sample[one], one))[:k]
        for sample, label in zip(scores[:, 0], labels, strict=True)
    ]

    assert rows(f"top_k_accuracy:k={k}", {"y": scores}, labels) == right
    assert score(f"top_k_accuracy:k={k}", scores, labels) == sum(right) / 30


def test_two_classes_are_enough():
    """Also with further axes of one, as a convolution leaves them."""
    outputs = {"y": np.array([[[0.1, 0.2]], [[0.3, 0.2]]]), "z": np.zeros((2, 1, 3, 3))}

    assert rows("top_k_accuracy", outputs, [1, 1]) == [1, 0]
    assert rows("top_k_accuracy", {"y": outputs["y"].reshape(2, 1, 1, 1, 2)}, [[1], [1]]) == [1, 0]


def test_top_k_of_more_classes_than_there_are_would_always_be_right():
    scores, labels = drawn(0)

    assert (
        applies("top_k_accuracy:k=4", {"y": scores}, labels) == "k is 4 of 4 classes: every sample would count as right"
    )


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0, 1, 4], "label 4 of sample 2 is none of the classes 0 to 3"),
        ([0, -1, 3], "label -1 of sample 1"),
        ([0, 1, 0.5], "label 0.5 of sample 2"),
        ([0, 1, math.nan], "label nan of sample 2"),
        (np.ones((3, 4)), r"they have the shape (3, 4)"),
        (["cat", "dog", "cat"], "no numbers"),
        ([[0], [1, 2], [3]], "not of one shape"),
    ],
)
def test_labels_that_are_no_classes_are_told(labels, says):
    assert says in applies("top_k_accuracy", {"y": np.zeros((3, 1, 4))}, labels)


def test_the_output_of_several_is_said():
    outputs = {"a": np.zeros((3, 1, 4)), "b": np.ones((3, 1, 4)), "c": np.zeros((3, 1, 1))}
    outputs["b"][:, 0, 2] = 2

    assert "several outputs are" in applies("top_k_accuracy", outputs, [2, 2, 2])
    assert rows("top_k_accuracy:output=b", outputs, [2, 2, 2]) == [1, 1, 1]
    assert "there is no output 'd'; known: a, b, c" in applies("top_k_accuracy:output=d", outputs, [2, 2, 2])
    assert (
        applies("top_k_accuracy:output=c", outputs, [2, 2, 2])
        == "no output is a row of class scores, (1, C) with C >= 2; there: c (1, 1)"
    )


def test_the_target_of_several_is_said_or_has_the_outputs_name():
    outputs = {"b": np.eye(3)[:, None]}

    assert rows("top_k_accuracy", outputs, {"a": [0, 0, 0], "b": [0, 1, 0]}) == [1, 1, 0]
    assert rows("top_k_accuracy:labels=a", outputs, {"a": [0, 0, 0], "b": [0, 1, 0]}) == [1, 0, 0]
    assert rows("top_k_accuracy", outputs, {"whatever": [0, 1, 0]}) == [1, 1, 0]
    assert "is not clear; there: a, c" in applies("top_k_accuracy", outputs, {"a": [0, 0, 0], "c": [0, 1, 0]})
    assert "is not clear" in applies("top_k_accuracy:labels=a", outputs, [0, 0, 0])


@pytest.mark.parametrize("seed", SEEDS)
def test_f1_of_classes(seed):
    scores, labels = drawn(seed)
    said = [int(np.argmax(sample)) for sample in scores[:, 0]]
    each = [
        f1_of([(label == one, claim == one) for label, claim in zip(labels, said, strict=True)]) for one in range(4)
    ]
    there = [one for one in each if one is not None]

    assert score("f1", scores, labels) == pytest.approx(sum(there) / len(there), rel=1e-12)
    assert score("f1:average=micro", scores, labels) == pytest.approx(np.mean(labels == said), rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_f1_of_one_score_and_a_threshold(seed, threshold):
    scores, labels = drawn(seed, classes=1)
    labels = np.random.default_rng(seed).integers(0, 2, 30)
    pairs = [(label == 1, value >= threshold) for label, value in zip(labels, scores[:, 0, 0], strict=True)]
    opposite = [(not truth, not said) for truth, said in pairs]

    assert score(f"f1:average=binary,threshold={threshold}", scores, labels) == pytest.approx(f1_of(pairs), rel=1e-12)
    macro = (f1_of(pairs) + f1_of(opposite)) / 2
    assert score(f"f1:threshold={threshold}", scores, labels) == pytest.approx(macro, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_f1_of_several_classes_at_once(seed):
    scores, _ = drawn(seed)
    labels = np.random.default_rng(seed).integers(0, 2, (30, 4))
    pairs = [list(zip(labels[:, one] == 1, scores[:, 0, one] >= 0.5, strict=True)) for one in range(4)]

    assert score("f1", scores, labels) == pytest.approx(np.mean([f1_of(one) for one in pairs]), rel=1e-12)
    assert score("f1:average=micro", scores, labels) == pytest.approx(f1_of([*itertools.chain(*pairs)]), rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_f1_of_two_scores(seed):
    """Either one class for each sample, of which the second is the one in question, or each class by itself."""
    scores, labels = drawn(seed, classes=2)
    said = scores[:, 0, 1] > scores[:, 0, 0]
    many = np.random.default_rng(seed).integers(0, 2, (30, 2))
    pairs = [list(zip(many[:, one] == 1, scores[:, 0, one] >= 0.5, strict=True)) for one in range(2)]

    assert score("f1:average=binary", scores, labels) == pytest.approx(
        f1_of(list(zip(labels == 1, said, strict=True))), rel=1e-12
    )
    assert score("f1", scores, many) == pytest.approx(np.mean([f1_of(one) for one in pairs]), rel=1e-12)
    assert "of two classes" in applies("f1:average=binary", {"y": scores}, many)


@pytest.mark.parametrize("name", ["auc", "f1"])
def test_one_score_is_of_two_classes(name):
    reason = "label 2 of sample 2 is none of the classes 0 to 1"

    assert applies(name, {"y": np.zeros((3, 1, 1))}, [0, 1, 2]) == reason
    assert applies(name, {"y": np.zeros(3)}, [0, 1, 2]) == reason


def test_f1_of_a_class_that_is_nowhere_is_no_number():
    """0 / 0 is neither the best nor the worst."""
    assert math.isnan(score("f1:average=binary", np.zeros((3, 1, 1)), [0, 0, 0]))
    assert score("f1", np.zeros((3, 1, 1)), [0, 0, 0]) == 1.0


def test_f1_of_two_classes_is_not_asked_of_more():
    scores, labels = drawn(0)

    assert "of two classes, these are 4" in applies("f1:average=binary", {"y": scores}, labels)
    with pytest.raises(RequestError, match="average is 'weighted'; macro, micro, binary are known"):
        task_metrics.load("f1:average=weighted")


def area(positive, negative):
    """How often a sample of the class scores higher, by asking every pair."""
    won = [(1.0 if a > b else 0.5 if a == b else 0.0) for a, b in itertools.product(positive, negative)]
    return sum(won) / len(won)


@pytest.mark.parametrize("seed", SEEDS)
def test_auc_asks_every_pair(seed):
    """Of one score, of two, of more, and of classes each by itself; equal scores are among them."""
    scores, labels = drawn(seed)
    two = labels % 2
    many = np.random.default_rng(seed).integers(0, 2, (30, 4))
    one, difference = scores[:, 0, 0], scores[:, 0, 1] - scores[:, 0, 0]

    assert score("auc", scores[:, :, :1], two) == pytest.approx(area(one[two == 1], one[two == 0]), rel=1e-12)
    assert score("auc", scores[:, :, :2], two) == pytest.approx(
        area(difference[two == 1], difference[two == 0]), rel=1e-12
    )
    for given, truth in ((labels, labels[:, None] == np.arange(4)), (many, many == 1)):
        each = [area(scores[truth[:, one], 0, one], scores[~truth[:, one], 0, one]) for one in range(4)]
        assert score("auc", scores, given) == pytest.approx(np.mean(each), rel=1e-12)


def test_auc_of_two_scores_keeps_their_difference():
    assert rows("auc", {"y": [[[0.25, 0.5]], [[0.5, -0.25]]]}, [1, 0]) == [[[1], [0.25]], [[0], [-0.75]]]


def test_auc_of_one_class_is_no_number():
    """A subset may hold one class only; a set may not."""
    metric = task_metrics.load("auc")
    held = rows("auc", {"y": [[[0.1]], [[0.2]], [[0.3]]]}, [0, 0, 1])

    assert metric.score(held) == 1.0
    assert math.isnan(metric.score(held[:2]))
    assert applies("auc", {"y": np.zeros((2, 1, 1))}, [1, 1]) == "all samples are of one class: no pair to compare"


def test_auc_of_huge_scores_does_not_overflow_in_silence():
    assert score("auc", [[[1e30]], [[-1e30]]], [1, 0]) == 1.0
    assert math.isnan(score("auc", [[[-1e308, 1e308]], [[0, 0]]], [1, 0]))


# Numbers


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [(), (1,), (3,), (2, 2)])
def test_squared_errors_and_what_they_explain(seed, size):
    rng = np.random.default_rng(seed)
    truth, said = rng.normal(size=(20, *size)), rng.normal(size=(20, *size))
    columns = list(zip(truth.reshape(20, -1).T, said.reshape(20, -1).T, strict=True))
    error = sum((c - t) ** 2 for ts, cs in columns for t, c in zip(ts, cs, strict=True)) / truth.size
    explained = [
        1 - sum((t - c) ** 2 for t, c in zip(ts, cs, strict=True)) / sum((t - sum(ts) / 20) ** 2 for t in ts)
        for ts, cs in columns
    ]

    assert score("mse", said[:, None], truth) == pytest.approx(error, rel=1e-12)
    assert score("r2", said[:, None], truth) == pytest.approx(sum(explained) / len(explained), rel=1e-9)


def test_the_best_constant_explains_nothing():
    assert score("r2", np.full((4, 1, 1), 2.5), [1, 2, 3, 4]) == 0.0


def test_r2_of_what_never_changes_is_no_number():
    """Three times 0.1 have a mean beside 0.1, so their spread is not exactly 0; and a spread may be too small for a number."""
    metric = task_metrics.load("r2")
    held = rows("r2", {"y": np.zeros((4, 1, 1))}, [0.1] * 3 + [0.2])

    assert [math.isnan(metric.score(held[:count])) for count in (1, 2, 3, 4)] == [True, True, True, False]
    assert math.isnan(score("r2", np.zeros((2, 1, 1)), [1e-200, 2e-200]))
    for count in (1, 10):
        assert applies("r2", {"y": np.zeros((count, 1, 1))}, [0.1] * count) == (
            "the true number 0 is the same in all samples: nothing to explain"
        )


def test_r2_has_no_unit():
    truth, said = np.random.default_rng(0).normal(size=(2, 20))

    assert score("r2", 1e-9 * said, 1e-9 * truth) == pytest.approx(score("r2", said, truth), rel=1e-9)


def test_r2_keeps_no_pictures():
    assert applies("r2", {"y": np.zeros((2, 1, 1000))}, np.random.default_rng(0).random((2, 1000))) is None
    assert "up to 1000 are kept" in applies(
        "r2", {"y": np.zeros((2, 1, 1001))}, np.random.default_rng(0).random((2, 1001))
    )


def test_huge_errors_are_no_best_score():
    assert score("mse", np.full((2, 1, 1), 1e30), [0.0, 0.0]) == pytest.approx(1e60)
    assert math.isnan(score("mse", np.full((2, 1, 1), 1e300), [0.0, 0.0]))
    assert not score("r2", np.full((2, 1, 1), 1e300), [0.0, 1.0]) > 0


@pytest.mark.parametrize("name", ["mse", "r2"])
def test_numbers_of_other_axes_are_not_the_same_numbers(name):
    """(2, 3) and (3, 2) hold as many, and none of them where it belongs."""
    assert (
        applies(name, {"y": np.zeros((4, 1, 2, 3))}, np.zeros((4, 3, 2)))
        == "no output is the numbers that the labels are; there: y (1, 2, 3)"
    )
    outputs = {"y": np.zeros((4, 1, 2, 3)), "z": np.zeros((4, 1))}
    both = {"y": np.zeros((4, 3, 2)), "z": np.zeros(4)}
    assert "are not the same numbers" in applies(f"{name}:output=y", outputs, both)
    assert applies(name, {"y": np.zeros((2, 1))}, [1.0, math.inf]) == "the label of sample 1 is not finite"


# Pixels


def iou(truth, said, classes):
    """Return the mean over classes that are somewhere, pixel by pixel."""
    found = []
    for one in range(classes):
        either = sum(one in (t, s) for t, s in zip(truth, said, strict=True))
        both = sum((t == one) and (s == one) for t, s in zip(truth, said, strict=True))
        found += [both / either] if either else []
    return sum(found) / len(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_mean_iou_counts_pixels(seed):
    """Whatever the layout: channels last, channels first, or class indices."""
    rng = np.random.default_rng(seed)
    scores, labels = rng.random((5, 1, 4, 3, 6)), rng.integers(0, 5, (5, 4, 3))
    said = scores[:, 0].argmax(axis=-1)
    wanted = pytest.approx(iou(labels.ravel(), said.ravel(), 6), rel=1e-12)

    assert score("mean_iou", scores, labels) == wanted
    assert score("mean_iou", np.moveaxis(scores, -1, 2), labels[:, None]) == wanted
    assert score("mean_iou", said[:, None], labels[..., None]) == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_ignored_pixels_do_not_count(seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.random((5, 1, 4, 3, 6)), rng.choice([0, 1, 2, 255], (5, 4, 3)).astype(np.uint8)
    labels[0, 0, 0] = 255
    labels[1, 1, 1] = 1
    kept = labels != 255

    assert applies("mean_iou", {"y": scores}, labels) == (
        "label 255 is none of the classes 0 to 5; ignore=255 leaves such pixels out"
    )
    assert score("mean_iou:ignore=255", scores, labels) == pytest.approx(
        iou(labels[kept], scores[:, 0].argmax(axis=-1)[kept], 6), rel=1e-12
    )


def test_one_pixel_of_no_class_is_enough():
    reason = applies("mean_iou", {"y": np.zeros((1, 1, 2, 2, 3))}, [[[0, 1], [3, 2]]])

    assert reason == "label 3 is none of the classes 0 to 2; ignore=3 leaves such pixels out"


def test_a_mask_of_one_score_has_two_classes():
    scores = np.array([0.1, 0.5, 0.6, 0.9]).reshape(1, 1, 2, 2, 1)

    assert score("mean_iou", scores, [[[0, 1], [1, 1]]]) == 1.0
    assert score("mean_iou:threshold=0.6", scores, [[[0, 1], [1, 1]]]) == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("wrong", [-3.0, 1e9, math.inf, 70000.0])
def test_a_said_class_that_is_none_is_a_miss(wrong):
    said = np.array([[[[0, 1], [1, wrong]]]])

    assert score("mean_iou", said, [[[0, 1], [1, 1]]]) == pytest.approx((1 + 2 / 3) / 2)


def test_pictures_of_another_size_are_told():
    assert "are not of the same pixels" in applies(
        "mean_iou", {"y": np.zeros((2, 1, 4, 5, 3))}, np.zeros((2, 5, 4), int)
    )
    assert (
        applies("mean_iou", {"y": np.zeros((2, 1, 4, 5, 3))}, [0, 1])
        == "the labels are not a class for each pixel: (N, H, W)"
    )
    assert applies("mean_iou:ignore=2", {"y": np.zeros((1, 1, 1, 2, 3))}, [[[2, 2]]]) == "all pixels are ignored"


# Boxes


def detected(boxes, scores, classes, count=None):
    """Return the outputs of one picture."""
    outputs = {"detection_boxes": [[boxes]], "detection_scores": [[scores]], "detection_classes": [[classes]]}
    arrays = {name: np.asarray(array, np.float64) for name, array in outputs.items()}
    return arrays if count is None else {**arrays, "num_detections": np.array([[count]], np.float64)}


def precision(outputs, labels, options=""):
    text = f"mean_average_precision{options}"
    return task_metrics.load(text).score(rows(text, outputs, labels))


UNIT, SHIFTED, FAR = [0, 0, 10, 10], [0, 2, 10, 12], [50, 50, 60, 60]  # UNIT and SHIFTED: 80 of 120, IoU 2/3


def test_boxes_that_overlap_by_two_thirds_pass_four_of_ten_thresholds():
    """0.5, 0.55, 0.6, 0.65; the next is 0.7."""
    labels = {"boxes": [[UNIT]], "classes": [[0]]}

    assert precision(detected([SHIFTED], [0.9], [0]), labels) == pytest.approx(0.4)
    assert precision(detected([SHIFTED], [0.9], [0]), labels, ":iou_low=0.5,iou_high=0.5") == 1.0
    assert precision(detected([SHIFTED], [0.9], [0]), labels, ":iou_low=0.7,iou_high=0.7") == 0.0


def test_precision_falls_with_a_mistake_above():
    """Right only second: precision 1/2 at every recall. A mistake below costs nothing."""
    labels = {"boxes": [[UNIT]], "classes": [[0]]}

    assert precision(detected([FAR, UNIT], [0.9, 0.8], [0, 0]), labels) == pytest.approx(0.5)
    assert precision(detected([FAR, UNIT], [0.7, 0.8], [0, 0]), labels) == 1.0


def test_a_true_box_is_found_once():
    """The second detection of it is a mistake; the second box is never found: recall 1/2, so 51 of 101 recalls."""
    labels = {"boxes": [[UNIT, FAR]], "classes": [[0, 0]]}

    assert precision(detected([UNIT, UNIT], [0.9, 0.8], [0, 0]), labels) == pytest.approx(51 / 101)


def test_a_detection_takes_the_box_that_it_fits_best():
    """Taking the first that reaches the threshold would leave the other detection without one."""
    labels = {"boxes": [[SHIFTED, UNIT]], "classes": [[0, 0]]}

    assert precision(detected([UNIT, SHIFTED], [0.9, 0.8], [0, 0]), labels) == 1.0


def test_another_class_is_another_matter():
    """Class 1 is not found, class 2 has no true box: it costs nothing, as in COCO."""
    labels = {"boxes": [[UNIT, FAR]], "classes": [[0, 1]]}

    assert precision(detected([UNIT, FAR], [0.9, 0.8], [0, 2]), labels) == pytest.approx(0.5)


def test_a_crowd_is_neither_right_nor_wrong():
    labels = {"boxes": [[UNIT, [40, 40, 90, 90]]], "classes": [[0, 0]], "crowd": [[0, 1]]}

    assert precision(detected([FAR, FAR, UNIT], [0.9, 0.8, 0.7], [0, 0, 0]), labels) == 1.0
    assert rows(
        "mean_average_precision:iou_low=0.5,iou_high=0.5", detected([FAR, UNIT], [0.9, 0.8], [0, 0]), labels
    ) == [{"classes": [0, 0], "scores": [0.9, 0.8], "matches": "-1", "truths": [[0, 1]]}]


def test_a_mistake_outside_a_crowd_is_a_mistake():
    labels = {"boxes": [[UNIT, [40, 40, 90, 90]]], "classes": [[0, 0]], "crowd": [[0, 1]]}

    assert precision(detected([[0, 50, 10, 60], UNIT], [0.9, 0.7], [0, 0]), labels) == pytest.approx(0.5)


def test_a_threshold_is_reached_by_what_equals_it():
    """Half of the box: IoU 1/2."""
    labels = {"boxes": [[UNIT]], "classes": [[0]]}

    assert precision(detected([[0, 0, 10, 5]], [0.9], [0]), labels, ":iou_low=0.5,iou_high=0.5") == 1.0


def test_detections_beyond_those_meant_do_not_count():
    """Neither a mistake nor a NaN; without the output that says how many, both do."""
    labels = {"boxes": [[UNIT]], "classes": [[0]]}
    boxes, scores = [UNIT, FAR, FAR], [0.5, 0.9, math.nan]

    assert precision(detected(boxes, scores, [0, 0, 0], count=1), labels) == 1.0
    assert precision(detected(boxes, scores, [0, 0, 0], count=2), labels) == pytest.approx(0.5)
    for count in (3, math.nan, None):
        assert math.isnan(precision(detected(boxes, scores, [0, 0, 0], count=count), labels))
    assert precision(detected(boxes, scores, [0, 0, 0], count=0), labels) == 0.0


def test_boxes_have_any_unit():
    """Pixels, or fractions of the picture; and a box without a surface meets nothing."""
    small = [[value / 1000 for value in box] for box in (UNIT, SHIFTED)]

    assert precision(detected(small[1:], [0.9], [0]), {"boxes": [small[:1]], "classes": [[0]]}) == pytest.approx(0.4)
    assert precision(detected([[5, 5, 5, 5]], [0.9], [0]), {"boxes": [[[5, 5, 5, 5]]], "classes": [[0]]}) == 0.0
    assert precision(detected([[10, 10, 0, 0]], [0.9], [0]), {"boxes": [[UNIT]], "classes": [[0]]}) == 0.0


def test_a_hundred_detections_count():
    labels = {"boxes": [[UNIT]], "classes": [[0]]}
    outputs = detected([FAR] * 100 + [UNIT], [0.9] * 100 + [0.8], [0] * 101)

    assert precision(outputs, labels) == 0.0
    assert precision(outputs, labels, ":detections=101") == pytest.approx(1 / 101)


def test_only_the_best_detections_of_a_picture_and_class_count():
    labels = {"boxes": [[UNIT]], "classes": [[0]]}

    assert precision(detected([FAR, UNIT], [0.9, 0.8], [0, 0]), labels, ":detections=1") == 0.0
    assert precision(detected([FAR, UNIT], [0.9, 0.8], [1, 0]), labels, ":detections=1") == 1.0


def test_pictures_are_counted_together():
    """The mistake of one picture stands above the right one of the other: no mean of pictures."""
    outputs = {
        name: np.concatenate([one, two])
        for (name, one), two in zip(
            detected([FAR], [0.9], [0]).items(), detected([UNIT], [0.8], [0]).values(), strict=True
        )
    }
    labels = {"boxes": [[UNIT], [UNIT]], "classes": [[0], [0]]}

    assert precision(outputs, labels) == pytest.approx(0.5 * 51 / 101)


def test_padded_and_empty_pictures_are_read():
    labels = {"boxes": [[UNIT, [math.nan] * 4]], "classes": [[0, -1]]}

    assert precision(detected([UNIT], [0.9], [0]), labels) == 1.0
    assert math.isnan(task_metrics.load("mean_average_precision").score(
        task_metrics.load("mean_average_precision").evidence(detected([UNIT], [0.9], [0]), {"boxes": [[]], "classes": [[]]})
    ))  # fmt: skip


def pictures(seed, *, count=6, most=12, classes=3, slots=40):
    """Return outputs and labels of pictures with detections near their true boxes and far from them, equal scores, padding and crowds."""
    rng = np.random.default_rng(seed)
    labels = {"boxes": [], "classes": [], "crowd": []}
    outputs = {name: np.zeros((count, 1, slots, *last)) for name, last in DETECTED.items()}
    outputs["num_detections"] = rng.integers(slots // 2, slots + 1, (count, 1)).astype(np.float64)
    for number in range(count):
        true = rng.integers(0 if number else 1, most + 1)
        corners = rng.uniform(0, 60, (true, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (true, 2))], axis=1)
        labels["boxes"].append(boxes)
        labels["classes"].append(rng.integers(0, classes, true))
        labels["crowd"].append((rng.random(true) < 0.15).astype(int))
        near = rng.integers(0, max(true, 1), slots)
        moved = boxes[near] + rng.normal(0, 2.5, (slots, 4)) if true else rng.uniform(0, 40, (slots, 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 0.5)
        outputs["detection_boxes"][number, 0] = moved
        outputs["detection_scores"][number, 0] = np.round(rng.random(slots), 2)
        said = labels["classes"][-1][near] if true else rng.integers(0, classes, slots)
        outputs["detection_classes"][number, 0] = np.where(
            rng.random(slots) < 0.2, rng.integers(0, classes, slots), said
        )
    return outputs, labels


DETECTED = {"detection_boxes": (4,), "detection_scores": (), "detection_classes": ()}


def as_coco(box):
    """Return the smaller corner, width and height."""
    return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]


def precision_by_coco(outputs, labels, thresholds, most):
    """Return the mean average precision over all sizes of boxes that COCO's own evaluation finds."""
    truths, found = [], []
    for number, (boxes, classes, crowd) in enumerate(zip(*labels.values(), strict=True)):
        for box, one, many in zip(boxes, classes, crowd, strict=True):
            where = {"bbox": as_coco(box), "area": float((box[2] - box[0]) * (box[3] - box[1]))}
            of = {"id": len(truths) + 1, "image_id": number + 1, "category_id": int(one), "iscrowd": int(many)}
            truths.append({**of, **where})
        for slot in range(int(outputs["num_detections"][number, 0])):
            box, score, one = (outputs[name][number, 0, slot] for name in DETECTED)
            of = {"image_id": number + 1, "category_id": int(one), "score": float(score)}
            found.append({**of, "bbox": as_coco(box)})
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number + 1} for number in range(len(labels["boxes"]))],
        "categories": [{"id": one} for one in range(3)],
        "annotations": truths,
        "info": {},
    }
    coco.createIndex()
    judge = COCOeval(coco, coco.loadRes(found), "bbox")
    judge.params.iouThrs, judge.params.maxDets = thresholds, [most]
    judge.params.areaRng, judge.params.areaRngLbl = judge.params.areaRng[:1], ["all"]
    judge.evaluate()
    judge.accumulate()
    precisions = judge.eval["precision"]
    return float(precisions[precisions > -1].mean())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("options", "thresholds", "most"),
    [
        ("", np.linspace(0.5, 0.95, 10), 100),
        (":iou_low=0.5,iou_high=0.5", np.array([0.5]), 100),
        (":detections=5", np.linspace(0.5, 0.95, 10), 5),
    ],
)
def test_mean_average_precision_is_that_of_pycocotools(seed, options, thresholds, most):
    outputs, labels = pictures(seed)
    theirs = precision_by_coco(outputs, labels, thresholds, most)

    assert 0.05 < theirs < 0.95
    assert precision(outputs, labels, options) == pytest.approx(theirs, rel=1e-12)


def test_a_detection_with_swapped_corners_is_a_mistake():
    """In pycocotools it counts as neither, because its surface is negative."""
    labels = {"boxes": [[UNIT]], "classes": [[0]], "crowd": [[0]]}
    outputs = detected([[10, 0, 0, 10], UNIT], [0.9, 0.8], [0, 0], count=2)

    assert precision(outputs, labels) == pytest.approx(0.5)
    assert precision_by_coco(outputs, labels, np.linspace(0.5, 0.95, 10), 100) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("outputs", "labels", "says"),
    [
        ({"detection_box": (1, 3, 4)}, {}, "no output 'detection_boxes' with the boxes; did you mean 'detection_box'"),
        (None, [1], "there: one without a name"),
        (None, {"boxes": [[UNIT]], "class": [[0]]}, "there: boxes, class"),
        (None, {"boxes": [[UNIT]], "classes": [[0, 1]]}, "labels of sample 0: boxes of shape (1, 4) for 2 classes"),
        (None, {"boxes": [[UNIT]], "classes": [[0.5]]}, "labels of sample 0: a class is not a whole number"),
        (None, {"boxes": [[[0, 0, 1, math.nan]]], "classes": [[0]]}, "labels of sample 0: a box is not finite"),
        (None, {"boxes": [[UNIT]], "classes": [[0]], "crowd": [[1]]}, "there is no box in the labels"),
        (None, {"boxes": [[]], "classes": [[]]}, "there is no box in the labels"),
    ],
)
def test_what_detection_needs_is_told(outputs, labels, says):
    found = outputs or {"detection_boxes": (1, 3, 4), "detection_scores": (1, 3), "detection_classes": (1, 3)}
    metric = task_metrics.load("mean_average_precision")

    assert says in (metric.applies(found, labels) if count_labels(labels) else metric._module.applies(found, labels))


@pytest.mark.parametrize(
    ("role", "shape", "says"),
    [
        ("boxes", (1, 3), "is not (1, D, 4)"),
        ("boxes", (1, 3, 5), "is not (1, D, 4)"),
        ("boxes", (2, 3, 4), "is not (1, D, 4)"),
        ("scores", (1, 3, 4), "is not (1, D)"),
        ("scores", (3,), "is not (1, D)"),
        ("classes", (2, 3), "is not (1, D)"),
    ],
)
def test_detections_lie_as_the_api_has_them(role, shape, says):
    found = {"detection_boxes": (1, 3, 4), "detection_scores": (1, 3), "detection_classes": (1, 3)}

    reason = task_metrics.load("mean_average_precision").applies(
        {**found, f"detection_{role}": shape}, {"boxes": [[UNIT]], "classes": [[0]]}
    )

    assert reason == f"output 'detection_{role}' of shape {shape} {says}"


def test_detections_must_be_as_many_in_each_output():
    found = {"detection_boxes": (1, 3, 4), "detection_scores": (1, 2), "detection_classes": (1, 3)}

    reason = task_metrics.load("mean_average_precision").applies(found, {"boxes": [[UNIT]], "classes": [[0]]})

    assert reason == "boxes, scores and classes are of different numbers of detections: [2, 3]"


# Words


def distance(truth, said):
    """Levenshtein's distance by its definition."""
    if not truth or not said:
        return len(truth) + len(said)
    return min(
        distance(truth[1:], said[1:]) + (truth[0] != said[0]),
        distance(truth[1:], said) + 1,
        distance(truth, said[1:]) + 1,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_words_are_counted_by_edits(seed):
    rng = np.random.default_rng(seed)
    said, labels = rng.integers(0, 3, (4, 1, 5)), [rng.integers(0, 3, rng.integers(1, 6)).tolist() for _ in range(4)]
    edits = [[distance(label, sample), len(label)] for label, sample in zip(labels, said[:, 0].tolist(), strict=True)]

    assert rows("word_error_rate", {"y": said}, labels) == edits
    assert score("word_error_rate", said, labels) == sum(each for each, _ in edits) / sum(words for _, words in edits)
    assert score("word_error_rate", np.eye(3)[said], labels) == score("word_error_rate", said, labels)


@pytest.mark.parametrize("seed", SEEDS)
def test_word_error_rate_is_that_of_jiwer(seed):
    """Of ids and of texts, up to 40 words long."""
    rng = np.random.default_rng(seed)
    truth = [rng.integers(0, 6, rng.integers(1, 41)).tolist() for _ in range(12)]
    said = [
        [word for word in label if rng.random() > 0.2] + rng.integers(0, 6, rng.integers(0, 9)).tolist()
        for label in truth
    ]
    texts, said_texts = ([" ".join(f"w{word}" for word in words) for words in side] for side in (truth, said))
    theirs = [jiwer.process_words(*pair) for pair in zip(texts, said_texts, strict=True)]
    padded = np.full((12, 1, 50), -1)
    for number, words in enumerate(said):
        padded[number, 0, : len(words)] = words

    edits = [
        [each.substitutions + each.deletions + each.insertions, len(label)]
        for each, label in zip(theirs, truth, strict=True)
    ]
    assert rows("word_error_rate", {"y": padded}, truth) == edits
    assert score("word_error_rate", padded, truth) == pytest.approx(jiwer.wer(texts, said_texts), rel=1e-12)
    assert task_metrics.load("word_error_rate").evidence({"y": np.array(said_texts, object)[:, None]}, texts) == edits


@pytest.mark.parametrize(
    ("options", "said", "truth", "row"),
    [
        ("", [5], 5, [0, 1]),
        ("", [5, 1], [[5, 1]], [0, 2]),
        ("", [1, 2, 3], [1, 2, 3], [0, 3]),
        ("", [1, 2, 3], [1, 3], [1, 2]),
        ("", [1, 2, 3], [], [3, 0]),
        ("", [1, 2], [1, -1, 2], [0, 2]),
        (":pad=0", [1, 2, 0], [1, 2], [0, 2]),
        (":pad=0", [1, 0, 2], [0, 1, 2], [0, 2]),
        (":end=9", [1, 2, 9, 5], [1, 2], [0, 2]),
        (":end=9", [1, 2, 9, 5], [1, 2, 9, 7], [0, 2]),
        (":end=9", [9, 2], [1, 2], [2, 2]),
        (":blank=0", [1, 1, 0, 1, 2], [1, 1, 2], [0, 3]),
        (":blank=0", [0, 0, 0], [1], [1, 1]),
        (":blank=0,pad=3", [1, 3, 1], [1, 1], [0, 2]),
    ],
)
def test_tokens_that_are_no_words(options, said, truth, row):
    """Padding, what follows the end, and repeated ids and blanks of a network trained with CTC."""
    labels = [truth, [5]]

    assert rows(f"word_error_rate{options}", {"y": [[said], [said]]}, labels)[0] == row


def test_texts_are_words_apart_by_spaces():
    metric, said = task_metrics.load("word_error_rate"), {"y": np.array([["the cat  sat"], ["down"]], object)}
    labels = ["the cat sat", "sit down"]

    assert metric.applies({"y": (1,)}, labels) is None
    assert metric.evidence(said, labels) == [[0, 3], [1, 2]]


@pytest.mark.parametrize(
    ("shape", "labels", "says"),
    [
        ((1, 4), ["the cat"], "sample 0 is a text, and the output is none"),
        ((1,), [[1, 2]], "sample 0 is no text, as the output is"),
        ((1, 4), [[1], [0.5]], "sample 1 is not a list of ids"),
        ((1, 4), [[1], [-2]], "sample 1 is not a list of ids"),
        ((1, 4), [[1], [[1, 2], [3]]], "sample 1 is not a list of ids"),
        ((1, 4), [[1], [[1, 2], [3, 4]]], "sample 1 is not a list of ids"),
        ((1, 4), [[1], [[[1, 2]]]], "sample 1 is not a list of ids"),
        ((1, 4), [[1], ["one"]], "sample 1 is not a list of ids"),
        ((1, 4), [[1], [True]], "sample 1 is not a list of ids"),
        ((1, 4), [[], []], "there is no word in the labels"),
    ],
)
def test_labels_that_are_no_words_are_told(shape, labels, says):
    assert says in task_metrics.load("word_error_rate").applies({"y": shape}, labels)


# Labels


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("top_k_accuracy:k=0", "k is 0; expected a whole number from 1"),
        ("top_k_accuracy:k=1.5", "k is 1.5; expected a whole number from 1"),
        ("mean_iou:ignore=0.5", "ignore is 0.5; expected a whole number"),
        ("word_error_rate:pad=-2", "pad is -2; expected a token's id, or -1 for none"),
        ("word_error_rate:blank=0.5", "blank is 0.5; expected a token's id"),
        ("mean_average_precision:iou_low=0", "thresholds from 0 to 0.95 by 0.05"),
        ("mean_average_precision:iou_low=0.96", "thresholds from 0.96 to 0.95"),
        ("mean_average_precision:iou_high=1.01", "thresholds from 0.5 to 1.01"),
        ("mean_average_precision:iou_step=0", "by 0; expected 0 < iou_low <= iou_high <= 1 and iou_step > 0"),
        ("mean_average_precision:detections=0", "detections is 0; expected a whole number from 1"),
        ("mean_average_precision:detections=1.5", "detections is 1.5; expected a whole number from 1"),
    ],
)
def test_what_a_parameter_cannot_be_is_refused(text, says):
    with pytest.raises(RequestError, match=says):
        task_metrics.load(text)


def test_labels_are_cut_by_sample():
    assert part([1, 2, 3], 1, 3) == [2, 3]
    assert part({"a": [1, 2, 3], "b": "xyz"}, 0, 1) == {"a": [1], "b": "x"}
    assert count_labels(np.zeros((5, 2))) == 5
    with pytest.raises(UnjudgeableRun, match="targets of different numbers of samples"):
        count_labels({"a": [1], "b": [1, 2]})
