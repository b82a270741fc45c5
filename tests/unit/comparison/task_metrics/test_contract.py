"""What `toolkit/comparison/task_metrics/__init__.py` asks of a task metric, asked of every file in the folder."""

from __future__ import annotations

import inspect
import json
import math

import numpy as np
import pytest

from toolkit import registry
from toolkit.comparison import task_metrics
from toolkit.errors import RequestError, UnjudgeableRun, UnknownName

NAMES = registry.names("comparison/task_metrics")
SAMPLES = 40


def _scores(truth, classes, noise, rng):
    return np.eye(classes)[truth] + noise * rng.normal(size=(*truth.shape, classes))


def _of_classes(noise, rng):
    truth = rng.integers(0, 4, SAMPLES)
    return {"y": _scores(truth, 4, noise, rng)[:, None]}, truth


def _of_pixels(noise, rng):
    truth = rng.integers(0, 3, (SAMPLES, 5, 6))
    return {"y": _scores(truth, 3, noise, rng)[:, None]}, truth


def _of_numbers(noise, rng):
    truth = rng.normal(size=(SAMPLES, 3))
    return {"y": (truth + noise * rng.normal(size=truth.shape))[:, None]}, truth


def _of_ids(noise, rng):
    truth = rng.integers(100, 110, (SAMPLES, 1))
    other = rng.random(truth.shape) < noise / 8
    return {"y": np.where(other, 9.0, truth)[:, None]}, truth


def _of_words(noise, rng):
    truth = rng.integers(0, 9, (SAMPLES, 7))
    other = rng.random(truth.shape) < noise / 4
    return {"y": np.where(other, 9.0, truth)[:, None]}, truth


def _of_boxes(noise, rng):
    corners = rng.uniform(0, 50, (SAMPLES, 4, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 30, corners.shape)], axis=2)
    classes, scores = rng.integers(0, 3, (SAMPLES, 4)), rng.uniform(0.3, 1, (SAMPLES, 4))
    found = boxes + 4 * noise * rng.normal(size=boxes.shape)
    outputs = {"detection_boxes": found, "detection_scores": scores, "detection_classes": classes.astype(float)}
    return {name: array[:, None] for name, array in outputs.items()}, {"boxes": boxes, "classes": classes}


MADE = {
    "auc": _of_classes,
    "exact_match": _of_ids,
    "f1": _of_classes,
    "mean_average_precision": _of_boxes,
    "mean_iou": _of_pixels,
    "mse": _of_numbers,
    "r2": _of_numbers,
    "top_k_accuracy": _of_classes,
    "word_error_rate": _of_words,
}


def made(name, noise, seed=0):
    """Return outputs that are right but for this much noise, and the labels that they belong to."""
    return MADE[name](noise, np.random.default_rng(seed))


def shapes(outputs):
    return {name: array.shape[1:] for name, array in outputs.items()}


def scored(metric, outputs, labels):
    assert metric.applies(shapes(outputs), labels) is None
    return metric.score(metric.evidence(outputs, labels))


@pytest.fixture(params=NAMES)
def metric(request):
    return task_metrics.load(request.param)


def test_it_defines_what_the_contract_asks(metric):
    module = registry.load("comparison/task_metrics", metric.name)

    assert metric.name in MADE
    assert metric.BETTER in ("lower", "higher")
    assert metric.RANGE[0] < metric.RANGE[1]
    assert all(isinstance(value, (float, str)) for value in module.PARAMETERS.values())
    assert list(inspect.signature(module.refuse).parameters) == ["parameters"]
    assert list(inspect.signature(module.applies).parameters) == ["outputs", "labels", "parameters"]
    assert list(inspect.signature(module.evidence).parameters) == ["outputs", "labels", "parameters"]
    assert list(inspect.signature(module.score).parameters) == ["rows", "parameters"]
    assert all(call.__doc__ for call in (module, module.refuse, module.applies, module.evidence, module.score))


def test_a_right_model_scores_the_best_there_is(metric):
    low, high = metric.RANGE

    assert scored(metric, *made(metric.name, 0)) == (low if metric.BETTER == "lower" else high)


def test_more_noise_scores_worse(metric):
    scores = [scored(metric, *made(metric.name, noise)) for noise in (0.1, 1, 4)]

    assert scores == sorted(scores, reverse=metric.BETTER == "higher")
    assert scores[0] != scores[2]
    assert all(metric.RANGE[0] <= score <= metric.RANGE[1] for score in scores)


def test_rows_are_plain_json(metric):
    """They go into reports and baselines, and are scored again from there."""
    outputs, labels = made(metric.name, 1)
    rows = metric.evidence(outputs, labels)

    again = json.loads(json.dumps(rows, allow_nan=False))

    assert len(rows) == SAMPLES
    assert again == rows
    assert metric.score(again) == metric.score(rows)


def test_the_rows_of_parts_are_those_of_the_whole(metric):
    """Outputs are read as a stream of blocks, cut anywhere."""
    outputs, labels = made(metric.name, 1)
    blocks = [
        {name: array[start:stop] for name, array in outputs.items()} for start, stop in ((0, 1), (1, 17), (17, 40))
    ]

    assert task_metrics.gather(metric, blocks, labels) == metric.evidence(outputs, labels)


def test_a_subset_is_scored_from_its_rows(metric):
    """Drawn with repetition, in any order: as a bootstrap does it."""
    outputs, labels = made(metric.name, 1)
    rows = metric.evidence(outputs, labels)
    drawn = np.random.default_rng(1).integers(0, SAMPLES, SAMPLES)

    some = {name: array[drawn] for name, array in outputs.items()}
    truth = {key: column[drawn] for key, column in labels.items()} if isinstance(labels, dict) else labels[drawn]

    assert metric.score([rows[each] for each in drawn]) == scored(metric, some, truth)
    assert metric.score(rows[::-1]) == pytest.approx(metric.score(rows), rel=1e-12)
    assert metric.score(rows[:20]) != metric.score(rows[20:])


def test_no_rows_have_no_score(metric):
    assert math.isnan(metric.score([]))


COMPARING = {
    "f1",
    "mean_iou",
    "top_k_accuracy",
}  # the scores of one sample: an infinite one is the largest, or the smallest


BREAKING = [
    (name, value)
    for name in NAMES
    for value in (math.nan, math.inf, -math.inf)
    if math.isnan(value) or name not in COMPARING
]


@pytest.mark.parametrize(("name", "value"), BREAKING)
def test_a_broken_output_is_never_left_out(name, value):
    """One of 40: wrong, or no score at all."""
    metric = task_metrics.load(name)
    outputs, labels = made(metric.name, 0)
    whole = metric.evidence(outputs, labels)
    for array in outputs.values():
        array[7, 0].flat[:] = value

    rows = metric.evidence(outputs, labels)

    assert rows[:7] + rows[8:] == whole[:7] + whole[8:]
    assert rows[7] == (0 if metric.name == "top_k_accuracy" else None)
    assert metric.score(rows) == 39 / 40 if metric.name == "top_k_accuracy" else math.isnan(metric.score(rows))


@pytest.mark.parametrize("name", sorted(COMPARING))
def test_an_infinite_score_counts_as_the_largest(name):
    outputs, labels = made(name, 0)
    outputs["y"][7, ..., 3 if name != "mean_iou" else 2] = math.inf
    metric = task_metrics.load(name)

    said = metric.evidence({"y": np.nan_to_num(outputs["y"], posinf=9.0)}, labels)

    assert metric.evidence(outputs, labels) == said


def test_a_single_nan_is_enough(metric):
    outputs, labels = made(metric.name, 0)
    for array in outputs.values():
        array[7, 0].flat[-1] = math.nan

    rows = metric.evidence(outputs, labels)

    assert rows[7] == (0 if metric.name == "top_k_accuracy" else None)


def test_nothing_but_nan_does_not_pass(metric):
    outputs, labels = made(metric.name, 0)

    score = metric.score(
        metric.evidence({name: np.full_like(array, math.nan) for name, array in outputs.items()}, labels)
    )

    assert math.isnan(score) or score == metric.RANGE[0]
    assert metric.name == "top_k_accuracy" or math.isnan(score)


def test_labels_that_are_not_there_are_a_reason(metric):
    outputs, labels = made(metric.name, 0)
    none = {key: column[:0] for key, column in labels.items()} if isinstance(labels, dict) else labels[:0]

    assert metric.applies(shapes(outputs), none) == "there are no labels"


def test_outputs_that_do_not_fit_are_a_reason(metric):
    _, labels = made(metric.name, 0)

    assert "strange" in (metric.applies({"strange": (1, 2, 3, 5, 7)}, labels) or "")


def test_other_labels_are_a_reason(metric):
    """Texts for numbers, lists of differing lengths, and an object: none of them may end in a traceback."""
    outputs, _ = made(metric.name, 0)

    for labels in (
        ["cat"] * SAMPLES,
        [[1] * (1 + each % 2) + [0.5] for each in range(SAMPLES)],
        {"boxes": [None], "classes": ["x"]},
    ):
        assert metric.applies(shapes(outputs), labels)


def test_a_different_number_of_labels_is_an_error(metric):
    """A sample without a label, or a label without a sample, is never dropped."""
    outputs, labels = made(metric.name, 0)
    fewer = {name: array[:-1] for name, array in outputs.items()}

    with pytest.raises(UnjudgeableRun, match=r"39.* and labels of 40"):
        metric.evidence(fewer, labels)
    with pytest.raises(UnjudgeableRun, match="39 outputs for 40 labels"):
        task_metrics.gather(metric, [fewer], labels)


def test_its_text_names_it_again(metric):
    for key, value in metric.PARAMETERS.items():
        other = {"average": "micro"}.get(key, "z") if isinstance(value, str) else {"iou_low": "0.75"}.get(key, "0.9")
        other = "2" if key in ("k", "detections", "pad", "end", "blank", "ignore") else other
        changed = task_metrics.load(f"{metric.name}:{key}={other}")

        assert task_metrics.load(str(changed)) == changed != metric
        assert str(changed) == f"{metric.name}:{key}={other}"
    assert str(metric) == metric.name


@pytest.mark.parametrize("value", ["nan", "-inf", "many"])
def test_a_parameter_that_is_no_number_is_refused(metric, value):
    for key in [key for key, usual in metric.PARAMETERS.items() if isinstance(usual, float)]:
        with pytest.raises(RequestError, match=f"^task metric '{metric.name}:{key}={value}'"):
            task_metrics.load(f"{metric.name}:{key}={value}")


def test_an_unknown_parameter_is_named(metric):
    with pytest.raises(UnknownName, match=f"parameter of the task metric {metric.name} 'colour': unknown"):
        task_metrics.load(f"{metric.name}:colour=3")


def test_an_unknown_metric_is_named():
    with pytest.raises(UnknownName, match="task metric 'mean_iuo': unknown; did you mean 'mean_iou'"):
        task_metrics.load("mean_iuo")


def test_every_metric_has_an_example_here():
    assert set(MADE) == set(NAMES)
