"""Metrics by which outputs of one kind are judged, each against a computation in plain Python."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from toolkit.comparison import metrics
from toolkit.comparison.intervals import clopper_pearson


def tallied(text, reference, candidate):
    """Return what a metric of the whole set has seen of two runs."""
    tally = metrics.load(text).tally(np.shape(reference)[1:])
    half = len(reference) // 2
    tally.add(0, np.asarray(reference[:half], float), np.asarray(candidate[:half], float))
    tally.add(half, np.asarray(reference[half:], float), np.asarray(candidate[half:], float))
    return tally


def value(text, reference, candidate):
    """Return the value over all samples."""
    metric = metrics.load(text)
    if metric.OVER == "whole":
        return tallied(text, reference, candidate).value()
    measured = metric.measure(np.asarray(reference, float), np.asarray(candidate, float))
    return float(metric.finish(measured.sum(axis=0))) if metric.OVER == "set" else float(measured.mean())


def labels(count, classes, flipped, seed=0):
    """Return labels (n, 1), and the same with some flipped."""
    numbers = np.random.default_rng(seed)
    ours = numbers.integers(0, classes, (count, 1))
    theirs = ours.copy()
    theirs[:flipped] = (theirs[:flipped] + 1) % classes
    return ours, theirs


def test_agreement_counts_samples():
    """One label of each sample."""
    ours, theirs = labels(40, 5, 6)

    assert value("agreement", ours, theirs) == 34 / 40
    assert value("agreement:of=yes_no", ours == 0, theirs == 0) == np.mean((ours == 0) == (theirs == 0))


def test_agreement_of_scores_is_that_of_the_first_class():
    """As `top1_agreement` says it."""
    ours, theirs = np.random.default_rng(0).normal(size=(2, 50, 1, 4))

    assert value("agreement:of=scores", ours, theirs) == value("top1_agreement", ours, theirs)


def test_kappa_is_cohens():
    """Agreement beyond chance."""
    ours, theirs = labels(60, 3, 9)
    pairs = list(zip(ours[:, 0].tolist(), theirs[:, 0].tolist(), strict=True))
    chance = sum(Counter(one for one, _ in pairs)[k] * Counter(other for _, other in pairs)[k] for k in range(3)) / 3600
    agreed = sum(one == other for one, other in pairs) / 60

    assert value("kappa", ours, theirs) == pytest.approx((agreed - chance) / (1 - chance))
    low, high = tallied("kappa", ours, theirs).interval(0.95)
    assert (low, high) == pytest.approx(
        [(end - chance) / (1 - chance) for end in clopper_pearson(agreed * 60, 60, 0.95)]
    )


def test_a_rare_class_that_is_never_found_has_no_kappa():
    """Though nearly all samples agree."""
    ours = np.zeros((230, 1), bool)
    ours[:6] = True
    theirs = np.zeros_like(ours)

    assert value("agreement:of=yes_no", ours, theirs) == pytest.approx(224 / 230)
    assert value("kappa:of=yes_no", ours, theirs) == pytest.approx(0)
    assert tallied("kappa:of=yes_no", ours, theirs).interval(0.95)[1] < 0.9


def test_kappa_of_several_labels_is_that_of_the_worst():
    """Many good ones hide none."""
    ours = np.random.default_rng(0).random((100, 1, 5)) > 0.5
    theirs = ours.copy()
    theirs[:, 0, 3] = False

    tally = tallied("kappa:of=yes_no", ours, theirs)

    assert tally.value() == pytest.approx(0)
    assert tally.detail == "element 3"
    assert tally.worst_sample == int(np.flatnonzero(ours[:, 0, 3])[0])


def test_the_least_recall_names_its_class():
    """And how many of it were found, with an interval that is wide for few."""
    ours = np.repeat([[0], [1], [2]], [100, 40, 6], axis=0)
    theirs = ours.copy()
    theirs[140:144] = 0

    tally = tallied("class_recall", ours, theirs)

    assert tally.value() == pytest.approx(2 / 6)
    assert tally.detail == "class 2: 2 of 6 found"
    assert tally.worst_sample == 140
    assert tally.interval(0.95)[1] == pytest.approx(clopper_pearson(2, 6, 1 - 0.05 / 3)[1])


def test_recall_of_several_labels_counts_each():
    """Yes and no of each element are classes of their own."""
    ours = np.zeros((200, 1, 4), bool)
    ours[:10, 0, 2] = True

    tally = tallied("class_recall:of=yes_no", ours, np.zeros_like(ours))

    assert tally.detail == "yes of element 2: 0 of 10 found"


def regions(seed=0):
    """Return maps (n, 1, 6, 6) of three classes, and the same with some elements changed."""
    numbers = np.random.default_rng(seed)
    ours = numbers.integers(0, 3, (30, 1, 6, 6))
    theirs = np.where(numbers.random(ours.shape) < 0.1, (ours + 1) % 3, ours)
    return ours, theirs


def overlap(ours, theirs, k):
    return np.sum((ours == k) & (theirs == k)) / np.sum((ours == k) | (theirs == k))


def test_iou_of_maps_is_that_of_their_regions():
    """Of all samples together, and the mean over classes."""
    ours, theirs = regions()
    each = [overlap(ours, theirs, k) for k in range(3)]

    assert value("map_iou", ours, theirs) == pytest.approx(np.mean(each))
    assert value("class_iou", ours, theirs) in [pytest.approx(one) for one in each]
    assert value("mean_agreement", ours, theirs) == pytest.approx(np.mean(ours == theirs))


def test_iou_of_scores_is_that_of_the_largest():
    """Scores per pixel are a map of classes."""
    numbers = np.random.default_rng(0)
    ours = numbers.normal(size=(20, 1, 5, 5, 3))
    theirs = ours + 0.5 * numbers.normal(size=ours.shape)

    assert value("map_iou:of=scores", ours, theirs) == pytest.approx(
        value("map_iou", ours.argmax(-1), theirs.argmax(-1))
    )


def test_a_class_that_only_the_candidate_says_lowers_others_alone():
    """One stray pixel is no class of the reference."""
    ours, _ = regions()
    theirs = ours.copy()
    theirs[0, 0, 0, 0] = 9

    assert value("map_iou", ours, theirs) > 0.99


def test_an_interval_of_iou_is_over_samples():
    """Pixels of one picture are wrong together: as many, spread over the pictures, would tell far more."""
    ours, _ = regions()
    theirs = ours.copy()
    theirs[:3] = (theirs[:3] + 1) % 3

    low, high = tallied("map_iou", ours, theirs).interval(0.95)

    assert low < 0.75
    assert value("map_iou", ours, theirs) == pytest.approx(0.82, abs=0.01)
    assert high > 0.9


def test_iou_of_many_samples_needs_no_more_memory():
    """Groups are merged, and nothing is lost."""
    ours, theirs = regions()
    ours, theirs = np.tile(ours, (40, 1, 1, 1)), np.tile(theirs, (40, 1, 1, 1))

    assert value("map_iou", ours, theirs) == pytest.approx(np.mean([overlap(ours, theirs, k) for k in range(3)]))


def test_a_class_of_few_samples_is_not_judged_alone():
    """Its overlap is chance."""
    ours, _ = regions()
    theirs = ours.copy()
    ours[:2, 0, 0, 0] = 7

    assert value("class_iou", ours, theirs) == 0
    assert value("class_iou:least=10", ours, theirs) > 0.9


def box(low, high):
    return [*low, *high]


@pytest.mark.parametrize(
    ("ours", "theirs", "share"),
    [
        (box((0, 0), (2, 2)), box((1, 1), (3, 3)), 1 / 7),
        (box((0, 0), (2, 2)), box((0, 0), (2, 1)), 1 / 2),
        (box((0, 0), (2, 2)), box((5, 5), (6, 6)), 0),
        (box((0, 0), (2, 2)), box((2, 2), (0, 0)), 0),
    ],
)
def test_iou_of_boxes(ours, theirs, share):
    """Corners; exchanged ones enclose nothing."""
    assert value("box_iou", [[ours]], [[theirs]]) == pytest.approx(share)


def test_layouts_of_boxes():
    """A corner, or the centre, with the size."""
    assert value("box_iou:layout=xywh", [[[1, 1, 2, 2]]], [[[2, 2, 2, 2]]]) == pytest.approx(1 / 7)
    assert value("box_iou:layout=cxcywh", [[[1, 1, 2, 2]]], [[[2, 2, 2, 2]]]) == pytest.approx(1 / 7)


def test_boxes_that_fill_a_list_up_prove_nothing():
    """Ninety empty ones do not hide the one that is wrong."""
    ours = np.zeros((4, 1, 91, 4))
    theirs = ours.copy()
    ours[:, 0, 0] = (0, 0, 2, 2)
    theirs[:, 0, 0] = (1, 1, 3, 3)

    assert value("box_iou", ours, theirs) == pytest.approx(1 / 7)


def test_the_low_cosine_is_a_quantile():
    """The smallest that five of a hundred do not exceed."""
    numbers = np.random.default_rng(0)
    ours = numbers.normal(size=(100, 1, 8))
    theirs = ours + numbers.random((100, 1, 1)) * numbers.normal(size=ours.shape)
    each = sorted(
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(ours[:, 0], theirs[:, 0], strict=True)
    )

    tally = tallied("low_cosine", ours, theirs)

    assert tally.value() == pytest.approx(each[4])
    low, high = tally.interval(0.95)
    assert each[0] <= low <= each[4] <= high <= each[12]


def test_the_gallery_is_the_originals():
    """Exchanged dimensions keep all neighbours inside of the candidate's own space, and find none in the other."""
    ours = np.random.default_rng(0).normal(size=(60, 1, 16))
    noisy = ours + 0.1 * np.random.default_rng(1).normal(size=ours.shape)

    assert value("gallery_agreement", ours, noisy) == 1
    assert value("gallery_agreement", ours, ours[..., ::-1]) < 0.2
    found = [int(np.argmax([a @ b / np.linalg.norm(b) for b in ours[:, 0]])) for a in ours[:, 0, ::-1]]
    assert value("gallery_agreement", ours, ours[..., ::-1]) == np.mean([k == at for at, k in enumerate(found)])


def test_samples_that_are_the_same_find_each_other():
    """A gallery with two copies of one picture is no fault of the candidate."""
    ours = np.repeat(np.random.default_rng(0).normal(size=(20, 1, 16)), 2, axis=0)

    assert value("gallery_agreement", ours, ours + 1e-4) == 1


def test_the_error_in_units_of_the_spread():
    """0.5 where it is half of what the reference says."""
    ours = np.random.default_rng(0).normal(size=(50, 1, 3))
    ours -= ours.mean(axis=0)

    assert value("spread_error", ours, 1.5 * ours) == pytest.approx(0.5)
    assert value("spread_error", ours, ours) == 0


def test_the_peak_of_images_is_the_range():
    """Of all samples of the reference."""
    ours = np.random.default_rng(0).random((20, 1, 4, 4, 1)) * 255
    theirs = ours + np.random.default_rng(1).normal(size=ours.shape)
    peak, mean = ours.max() - ours.min(), np.mean((theirs - ours) ** 2)

    tally = tallied("image_psnr_db", ours, theirs)

    assert tally.value() == pytest.approx(20 * math.log10(peak) - 10 * math.log10(mean))
    assert tally.worst_sample == int(np.mean((theirs - ours) ** 2, axis=(1, 2, 3, 4)).argmax())


# ---- lists of ids


def test_a_list_keeps_what_it_holds_wherever_it_stands():
    """Near ties change places; ids that are another's do not."""
    ours = np.array([[[1, 2, 3, 4, 5]], [[9, 8, 7, 6, 5]]])

    assert value("list_overlap", ours, ours[..., ::-1]) == 1
    assert value("list_overlap", ours, ours + 1) == pytest.approx((4 + 4) / 10)
    assert value("list_overlap", ours, np.concatenate([ours[..., :1], ours[..., 1:] + 100], axis=-1)) == pytest.approx(
        0.2
    )


def test_an_id_that_fills_a_list_up_counts_once():
    """A list of few is padded."""
    ours, theirs = np.array([[3, 0, 0, 0]]), np.array([[4, 0, 0, 0]])

    assert float(metrics.load("list_overlap").measure(ours.astype(float), theirs.astype(float))[0, 0]) == 0.5


def test_one_number_is_no_list():
    assert metrics.load("list_overlap").applies((1,)) == (
        "shape (1,) holds no list: several numbers on the last axis would be one"
    )
    assert metrics.load("list_overlap").applies((1, 5)) is None


def recall(found: dict[int, tuple[int, int]]):
    """Return the recall of classes, each with how many samples are found of how many there are."""
    reference = np.concatenate([np.full((of, 1), label, float) for label, (_, of) in found.items()])
    answers = [[label] * kept + [label + 1000] * (of - kept) for label, (kept, of) in found.items()]
    tally = metrics.load("class_recall").tally((1,))
    tally.add(0, reference, np.concatenate(answers).astype(float).reshape(-1, 1))
    return tally


@pytest.mark.parametrize(
    ("lost", "share", "weak"),
    [
        ({}, 0, False),
        ({7: 3}, 1, True),  # of one class alone the three may be hard ones
        ({7: 3, 20: 3}, 1, True),
        ({7: 3, 20: 3, 91: 3}, 1, False),
        (dict.fromkeys(range(9), 1), 0, False),  # as many samples, of nine classes
        (dict.fromkeys(range(30), 1) | {77: 3}, 0, False),  # rounding loses as much elsewhere
    ],
)
def test_a_class_of_few_samples_that_is_lost_stands_out_beside_own(lost, share, weak):
    """Of a hundred classes with three samples each: an interval of three shows nothing, and that all are lost where own finds them does."""
    own = recall(dict.fromkeys(range(100), (3, 3)))
    candidate = recall({label: (3 - lost.get(label, 0), 3) for label in range(100)})

    lag = candidate.behind(own, 0.9)

    assert (lag.value, bool(lag.weak)) == (share, weak)
    assert lag.value == 0 or lag.where == "class 7: 3 lost of 3 that the toolkit's own finds"


def test_a_class_that_own_loses_too_does_not_stand_out():
    both = {label: (0 if label == 7 else 3, 3) for label in range(100)}

    assert recall(both).behind(recall(both), 0.9).value == 0
    assert recall({1: (0, 3)}).behind(recall({1: (3, 3)}), 0.9).value == 0  # there is nothing to stand out from


def test_a_class_of_a_map_that_is_lost_is_not_hidden_by_the_mean_over_many():
    """Of twenty classes one, in four samples: the mean has 0.95, and an interval over four samples shows nothing."""
    reference = np.arange(400.0).reshape(100, 4) % 19
    reference[:4] = 19
    lost = np.where(reference == 19, 0, reference)
    own, candidate = (tallied("class_iou:least=3", reference, each) for each in (reference, lost))

    lag = candidate.behind(own, 0.75)

    assert (lag.value, lag.where) == (1, "class 19, in 4 samples: 0, the toolkit's own 1")
    assert value("map_iou", reference, lost) > 0.9  # within a tenth of own
    assert own.behind(own, 0.75).value == 0
    one, other = (tallied("class_iou:least=5", reference, each) for each in (reference, lost))
    assert other.behind(one, 0.75).where.startswith("class 0, in 21 samples")  # what was called it instead
