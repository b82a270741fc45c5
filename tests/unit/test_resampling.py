"""Intervals of scores by resampling, against what they claim to cover."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest

from toolkit.compare.resampling import bootstrap, detectable_drop, paired_difference, pairs_needed


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


def test_pairs_needed_by_hand():
    """(1.959964 sqrt(0.1) + 0.841621 sqrt(0.1 - 0.0025))^2 / 0.0025 = 311.6."""
    assert pairs_needed(0.05, 0.1, 0.95, 0.8) == 312


def test_the_detectable_drop_is_the_least_that_so_many_samples_show():
    drop = detectable_drop(500, 0.1, 0.95, 0.8)

    assert pairs_needed(drop, 0.1, 0.95, 0.8) <= 500 < pairs_needed(drop * 0.99, 0.1, 0.95, 0.8)
    assert detectable_drop(10, 0.01, 0.95, 0.8) is None
