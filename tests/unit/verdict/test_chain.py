"""The chain of stages: which runs are held against each other, by which bounds."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.verdict.judged_chains import SCORES, Held, bound, chain, stages
from toolkit.comparison.compare import Context
from toolkit.errors import UnjudgeableRun
from toolkit.verdict.chain import judge_chain


def test_each_stage_and_the_total_are_judged_with_the_scheme_the_noise_and_the_metrics_that_bounds_name():
    """0.02 from stage to stage: once the noise of 0.02, and twice that in all."""
    steps = chain(SCORES, SCORES + 0.02, SCORES + 0.04)
    both = [(stage, factor) for stage, factor in (("conversion", 1), ("total", 2))]
    bounds = [bound(stage, "max_abs", factor * 1.01, "noise", schemes=("float32",)) for stage, factor in both]
    bounds += [bound(stage, "topk_agreement:k=2", 0.9) for stage, _ in both]

    judged = judge_chain(steps, bounds, Context("float32", {"scores": 0.02}))

    assert [(each.stage, each.metric, each.status) for each in judged.comparisons] == [
        ("conversion", "max_abs", "passed"),
        ("conversion", "topk_agreement:k=2", "passed"),
        ("total", "max_abs", "passed"),
        ("total", "topk_agreement:k=2", "passed"),
    ]
    assert [each.value for each in judged.comparisons if each.metric == "max_abs"] == pytest.approx([1, 2], rel=1e-4)
    alone = judge_chain(steps, [*bounds[2:], bound("device", "max_abs", 1, "real")], Context("int8"))
    assert "topk_agreement:k=2" in {each.metric for each in alone.cumulative["device"].measurements}


def test_intervals_are_those_of_one_look_unless_the_device_could_stop_early():
    """(1/2 of 5 %)^(1/50) for one look; where the mixture, 1/51, is twenty times as likely, for any number of looks."""
    steps = chain(SCORES, SCORES + 0.02, SCORES + 0.04)
    bounds = [bound(stage, "top1_agreement", 0.5) for stage in ("device", "total")]

    for said, low in (({}, 0.025 ** (1 / 50)), ({"early": True}, (0.05 / 51) ** (1 / 50))):
        found = judge_chain(steps, bounds, Context("float32"), **said).comparisons

        assert [each.interval[0] for each in found] == pytest.approx([low, low])


def test_only_a_stage_that_was_spared_samples_keeps_a_limit_by_its_value():
    """The stage before it and the total, which are of all samples, are judged by their intervals."""
    noise = np.random.default_rng(1).normal(size=(3, *SCORES.shape)) / 10
    float_, whole = SCORES + noise[0], SCORES + noise[1]
    steps = [Held("original", SCORES), Held("conversion", float_.astype(np.float32))]
    steps += [Held("quantization", whole[:10].astype(np.float32)), Held("kernels", whole.astype(np.float32))]
    stages_ = ("conversion", "quantization", "kernels", "total")

    judged = judge_chain(steps, [bound(stage, "sqnr_db", 3) for stage in stages_], Context("float32"))

    assert [(each.stage, each.samples, each.interval is None) for each in judged.comparisons] == [
        ("conversion", 50, False),
        ("quantization", 10, True),
        ("kernels", 10, True),
        ("total", 50, False),
    ]


def test_own_is_measured_by_what_is_asked_of_kinds_too():
    """A bound for one kind in the unit "achievable" needs both artifacts' values of its metric."""
    steps = chain(SCORES, SCORES + 0.02, SCORES + 0.04)
    of_scores = bound("total", "spread_error", 2, "achievable", kinds=("class_scores",))

    judged = judge_chain(steps, [of_scores], Context("int8", kinds={"scores": "class_scores"}), own=Held("own", SCORES))

    assert [each.metric for each in judged.total.comparisons if each.metric == "spread_error"] == ["spread_error"]


def test_a_device_that_could_stop_early_may_have_fewer_samples():
    """It is then held against the first ones of the others."""
    steps = chain(SCORES, SCORES + 0.02, SCORES[:30] + 0.04)

    judged = judge_chain(steps, [bound("total", "max_abs", 1, "real")], Context("float32"), early=True)

    assert [each.measured.samples for each in (*judged.stages, judged.total)] == [50, 30, 30]


@pytest.mark.parametrize(("stage", "early"), [("device", False), ("kernels", True)])
def test_any_other_stage_of_fewer_samples_is_an_error(stage, early):
    steps = chain(SCORES, SCORES + 0.02, SCORES[:30] + 0.04, last=stage)

    with pytest.raises(UnjudgeableRun, match="50 samples in conversion, 30 in"):
        judge_chain(steps, [bound("total", "max_abs", 1, "real")], Context("float32"), early=early)


def test_a_branch_of_more_samples_than_the_rest_is_held_against_theirs():
    """The first of both are compared, whichever has more."""
    steps = [Held("original", SCORES[:20]), Held("source", SCORES), Held("conversion", SCORES[:20] + np.float32(0.1))]

    judged = judge_chain(steps, [bound("total", "max_abs", 1, "real")], Context("float32"))

    assert [each.measured.samples for each in judged.stages] == [20, 20]


def test_what_only_the_total_failed_by_is_told_where_no_stage_failed(judged):
    alone, beside = judged(stages(conversion=0.009, kernels=0.009)), judged(stages(conversion=0.02))

    assert alone.judged.failed_in_total is alone.judged.total.comparisons[0]
    assert beside.judged.total.comparisons[0].status == "failed"
    assert beside.judged.failed_in_total is None
