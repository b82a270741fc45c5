"""Task metrics in a verdict: what is scored, and which drops fail."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.verdict.judged_chains import SCORES, TRUTH, stages, with_wrong
from toolkit.comparison.wording import comparison_text
from toolkit.errors import UnjudgeableRun


def test_the_usual_task_metric_is_shown_beside_each_stage(judged):
    """The original against the truth, and what became of it; nobody asked, and nothing is judged by it."""
    outputs = stages()
    outputs["kernels"] = -SCORES

    verdict = judged(outputs, labels=SCORES[:, 0].argmax(axis=1))

    (task,) = verdict.tasks
    assert task.metric == "top_k_accuracy"
    assert task.scores["original"] == 1.0
    assert task.scores["kernels"] == 0.0
    assert verdict.judged.drops == ()


@pytest.mark.parametrize(
    ("wrong", "limit", "status"),
    [(0, 0.2, "passed"), (0, 0.05, "inconclusive"), (6, 0.2, "inconclusive"), (30, 0.2, "failed")],
)
def test_a_drop_is_judged_by_its_interval(judged, profile, wrong, limit, status):
    """Paired, on the samples that both saw: 50 right in both leave room for a drop of ten points, whatever was seen."""
    board = profile(limit=100, kernels=100, drop=("top_k_accuracy", limit))

    verdict = judged(with_wrong(wrong), board, labels=TRUTH)

    (drop,) = verdict.judged.drops
    assert (drop.status, verdict.outcome) == (status, status)
    assert drop.value == wrong / 50
    assert drop.interval[0] <= drop.value <= drop.interval[1]
    assert drop.samples == 50
    assert f"{wrong} samples lost, 0 won of 50" in drop.detail
    assert (drop.samples_needed is not None) == (status == "inconclusive")
    assert verdict.guilty_stage == ("kernels" if status == "failed" else None)


@pytest.mark.parametrize(("limit", "status"), [(0.2, "passed"), (0.05, "inconclusive")])
def test_few_samples_of_which_none_changed_rule_out_little(judged, profile, limit, status):
    """Of a score that is no rate too: 1 - 0.025^(1/50) is 0.0711, and a twentieth is less."""
    board = profile(limit=100, kernels=100, drop=("f1", limit))

    (drop,) = judged(with_wrong(0), board, labels=TRUTH).judged.drops

    assert (drop.status, drop.value, drop.detail) == (status, 0.0, "none of 50 samples changed")
    assert drop.interval == pytest.approx((-0.0711, 0.0711), abs=5e-5)


def test_a_drop_of_an_error_is_a_rise(judged, profile):
    """Of a metric where less is better; twenty times the error is a failure, as much as before is none."""
    board = profile(limit=100, kernels=100, drop=("mse", 0.5))
    truth = (SCORES + np.random.default_rng(1).normal(size=SCORES.shape) / 10)[:, 0]

    assert judged(stages(), board, labels=truth).judged.drops[0].status == "passed"
    failed = judged(stages(kernels=2.0), board, labels=truth).judged.drops[0]
    assert failed.status == "failed"
    assert 3 < failed.interval[0] < failed.value < failed.interval[1] < 5


@pytest.mark.parametrize(("wrong", "status"), [(0, "passed"), (6, "passed"), (30, "failed")])
def test_a_drop_that_is_certain_fails_without_being_asked_for(judged, certain, wrong, status):
    """What the interval leaves open is shown, and decides nothing."""
    verdict = judged(with_wrong(wrong), certain("top_k_accuracy", 0.02), labels=TRUTH)

    (drop,) = verdict.judged.drops
    assert (drop.status, verdict.outcome, drop.value) == (status, status, wrong / 50)
    assert drop.is_left_open == (wrong == 6)
    assert ("  left open" in comparison_text(drop)) == (wrong == 6)
    assert drop.interval[0] <= drop.value <= drop.interval[1]
    assert verdict.guilty_stage == ("kernels" if status == "failed" else None)


def test_what_was_not_scored_is_no_mistake_of_a_bound_that_asks_for_nothing(judged, certain):
    assert judged(stages(), certain("top_k_accuracy", 0.02)).judged.drops == ()
    assert judged(stages(), certain("mean_iou", 0.02), labels=TRUTH).judged.drops == ()


def test_it_holds_for_the_metric_with_any_parameters(judged, certain):
    verdict = judged(with_wrong(30), certain("top_k_accuracy", 0.02), labels=TRUTH, tasks=("top_k_accuracy:k=2",))

    assert [(drop.metric, drop.limit) for drop in verdict.judged.drops] == [("top_k_accuracy:k=2", 0.02)]


def test_a_bound_that_asks_goes_before_one_that_does_not(judged, certain):
    board = certain("top_k_accuracy", 0.02, drop=("top_k_accuracy:k=2", 0.9))

    verdict = judged(with_wrong(30), board, labels=TRUTH)

    assert [(drop.metric, drop.limit) for drop in verdict.judged.drops] == [("top_k_accuracy:k=2", 0.9)]


@pytest.mark.parametrize(("off", "status"), [(0.0, "passed"), (0.005, "passed"), (2.0, "failed")])
def test_an_error_is_held_to_a_share_of_what_it_was(judged, certain, off, status):
    truth = (SCORES + np.random.default_rng(1).normal(size=SCORES.shape) / 10)[:, 0]
    board = certain("mse", 0.1, "relative_drop")

    (drop,) = judged(stages(kernels=off), board, labels=truth, tasks=("mse",)).judged.drops

    assert drop.status == status
    assert (drop.value > 0.1) == (drop.interval is not None) == (off == 2)


def test_real_numbers_that_explain_less_fail_by_their_labels(judged, certain):
    """Where nobody asked: an output at a fifth of its size has 2 dB, and explains a third less."""
    verdict = judged(stages(kernels=0.2), certain("r2", 0.02), labels=SCORES[:, 0])

    (drop,) = verdict.judged.drops
    assert (drop.metric, drop.status, verdict.outcome) == ("r2", "failed", "failed")


def test_a_score_that_is_not_a_number_is_certain(judged, certain):
    outputs = stages()
    outputs["kernels"] = np.full_like(SCORES, np.nan)

    drops = judged(outputs, certain("r2", 0.02), labels=SCORES[:, 0]).judged.drops

    assert [drop.status for drop in drops] == ["failed"]


def test_an_interval_that_resampling_cannot_give_is_not_certain(judged, certain):
    """All labels are alike but one: a third of the resamples lack it, and have nothing to explain."""
    truth = np.zeros((50, 4))
    truth[7] = 10

    (drop,) = judged(stages(kernels=3.0), certain("r2", 0.02), labels=truth, tasks=("r2",)).judged.drops

    assert drop.value > 1
    assert (drop.status, drop.interval) == ("passed", (-np.inf, np.inf))


def test_a_drop_cannot_be_shown_without_labels(judged, profile):
    """A bound that nothing can be held against is no bound that was kept."""
    with pytest.raises(UnjudgeableRun, match="top_k_accuracy: the samples have no labels"):
        judged(stages(), profile(drop=("top_k_accuracy", 0.1)))


def test_a_task_metric_that_says_nothing_about_the_outputs_is_refused(judged):
    """It was requested; leaving it out would look like an answer."""
    with pytest.raises(UnjudgeableRun, match="task metric mean_iou: says nothing about original: "):
        judged(stages(), labels=TRUTH, tasks=("mean_iou",))


def test_a_broken_number_fails_a_drop(judged, profile):
    """The score of what is NaN is NaN, and NaN is no small drop."""
    board = profile(limit=100, kernels=100, drop=("mse", 1e6))
    outputs = stages()
    outputs["kernels"] = outputs["kernels"].copy()
    outputs["kernels"][3, 0, 1] = np.nan

    (drop,) = judged(outputs, board, labels=SCORES[:, 0]).judged.drops

    assert drop.status == "failed"
    assert np.isnan(drop.value)


def test_what_is_asked_for_is_scored_beside_what_is_bounded(judged, profile):
    """In the order in which it was asked; each once."""
    board = profile(limit=100, drop=("top_k_accuracy", 0.9))

    verdict = judged(stages(), board, labels=TRUTH, tasks=("top_k_accuracy:k=2", "top_k_accuracy"))

    assert [task.metric for task in verdict.tasks] == ["top_k_accuracy:k=2", "top_k_accuracy"]
    assert set(verdict.tasks[0].scores) == {"original", "conversion", "kernels"}
    assert [each.metric for each in verdict.judged.drops] == ["top_k_accuracy"]
