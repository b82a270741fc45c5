"""Intervals of scores by resampling, against what they claim to cover."""

from __future__ import annotations

import math
import random
from statistics import NormalDist, fmean

import numpy as np
import pytest

from toolkit.comparison.bootstrap import bootstrap, bootstrap_of_sums, paired_difference

pytestmark = pytest.mark.once


def test_the_interval_of_a_skewed_mean_covers_about_what_it_claims():
    """Of 60 exponential numbers each, 60 intervals of 90 %: 48 would be fewer than chance explains."""
    numbers = random.Random(3)  # noqa: S311 (no secret)
    ends = [bootstrap([numbers.expovariate(1) for _ in range(60)], fmean, 0.9, 0) for _ in range(60)]

    assert 0.8 < fmean(low <= 1 <= high for low, high in ends) < 1


def test_pairs_are_drawn_together():
    """What both have in common is not in the difference, however much it varies."""
    first = [float(100 * each) for each in range(40)]

    assert paired_difference(first, [each + 2 for each in first], fmean, 0.95, 0) == pytest.approx((2, 2))


def test_the_difference_is_second_less_first():
    low, high = paired_difference([1] * 50, [0, 1] * 25, fmean, 0.95, 0)

    assert -0.7 < low < -0.5 < high < -0.3


def test_the_same_seed_gives_the_same_interval():
    rows = [0.0, 1.0, 5.0, 2.0, 9.0]

    assert bootstrap(rows, fmean, 0.9, 7) == bootstrap(rows, fmean, 0.9, 7) != bootstrap(rows, fmean, 0.5, 7)


@pytest.mark.parametrize("rows", [[], [1.0], [1.0, math.nan, 2.0], [1.0, math.inf, 2.0]])
def test_no_score_is_no_interval(rows):
    assert all(math.isnan(end) for end in bootstrap(rows, lambda some: sum(some) / len(some), 0.9, 0))


def test_runs_of_different_samples_are_refused():
    with pytest.raises(ValueError, match="zip"):
        paired_difference([1, 2, 3], [1, 2], fmean, 0.9, 0)


SKEWED = [0.0, 0.1, 0.2, 0.2, 0.5, 0.7, 1.1, 2.3, 4.9, 12.0]


def draws_of(rows, score, seed):
    """The scores of the resamples, in order of size."""
    numbers = random.Random(seed)  # noqa: S311 (no secret)
    return np.sort([score(numbers.choices(rows, k=len(rows))) for _ in range(2000)])


def test_the_interval_is_that_of_another_implementation():
    """With scipy 1.17, method BCa, 200,000 resamples; the percentiles alone would give (0.60, 4.26)."""
    assert bootstrap(SKEWED, fmean, 0.9, 0) == pytest.approx((0.88, 5.27), rel=0.1)


def ends_of(draws, whole, without, confidence):
    """The interval by Efron and Tibshirani, An Introduction to the Bootstrap (1993), 14.9, 14.14 and 14.15; ties count half."""
    normal, draws, away = NormalDist(), np.sort(draws), np.mean(without) - without
    shift = normal.inv_cdf(np.mean((draws < whole) + 0.5 * (draws == whole)))
    skew = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    tilted = [shift + normal.inv_cdf(tail) for tail in ((1 - confidence) / 2, (1 + confidence) / 2)]
    return tuple(draws[min(int(2000 * normal.cdf(shift + z / (1 - skew * z))), 1999)] for z in tilted)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("rows", [SKEWED, [-each for each in SKEWED], [0.0, 0.0, 0.0, 1.0], [1.0, 3.0]])
def test_the_ends_are_those_of_the_formula(rows, confidence):
    without = np.array([fmean(rows[:left] + rows[left + 1 :]) for left in range(len(rows))])

    expected = ends_of(draws_of(rows, fmean, 0), fmean(rows), without, confidence)

    assert bootstrap(rows, fmean, confidence, 0) == expected


@pytest.mark.parametrize("confidence", [0.5, 0.99])
@pytest.mark.parametrize("count", [2, 40])
def test_the_ends_of_a_score_of_sums_are_those_of_the_formula(count, confidence):
    """A ratio of two sums, resample by resample, any of all samples in each."""
    terms = np.random.default_rng(2).exponential(size=(count, 2))
    numbers = np.random.default_rng(7)
    drawn = np.concatenate([numbers.integers(0, count, (100, count), dtype=np.int32) for _ in range(20)])

    def ratio(sums):
        return sums[..., 0] / sums[..., 1]

    without = np.array([ratio(np.delete(terms, left, axis=0).sum(axis=0)) for left in range(count)])
    expected = ends_of(ratio(terms[drawn].sum(axis=1)), ratio(terms.sum(axis=0)), without, confidence)

    assert bootstrap_of_sums(terms, ratio, confidence, 7) == pytest.approx(expected, rel=1e-12)


def test_where_leaving_one_out_changes_nothing_the_draws_alone_decide():
    """The largest of ten, of which two are the largest: no acceleration can be told."""
    rows = [float(each) for each in range(9)] + [8.0]

    assert bootstrap(rows, max, 0.9, 0) == bootstrap(rows, max, 0.9, 0)
    assert bootstrap(rows, max, 0.9, 0)[0] < 8
    assert bootstrap(rows, max, 0.9, 0)[1] == 8


def test_all_confidence_takes_the_outermost_draws():
    draws = draws_of(SKEWED, fmean, 0)

    assert bootstrap(SKEWED, fmean, 1 - 1e-15, 0) == (draws[0], draws[-1])


def test_pairs_are_drawn_by_the_seed():
    first, second = SKEWED, SKEWED[::-1]

    assert paired_difference(first, second, fmean, 0.9, 3) == paired_difference(first, second, fmean, 0.9, 3)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_score_beyond_all_of_its_draws_is_half_a_draw_from_the_end(sign):
    """Of twenty different rows no resample has all; leaving one out is the same whichever it is, so that nothing tilts."""
    rows, normal, confidence = list(range(20)), NormalDist(), 1 - 1e-7

    def different(some):
        return float(sign * len(set(some)))

    draws, shift = draws_of(rows, different, 0), -sign * normal.inv_cdf(0.5 / 2000)
    shares = [normal.cdf(2 * shift + normal.inv_cdf(tail)) for tail in ((1 - confidence) / 2, (1 + confidence) / 2)]

    assert bootstrap(rows, different, confidence, 0) == tuple(draws[min(int(2000 * each), 1999)] for each in shares)


def test_a_score_that_is_endless_without_one_sample_is_not_tilted():
    """All of the noise is in one sample: the score may be anything above what was seen, and no slope can be told."""
    terms, normal = np.array([[3.0, 1.0], *[[1.0, 0.0]] * 9]), NormalDist()
    numbers = np.random.default_rng(7)
    drawn = np.concatenate([numbers.integers(0, 10, (100, 10), dtype=np.int32) for _ in range(20)])

    def ratio(sums):
        with np.errstate(divide="ignore"):
            return sums[..., 0] / sums[..., 1]

    draws, whole = np.sort(ratio(terms[drawn].sum(axis=1))), 12.0
    shift = normal.inv_cdf(np.mean((draws < whole) + 0.5 * (draws == whole)))
    shares = [normal.cdf(2 * shift + normal.inv_cdf(tail)) for tail in (0.05, 0.95)]

    assert bootstrap_of_sums(terms, ratio, 0.9, 7) == pytest.approx([draws[int(2000 * each)] for each in shares])
