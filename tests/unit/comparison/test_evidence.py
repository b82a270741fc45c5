"""What is said of an output whatever the bounds, and what the toolkit's own artifact says beside somebody's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Context, RunOutputs, judge, measure
from toolkit.comparison.evidence import limits
from toolkit.errors import UnjudgeableRun
from toolkit.profiles import find
from toolkit.tensors.signature import Signature, TensorSpec

COUNT = 200
RNG = np.random.default_rng(0)
VARIED = RNG.normal(size=(COUNT, 1, 4)).astype(np.float32)
ANCHORS = np.tile(np.float32([[0.1, 0.2, 0.7]]), (COUNT, 1, 1))


def run(scales=(), **outputs):
    specs = [
        TensorSpec(name, array.dtype.name, array.shape[1:], *(((scales[name],), (0,)) if name in scales else ()))
        for name, array in outputs.items()
    ]
    return RunOutputs("run", Signature("", (), tuple(specs)), [outputs])


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


def test_a_constant_is_of_the_original_or_of_the_stage_before():
    """Who reads it looks at the right run."""
    measured = measure(run(y=VARIED, anchors=ANCHORS), run(y=VARIED, anchors=ANCHORS))

    details = {
        stage: by_metric(judge(measured, [], stage=stage), "anchors")["constant"].detail.split(" gives ")[0]
        for stage in ("conversion", "kernels", "device")
    }

    assert details == {"conversion": "the original", "kernels": "the stage before", "device": "the stage before"}


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


@pytest.mark.parametrize(("scheme", "status"), [("float16", "passed"), ("float32", "failed")])
def test_a_constant_is_equal_to_the_bits_that_its_scheme_keeps(scheme, status):
    """float16 keeps eleven."""
    halves = ANCHORS.astype(np.float16).astype(np.float32)
    assert not np.array_equal(halves, ANCHORS)

    found = judged(run(y=VARIED, anchors=ANCHORS), run(y=VARIED, anchors=halves), scheme=scheme)

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
    assert behind.weak == "99 samples; it can fail from 100 on"


def test_without_own_nothing_is_said_of_what_is_achievable():
    found = judged(run(y=VARIED), run(y=noisy(0.12)), BEHIND)

    assert [each.unit for each in found.comparisons] == ["db"]
    assert found.skipped[0].reason == "the toolkit made no artifact of its own to compare with"


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


# ---- what a comparison with own says, field by field


def beside(metric, reference, theirs, own, **more):
    """Return the comparison with own by a bound on what is achievable."""
    bounds = [bound(metric, unit="achievable", **more)]
    found = judged(run(y=reference), run(y=theirs), [bound(limit=-300), *bounds], run(y=own))
    return next(each for each in found.comparisons if (each.metric, each.unit) == (metric, "achievable"))


def test_a_comparison_with_own_says_all_that_one_says():
    found = beside("sqnr_db", VARIED, noisy(0.12), noisy(0.005, seed=2), limit=10, unless=20)

    said = found.to_json()
    assert {
        key: said[key] for key in ("stage", "output", "metric", "limit", "unit", "better", "because", "samples")
    } == {
        "stage": "total",
        "output": "y",
        "metric": "sqnr_db",
        "limit": 10,
        "unit": "achievable",
        "better": "lower",
        "because": "b",
        "samples": COUNT,
    }
    assert found.value == pytest.approx(20 * math.log10(0.12 / 0.005), abs=0.5)
    assert found.worst_sample is not None
    theirs, own = (float(part.split()[-1 if place else 0]) for place, part in enumerate(found.detail.split(" db, ")))
    assert own - theirs == pytest.approx(found.value, abs=0.05)
    assert "the toolkit's own" in found.detail


@pytest.mark.parametrize(
    ("theirs", "own", "value"),
    [(0.4, 0.1, 4.0), (0.1, 0.4, 0.25), (0.0, 0.0, 1.0), (0.3, 0.0, math.inf), (2.0, 1.0, 2.0)],
)
def test_where_less_is_better_the_ratio_of_both_counts(theirs, own, value):
    """Of nothing and nothing neither is worse; an error where own has none is worse than any limit."""
    found = beside(
        "max_abs", np.zeros_like(VARIED) + VARIED, *(VARIED + np.float32(each) for each in (theirs, own)), limit=3.0
    )

    assert found.value == pytest.approx(value, rel=1e-5)
    assert (found.better, found.passed) == ("lower", value <= 3)


def test_equal_is_behind_by_nothing_and_nan_by_what_no_limit_meets():
    """Also where both have no noise at all, and infinitely many dB."""
    broken = VARIED.copy()
    broken[3, 0, 0] = np.nan

    assert beside("sqnr_db", VARIED, VARIED.copy(), VARIED.copy(), limit=1.0).value == 0
    assert math.isnan(beside("sqnr_db", VARIED, broken, VARIED.copy(), limit=1.0).value)
    assert math.isnan(beside("max_abs", VARIED, broken, VARIED.copy(), limit=1.0).value)


@pytest.mark.parametrize(("unless", "value"), [(19.9, 0.0), (20.1, 20.0)])
def test_a_value_as_good_as_what_keeps_the_bound_is_behind_by_nothing(unless, value):
    """At most, and at least."""
    exact = VARIED - VARIED.mean(axis=0)
    found = beside("sqnr_db", VARIED, VARIED + 0.1 * exact, VARIED + 0.01 * exact, limit=1.0, unless=unless)

    assert found.value == pytest.approx(value, abs=0.01)


def test_a_channel_is_held_against_own_by_itself():
    """The tally knows better than its value: own's worst channel is another one."""
    own, theirs = VARIED.copy(), VARIED.copy()
    own[..., 0] += (0.2 * np.random.default_rng(1).normal(size=(COUNT, 1))).astype(np.float32)
    theirs[..., 2] += (0.25 * np.random.default_rng(2).normal(size=(COUNT, 1))).astype(np.float32)
    own[..., 2] += (0.02 * np.random.default_rng(3).normal(size=(COUNT, 1))).astype(np.float32)

    text = "channel_sqnr_db:floor=0.1,samples=10"
    found = beside(text, VARIED, theirs, own, limit=10, unless=15)

    assert found.value == pytest.approx(20 * math.log10(0.25 / 0.02), abs=1)
    assert found.detail.startswith("channel 2 of 4: ")
    assert beside(text, VARIED, theirs, own, limit=10, unless=11).value == 0


def test_a_sample_that_stands_out_is_held_against_owns_largest_error():
    own, theirs = noisy(0.01), noisy(0.01)
    reach = float(VARIED.max() - VARIED.min())
    theirs[7, 0, 0] += np.float32(0.5 * reach)
    own[8, 0, 0] += np.float32(0.1 * reach)

    text = "outlier_error:times=10,quantile=0.95"
    found = beside(text, VARIED, theirs, own, limit=4, unless=0.25, unless_unit="range")
    near = beside(text, VARIED, own, theirs, limit=4, unless=0.25, unless_unit="range")

    assert found.value == pytest.approx(5, rel=0.1)
    assert (found.status, found.worst_sample) == ("failed", 7)
    assert "in one sample" in found.detail
    assert (near.value, near.status) == (0, "passed")


def test_rates_that_lost_nothing_on_balance_have_the_p_value_of_chance():
    """As many won as lost, and more won."""
    hits = np.eye(4, dtype=np.float32)[np.arange(COUNT) % 4][:, None]
    wrong = np.roll(hits, 1, axis=-1)

    def with_wrong(places):
        made = hits.copy()
        made[places] = wrong[places]
        return made

    for theirs, own in (([1, 2], [3, 4]), ([], [3]), ([1], [1])):
        found = beside("top1_agreement", hits, with_wrong(theirs), with_wrong(own), limit=0.001)
        assert (found.value, found.better, found.status) == (1.0, "higher", "passed")


def test_what_is_a_fact_says_of_what_and_of_how_many():
    """Constants, dead candidates and answers that are too few, as reports show them."""
    found = judged(run(y=VARIED, anchors=ANCHORS), run(y=np.zeros_like(VARIED), anchors=ANCHORS), [bound(limit=-300)])
    dead, constant = by_metric(found, "y")["varies"], by_metric(found, "anchors")["constant"]

    assert (dead.stage, dead.value, dead.limit, dead.better, dead.unit, dead.samples) == (
        "total",
        0,
        1,
        "higher",
        "ratio",
        COUNT,
    )
    assert dead.detail == "the candidate gives the same for every sample, the reference does not"
    assert (constant.better, constant.unit, constant.samples) == ("lower", "real", COUNT)
    assert constant.because.startswith("it is the same for all samples")
    assert (
        constant.detail
        == "the original gives the same values (0.1 to 0.7) for all 200 samples, so agreeing with it shows nothing"
    )


def test_answers_are_counted_against_owns():
    """Two of own's are enough to count by; what it has thousands of is said so."""
    two = np.where(VARIED[..., :1] > 0, 1, -1).astype(np.float32)
    many = np.random.default_rng(5).normal(size=(1500, 1, 1)).astype(np.float32)

    same = by_metric(judged(run(y=VARIED[..., :1]), run(y=two), [bound(limit=-300)], run(y=two.copy())))[
        "distinct_answers"
    ]
    large = by_metric(judged(run(y=many), run(y=many.copy()), [bound(limit=-300)], run(y=many.copy())))[
        "distinct_answers"
    ]

    assert (same.value, same.status, same.unit, same.samples) == (1, "passed", "achievable", COUNT)
    assert same.detail == "2 different answers, the toolkit's own artifact gives 2"
    assert large.detail == "1024 different answers, the toolkit's own artifact gives 1024 or more"


def test_a_distance_to_own_says_what_it_is_a_distance_of():
    """In the words of the metric: decibels, times, a p-value, a share."""
    from toolkit.comparison.wording import comparison_text

    hits = np.eye(4, dtype=np.float32)[np.arange(COUNT) % 4][:, None]
    rate = beside("top1_agreement", hits, hits.copy(), hits.copy(), limit=0.001)
    behind = beside("sqnr_db", VARIED, noisy(0.12), noisy(0.012, seed=2), limit=10)
    error = beside("max_abs", VARIED, VARIED + np.float32(0.2), VARIED + np.float32(0.1), limit=3.0)
    told = by_metric(judged(run(y=VARIED), run(y=noisy(0.1)), [bound(limit=-300)], run(y=noisy(0.1))))[
        "distinct_answers"
    ]

    texts = [" ".join(comparison_text(each).split()) for each in (rate, behind, error, told)]

    assert " p = 1 >= p = 0.001" in texts[0]
    assert " dB below own <= 10 dB below own" in texts[1]
    assert " 2 times own's <= 3 times own's" in texts[2]
    assert " 1 of own's >= 0.25 of own's" in texts[3]


def test_each_output_has_its_own_evidence():
    """One that few samples carry is told beside one that is judged and one that hardly varies."""
    few, still = 0.01 * VARIED, np.full((COUNT, 1, 1), 300.0)
    few[7], still[::2] = 1000, 300.1

    found = judged(run(a=VARIED, few=few, still=still), run(a=VARIED, few=few.copy(), still=still.copy()))

    said = {each.output: each for each in found.comparisons if each.metric == "evidence"}
    assert sorted(said) == ["few", "still"]
    assert (said["few"].stage, said["few"].samples, said["few"].limit) == ("total", COUNT, 10)
    assert said["few"].value == pytest.approx(1, abs=0.1)
    assert {each.metric for each in found.comparisons if each.output == "a"} == {"sqnr_db"}


def test_exactly_as_many_samples_as_a_bound_asks_for_are_enough():
    few = 100
    found = judged(run(y=VARIED[:few]), run(y=noisy(0.12, few)), BEHIND, run(y=noisy(0.005, few, seed=2)))

    assert (
        next(each for each in found.comparisons if each.metric == "sqnr_db" and each.unit == "achievable").status
        == "failed"
    )


def test_more_flips_than_own_are_losses():
    """Of a rate of which less is better."""
    ours = np.where(np.arange(COUNT) % 2, 1.0, 0.0).reshape(COUNT, 1, 1).astype(np.float32)
    worse = ours.copy()
    worse[:18] = 1 - worse[:18]

    text = "decision_flips:threshold=0.5"
    lost = beside(text, ours, worse, ours.copy(), limit=0.001)
    won = beside(text, ours, ours.copy(), worse, limit=0.001)

    assert (lost.status, won.status) == ("failed", "passed")
    assert lost.value == pytest.approx(1 / 2**18)


def test_a_constant_on_a_grid_is_told_in_its_steps():
    candidate = run(scales={"anchors": 0.01}, y=VARIED, anchors=np.full((COUNT, 1, 3), 70, np.int8))

    found = by_metric(judged(run(y=VARIED, anchors=np.full((COUNT, 1, 3), 0.703, np.float32)), candidate), "anchors")

    assert (found["constant"].unit, found["constant"].limit) == ("lsb", 0.5)
    assert found["constant"].value == pytest.approx(0.3, abs=1e-3)


# ---- what the bounds of real values are for


def by_profile(reference, candidate, own=None, without=""):
    """Return the metrics by which real values are not passed on the target `host`, leaving out one bound by its metric and unit."""
    bounds = [one for one in find("host").bounds if not one.is_of_task and f"{one.metric} {one.unit}" != without]
    asked = {one.metric for one in bounds if not one.kinds or "real_values" in one.kinds}
    pairs = [measure(run(y=reference), run(y=each), asked) for each in (candidate, own) if each is not None]
    found = judge(
        pairs[0],
        bounds,
        stage="total",
        context=Context("static_wi8_ai8", kinds={"y": "real_values"}),
        own=pairs[1] if own is not None else None,
    )
    return {f"{each.metric} {each.unit}" for each in found.comparisons if each.status != "passed"}


def readings(width, quiet, scale=0.01):
    """Return (COUNT, 1, width), of which those from `quiet` on say as little as readings of a small unit beside others."""
    made = np.random.default_rng(3).normal(size=(COUNT, 1, width))
    made[..., quiet:] *= scale
    return made.astype(np.float32)


def test_a_reading_of_a_small_unit_that_is_lost_is_no_reading():
    """Of twenty numbers in one vector: its error is larger than its own variation, and the whole has 40 dB."""
    reference = readings(20, 16)
    candidate = reference.copy()
    candidate[..., 16:] = np.random.default_rng(4).normal(size=(COUNT, 1, 4)).astype(np.float32) * 0.02

    bound_ = "channel_sqnr_db:floor=0,samples=10,most=32 db"
    assert by_profile(reference, candidate) == {bound_}
    assert by_profile(reference, candidate, without=bound_) == set()


def test_a_quiet_number_of_a_flat_head_is_held_against_own():
    """Of more numbers than anybody reads: scores that changed places between boxes."""
    reference = readings(40, 36)
    candidate = reference.copy()
    candidate[..., 36:] = reference[..., [37, 36, 39, 38]]
    own = reference + (1e-4 * np.random.default_rng(5).normal(size=reference.shape)).astype(np.float32)

    bound_ = "channel_sqnr_db:floor=0,samples=10 achievable"
    assert by_profile(reference, candidate, own) == {bound_}
    assert by_profile(reference, candidate, own, without=bound_) == set()


def test_a_score_that_few_samples_move_is_held_against_own():
    """Six of two hundred, of which none is found any more."""
    reference = readings(6, 6)
    reference[..., 5] = 0
    reference[::34, 0, 5] = 1
    candidate, own = reference.copy(), reference + np.float32(0.01) * readings(6, 6)
    candidate[..., 5] = 0.02 * reference[..., 0]

    bound_ = "channel_sqnr_db:floor=0,samples=3,most=16 achievable"
    assert bound_ in by_profile(reference, candidate, own)
    assert by_profile(reference, candidate, own, without=bound_) == set()


@pytest.mark.parametrize(
    ("more", "statuses"),
    [
        ([], {"agreement": "passed", "evidence": "inconclusive"}),
        ([bound("kappa", 0.1, undecided="passed")], {"agreement": "passed", "kappa": "passed"}),
    ],
)
def test_bounds_that_fail_only_what_is_certain_are_no_evidence_where_nothing_is(more, statuses):
    """40 answers that all agree show no 0.95; what is undecided passes beside a bound that is kept, and not by itself."""
    answers = np.tile(np.int32([[0], [1]]), (20, 1))

    found = judged(run(y=answers), run(y=answers), [bound("agreement", 0.95, undecided="passed"), *more])

    assert {each.metric: each.status for each in found.comparisons} == statuses
