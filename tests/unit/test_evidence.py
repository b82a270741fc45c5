"""What is said of an output whatever the bounds, and what the toolkit's own artifact says beside somebody's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit.compare import Context, Run, judge, measure
from toolkit.compare.evidence import limits
from toolkit.errors import UnjudgeableRun
from toolkit.signature import Signature, TensorSpec
from toolkit.target import Bound

COUNT = 200
RNG = np.random.default_rng(0)
VARIED = RNG.normal(size=(COUNT, 1, 4)).astype(np.float32)
ANCHORS = np.tile(np.float32([[0.1, 0.2, 0.7]]), (COUNT, 1, 1))


def run(scales=(), **outputs):
    specs = [
        TensorSpec(name, array.dtype.name, array.shape[1:], *(((scales[name],), (0,)) if name in scales else ()))
        for name, array in outputs.items()
    ]
    return Run("run", Signature("", (), tuple(specs)), [outputs])


def bound(metric="sqnr_db", limit=12.0, stage="total", **more):
    return Bound(stage=stage, output="*", metric=metric, limit=limit, because="b", **more)


def judged(reference, candidate, bounds=None, own=None, **context):
    bounds = [bound()] if bounds is None else bounds
    asked = {each.metric for each in bounds}
    beside = None if own is None else measure(reference, own, asked)
    return judge(measure(reference, candidate, asked), bounds, stage="total", context=Context(**context), own=beside)


def by_metric(judgement, output=None):
    return {each.metric: each for each in judgement.comparisons if output in (None, each.output)}


def test_an_offset_hides_no_error():
    """290 K of it, or none: the noise is a tenth of what the reference says."""
    noisy = VARIED + 0.1 * np.random.default_rng(1).normal(size=VARIED.shape).astype(np.float32)

    plain, kelvin = (
        by_metric(judged(run(y=VARIED + offset), run(y=noisy + offset)))["sqnr_db"].value for offset in (0, 290)
    )

    assert plain == pytest.approx(20, abs=0.5)
    assert kelvin == pytest.approx(plain, abs=1e-2)


def test_an_offset_that_the_candidate_adds_is_an_error():
    found = by_metric(judged(run(y=VARIED + 290), run(y=VARIED + 293)))["sqnr_db"]

    assert found.value == pytest.approx(-20 * math.log10(3), abs=0.5)
    assert found.status == "failed"


# ---- constants


def test_a_constant_beside_what_varies_must_be_equal_and_proves_nothing():
    found = judged(run(y=VARIED, anchors=ANCHORS), run(y=VARIED, anchors=ANCHORS.copy()))

    (constant,) = by_metric(found, "anchors").values()
    assert (constant.metric, constant.status, constant.value) == ("constant", "passed", 0)
    assert by_metric(found, "y")["sqnr_db"].status == "passed"


def test_a_constant_that_is_another_fails():
    found = judged(run(y=VARIED, anchors=ANCHORS), run(y=VARIED, anchors=ANCHORS + np.float32(1e-4)))

    assert by_metric(found, "anchors")["constant"].status == "failed"


@pytest.mark.parametrize(("off", "status"), [(0.004, "passed"), (0.006, "failed")])
def test_a_quantized_constant_is_equal_to_half_a_step(off, status):
    """A grid has no nearer number."""
    integers = np.full((COUNT, 1, 3), 70, np.int8)
    reference = np.full((COUNT, 1, 3), 0.7 + off, np.float32)
    candidate = run(scales={"anchors": 0.01}, y=VARIED, anchors=integers)

    found = judged(run(y=VARIED, anchors=reference), candidate)

    assert by_metric(found, "anchors")["constant"].status == status


def test_nothing_but_constants_is_no_evidence():
    with pytest.raises(UnjudgeableRun, match="for all 200 samples, so agreeing with it shows nothing"):
        judged(run(anchors=ANCHORS), run(anchors=ANCHORS))


def test_a_candidate_that_is_constant_where_the_reference_varies_fails():
    """Whatever the bounds are."""
    dead = np.zeros_like(VARIED)

    found = by_metric(judged(run(y=VARIED), run(y=dead), [bound(limit=-300)]))

    assert found["varies"].status == "failed"
    assert found["sqnr_db"].status == "passed"


# ---- what shows nothing


@pytest.mark.parametrize(("spread", "status"), [(0.9, "inconclusive"), (1.1, None)])
def test_a_reference_that_hardly_varies_is_no_evidence(spread, status):
    """A thousandth of its values."""
    reference = np.full((COUNT, 1, 1), 300.0)
    reference[::2] += spread * 0.3

    found = by_metric(judged(run(y=reference), run(y=reference.copy())))

    assert (found["evidence"].status if "evidence" in found else None) == status


def test_variation_that_few_samples_carry_is_no_evidence():
    """A ratio of powers would be about these few; what else decides goes on deciding."""
    reference = 0.01 * VARIED
    reference[7] = 1000

    found = judged(run(y=reference), run(y=reference.copy()))

    assert [each.metric for each in found.comparisons] == ["evidence"]
    assert found.comparisons[0].status == "inconclusive"
    assert "samples carry its variation" in found.skipped[0].reason
    agreed = judged(run(y=reference), run(y=reference.copy()), [bound(), bound("top1_agreement", 0.9)])
    assert [each.metric for each in agreed.comparisons] == ["top1_agreement"]


def test_whole_numbers_are_never_judged_in_decibels():
    """An id that is wrong by one has 40 dB."""
    ids = np.random.default_rng(0).integers(100, 110, (COUNT, 1))

    found = judged(
        run(y=ids), run(y=ids + 1), [bound(), bound("top1_agreement", 0.9), bound("max_abs", 0, unit="real")]
    )

    assert {each.metric: each.status for each in found.comparisons} == {"max_abs": "failed"}
    assert "equal or not" in found.skipped[0].reason


# ---- what is achievable

ACHIEVABLE = {"unit": "achievable", "limit": 10, "unless": 20, "least_samples": 100}
BEHIND = [bound(), bound(**ACHIEVABLE)]


def noisy(noise, count=COUNT, seed=1):
    return VARIED[:count] + (noise * np.random.default_rng(seed).normal(size=(count, 1, 4))).astype(np.float32)


@pytest.mark.parametrize(
    ("theirs", "own", "status"),
    [
        (0.12, 0.005, "failed"),  # 18 dB where 46 are to be had
        (0.12, 0.05, "passed"),  # 18 and 26 dB
        (0.09, 0.005, "passed"),  # 21 dB keeps it whatever own has
        (0.12, 0.9, "passed"),  # better than own
    ],
)
def test_noise_that_need_not_be_there_is_no_quantization(theirs, own, status):
    found = judged(run(y=VARIED), run(y=noisy(theirs)), BEHIND, run(y=noisy(own, seed=2)))

    assert [each.status for each in found.comparisons if each.unit == "achievable" and each.metric == "sqnr_db"] == [
        status
    ]


def test_with_few_samples_own_makes_nothing_fail():
    few = 99
    found = judged(run(y=VARIED[:few]), run(y=noisy(0.12, few)), BEHIND, run(y=noisy(0.005, few, seed=2)))

    behind = next(each for each in found.comparisons if each.unit == "achievable" and each.metric == "sqnr_db")
    assert behind.status == "inconclusive"
    assert behind.weak == "99 samples, and 100 are the least by which it fails"


def test_without_own_nothing_is_said_of_what_is_achievable():
    found = judged(run(y=VARIED), run(y=noisy(0.12)), BEHIND)

    assert [each.unit for each in found.comparisons] == ["db"]
    assert found.skipped[0].reason == "there is no artifact of the toolkit's own beside it"


def test_decisions_are_held_against_own_by_mcnemars_test():
    """12 lost and 1 won: a fair coin shows as few heads once in six hundred times."""
    hits = np.eye(4, dtype=np.float32)[np.arange(COUNT) % 4][:, None]
    wrong = np.roll(hits, 1, axis=-1)

    def with_wrong(places):
        made = hits.copy()
        made[places] = wrong[places]
        return run(y=made)

    rates = [bound("top1_agreement", 0.5), bound("top1_agreement", 0.001, unit="achievable")]
    found = judged(run(y=hits), with_wrong([*range(12)]), rates, with_wrong([50]))
    lost = judged(run(y=hits), with_wrong([*range(18)]), rates, with_wrong([50]))

    p = next(each for each in found.comparisons if each.unit == "achievable" and each.metric == "top1_agreement")
    assert p.value == pytest.approx(14 / 2**13)
    assert (p.status, "12 samples lost against it, 1 won" in p.detail) == ("passed", True)
    assert "failed" in {each.status for each in lost.comparisons if each.unit == "achievable"}


def test_far_fewer_answers_than_own_fail():
    """A model that tells a quarter of what it could apart."""
    coarse = np.round(VARIED * 2) / 2
    reference, own = VARIED[..., :1], VARIED[..., :1]

    found = by_metric(judged(run(y=reference), run(y=coarse[..., :1].copy()), [bound(limit=-300)], run(y=own.copy())))

    assert found["distinct_answers"].status == "failed"
    assert found["distinct_answers"].value < limits()["distinct"].limit


def test_every_limit_has_its_reason():
    assert {name: limit.limit for name, limit in limits().items()} == {
        "variation": 1e-3,
        "effective_samples": 10,
        "distinct": 0.25,
    }
    assert all(len(limit.because) > 40 for limit in limits().values())
