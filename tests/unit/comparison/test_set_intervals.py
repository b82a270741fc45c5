"""Intervals of what is measured of a whole set: made of groups of samples, as wide as they claim, and what a verdict is judged by."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit.comparison import metrics
from toolkit.comparison.bootstrap import Groups, bootstrap_of_sums
from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import RunOutputs, compare, judge, measure
from toolkit.tensors.signature import Signature, TensorSpec

pytestmark = pytest.mark.once

SQNR = metrics.load("sqnr_db")


def mean(sums):
    return sums[..., 0] / sums[..., 1]


def ones(values):
    """Terms whose `mean` is that of the values."""
    return np.stack([values, np.ones_like(values)], axis=1)


def run(values):
    signature = Signature("s", (), (TensorSpec("y", "float32", (1, 4)),))
    return RunOutputs("run", signature, [{"y": values.astype(np.float32)}])


def judged(reference, candidate, limit, confidence=0.95):
    bound = Bound(stage="total", output="*", metric="sqnr_db", limit=limit, because="b", confidence=confidence)
    (found,) = compare(run(reference), run(candidate), [bound], stage="total").comparisons
    return found


def noisy(count, seed=0):
    """A reference, and a candidate whose noise is another in each sample: 20 dB on the whole, give or take."""
    numbers = np.random.default_rng(seed)
    reference = numbers.normal(size=(count, 1, 4))
    return reference, reference + 0.1 * numbers.lognormal(-0.5, 1, (count, 1, 1)) ** 0.5 * numbers.normal(
        size=(count, 1, 4)
    )


def test_an_interval_covers_what_it_claims():
    """Of 200 skewed sets of 80 numbers: 90 % intervals of the mean hold it 174 to 190 times, if chance has no bad day."""
    numbers = np.random.default_rng(5)
    ends = [bootstrap_of_sums(ones(numbers.exponential(size=80)), mean, 0.9, seed) for seed in range(200)]

    assert 0.84 <= np.mean([low <= 1 <= high for low, high in ends]) <= 0.95


def test_it_is_the_interval_of_another_implementation():
    """That of single samples drawn one by one, which scores each resample by itself."""
    from toolkit.comparison.bootstrap import bootstrap

    reference, candidate = noisy(60)
    terms = SQNR.measure(reference, candidate)
    plain = bootstrap(terms.tolist(), lambda rows: float(SQNR.finish(np.sum(rows, axis=0))), 0.9, 0)

    assert bootstrap_of_sums(terms, SQNR.finish, 0.9, 0) == pytest.approx(plain, abs=0.25)
    assert plain[1] - plain[0] > 1


@pytest.mark.parametrize("count", [1, 7, 1999, 2000, 2001, 5003, 16_000])
@pytest.mark.parametrize("cut", [1, 3, 640, 9999])
def test_groups_do_not_depend_on_how_samples_come(count, cut):
    """As many in each, neighbours together, fewer than two thousand; what makes no group is less than one."""
    if cut == 1 and count > 2001:
        cut = 17
    terms = ones(np.arange(count, dtype=float))
    groups, whole = Groups(), Groups()
    for start in range(0, count, cut):
        groups.add(terms[start : start + cut])
    whole.add(terms)

    np.testing.assert_array_equal(groups.sums, whole.sums)
    (size,) = set(whole.sums[:, 1])
    assert size == next(2**n for n in range(9) if count // 2**n < 2000)
    assert len(whole.sums) == count // size
    np.testing.assert_array_equal(
        whole.sums[:, 0], terms[: int(len(whole.sums) * size), 0].reshape(-1, int(size)).sum(axis=1)
    )


def test_few_samples_leave_a_limit_open_that_many_settle():
    """The same noise: what 20 samples cannot say, 2000 can, and the message comes near to how many it takes."""
    limit = 19.4
    few, many = judged(*noisy(20, seed=3), limit), judged(*noisy(2000, seed=3), limit)

    assert few.status == "inconclusive"
    assert few.interval[0] < limit < few.interval[1]
    assert few.confidence == 0.95
    assert 20 < few.samples_needed < 2000
    assert many.status == "passed"
    assert many.interval[1] - many.interval[0] < (few.interval[1] - few.interval[0]) / 4


def test_a_higher_confidence_is_a_wider_interval():
    narrow, wide = (judged(*noisy(100), 10, confidence).interval for confidence in (0.8, 0.99))

    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_one_bad_sample_of_many_leaves_it_open():
    """Its share of the noise is that of all others together, and the next thousand samples may have none or three like it."""
    reference, candidate = noisy(1000)
    candidate[500] = reference[500] + 10

    found = judged(reference, candidate, 16.5)

    assert found.status == "inconclusive"
    assert found.worst_sample == 500


def test_nothing_is_the_noise_of_identical_runs():
    """No resample has any, so that the interval has no end but infinity."""
    reference, _ = noisy(50)

    found = judged(reference, reference, 60)

    assert (found.status, found.interval) == ("passed", (math.inf, math.inf))


def test_a_broken_number_has_no_interval():
    """It fails, at any limit."""
    reference, candidate = noisy(50)
    candidate[7, 0, 1] = np.nan

    found = judged(reference, candidate, -100)

    assert (found.status, found.interval) == ("failed", None)
    assert all(map(math.isnan, bootstrap_of_sums(SQNR.measure(reference, candidate), SQNR.finish, 0.9, 0)))
    assert all(map(math.isnan, bootstrap_of_sums(np.ones((1, 2)), SQNR.finish, 0.9, 0)))


def test_what_the_worst_sample_decides_has_none():
    """A resampled maximum is nearly always the same one."""
    reference, candidate = noisy(50)
    bound = Bound(stage="total", output="*", metric="max_abs", limit=9, unit="real", because="b")

    (found,) = compare(run(reference), run(candidate), [bound], stage="total").comparisons

    assert found.interval is found.confidence is None
    assert {
        each.metric for each in measure(run(reference), run(candidate)).measurements if each.groups is not None
    } == {"sqnr_db"}


def test_where_a_device_may_stop_early_the_value_of_a_set_is_judged():
    """Its interval would not hold for whoever looks again and again."""
    reference, candidate = noisy(20, seed=3)
    bound = Bound(stage="total", output="*", metric="sqnr_db", limit=19.4, because="b")

    (found,) = judge(measure(run(reference), run(candidate)), [bound], stage="total", over="until certain").comparisons

    assert found.interval is None
    assert found.status in ("passed", "failed")


def test_the_same_runs_have_the_same_interval():
    """A verdict that is made again is the same one."""
    first, second = judged(*noisy(50), 10), judged(*noisy(50), 10)

    assert first == second
    assert first.interval is not None


def test_a_stage_that_was_spared_samples_keeps_a_limit_by_its_value():
    """The total shows it of all samples; where the value misses, few samples are still no proof that it does."""
    measured = measure(*map(run, noisy(20, seed=3)))
    value = measured.measurement("y", "sqnr_db").values["db"]

    def judged(limit, over):
        bound = Bound(stage="total", output="*", metric="sqnr_db", limit=limit, because="b")
        return judge(measured, [bound], stage="total", over=over).comparisons[0]

    assert judged(value - 0.1, "all").status == "inconclusive"
    kept, open_, broken = (judged(value + off, "first") for off in (-0.1, 0.1, 30.0))
    assert (kept.status, kept.interval, kept.confidence, kept.samples_needed) == ("passed", None, None, None)
    assert (open_.status, broken.status) == ("inconclusive", "failed")
    assert open_.interval[0] < value < open_.interval[1] < broken.limit


def test_a_rate_of_a_stage_that_was_spared_samples_is_judged_by_its_interval():
    reference, _ = noisy(20, seed=3)
    bound = Bound(stage="total", output="*", metric="top1_agreement", limit=0.9, because="b")

    found = judge(measure(run(reference), run(reference)), [bound], stage="total", over="first").comparisons[0]

    assert (found.value, found.status) == (1.0, "inconclusive")
