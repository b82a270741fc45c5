"""Exact intervals of a rate, against the binomial distribution itself."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from toolkit.comparison import intervals
from toolkit.comparison.intervals import _fraction, clopper_pearson, median_interval, samples_by_width, samples_needed


def at_least(hits, samples, rate):
    """The probability of so many hits or more, exactly, as a fraction."""
    rate = Fraction(rate)
    terms = (math.comb(samples, k) * rate**k * (1 - rate) ** (samples - k) for k in range(hits, samples + 1))
    return sum(terms, Fraction(0))


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(
    ("hits", "samples"), [(1, 2), (0, 5), (5, 5), (3, 10), (40, 41), (124, 128), (126, 128), (64, 128)]
)
def test_each_end_leaves_its_tail_exactly(hits, samples, confidence):
    """What defines it: at the low end so many hits or more are as unlikely as the tail, at the high end so many or fewer."""
    low, high = clopper_pearson(hits, samples, confidence)

    tail = (1 - confidence) / 2
    assert (low == 0) == (hits == 0)
    assert (high == 1) == (hits == samples)
    if hits > 0:
        assert float(at_least(hits, samples, low)) == pytest.approx(tail, rel=1e-9)
    if hits < samples:
        assert float(1 - at_least(hits + 1, samples, high)) == pytest.approx(tail, rel=1e-9)


@pytest.mark.parametrize(("hits", "samples"), [(49_700, 50_000), (25_000, 50_000), (1, 50_000), (999_999, 1_000_000)])
def test_large_counts_keep_their_precision(hits, samples):
    """Where sums of fractions would take for ever: the logarithm of each term, summed around the largest."""
    low, _ = clopper_pearson(hits, samples, 0.95)

    k = np.arange(hits, min(samples, hits + 5000) + 1)
    factorials = np.cumsum(np.log(np.arange(1, samples + 1)))
    log_factorial = np.concatenate([[0.0], factorials])
    terms = log_factorial[samples] - log_factorial[k] - log_factorial[samples - k]
    terms += k * math.log(low) + (samples - k) * math.log1p(-low)
    assert np.exp(terms).sum() == pytest.approx(0.025, rel=1e-6)


def test_published_values():
    """The rule of three, and the table of an example in R's binom.test (682 of 925)."""
    assert clopper_pearson(0, 100, 0.95)[1] == pytest.approx(0.03621669264517642, abs=1e-12)
    assert clopper_pearson(682, 925, 0.95) == pytest.approx((0.7076683, 0.7654066), abs=1e-6)


def test_the_interval_covers_what_it_claims():
    """Over all that can be counted, at any true rate: at least 95 of 100 intervals hold it (exactly, not by drawing)."""
    samples = 30
    intervals = [clopper_pearson(hits, samples, 0.95) for hits in range(samples + 1)]
    for rate in np.linspace(0.005, 0.995, 100):
        chances = [math.comb(samples, k) * rate**k * (1 - rate) ** (samples - k) for k in range(samples + 1)]

        covered = sum(chance for chance, (low, high) in zip(chances, intervals, strict=True) if low <= rate <= high)

        assert covered >= 0.95


@pytest.mark.parametrize(
    ("rate", "limit", "expected"),
    [
        (1.0, 0.9, 36),
        (1.0, 0.98, 183),
        (0.95, 0.9, 142),
        (0.994, 0.98, 382),
        (0.8, 0.9, 50),
        (0.0, 0.9, 2),
        (1.0, 0.01, 1),
    ],
)
def test_the_number_of_samples_that_settles_it(rate, limit, expected):
    """At the rate that was seen, the limit lies outside the interval from there on, and inside just before."""
    assert samples_needed(rate, limit, 0.95) == expected
    for samples, settled in ((expected, True), (expected - 1, False), (3 * expected, True)):
        low, high = clopper_pearson(rate * samples, samples, 0.95)
        assert (not low < limit <= high) == settled


@pytest.mark.parametrize("rate", [0.9, 0.9001])
def test_no_number_of_samples_settles_a_rate_at_the_limit(rate):
    """Better to say so than to name ten million."""
    assert samples_needed(rate, 0.9, 0.95) is None


def test_more_confidence_needs_more_samples():
    """The confidence is the profile's, not ours."""
    assert samples_needed(1.0, 0.9, 0.99) > samples_needed(1.0, 0.9, 0.95)


def test_a_fraction_that_does_not_converge_is_an_error():
    """Rather than a number that is nearly one; no count of samples that fits a machine comes there."""
    with pytest.raises(ArithmeticError, match=r"^incomplete beta function of 0\.5, .*: does not converge$"):
        _fraction(0.5, 1e13, 1e13)


@pytest.mark.parametrize(
    ("value", "interval", "limit", "samples", "expected"),
    [
        (0.25, (0.2, 0.5), 0.375, 100, 400),  # below the limit: the upper end is twice as far as the limit
        (0.5, (0.125, 0.6), 0.375, 100, 900),  # above it: the lower end is three times as far
        (0.25, (0.2, 0.5), 0.375, 101, 404),
        (0.3, (0.2, 0.31), 0.4, 7, 1),
        (0.4, (0.3, 0.5), 0.4, 100, None),
        (0.3, (0.2, math.inf), 0.4, 100, None),
        (0.5, (-math.inf, 0.6), 0.4, 100, None),
    ],
)
def test_an_interval_halves_with_four_times_the_samples(value, interval, limit, samples, expected):
    assert samples_by_width(value, interval, limit, samples) == expected


@pytest.mark.parametrize(
    ("hits", "samples", "rate"), [(3, 3, 0.02), (1, 10, 0.1), (0, 4, 0.5), (5, 4, 0.5), (2, 5, 0.0), (2, 5, 1.0)]
)
def test_tails_are_exact(hits, samples, rate):
    """Of the binomial distribution, and of Poisson's by its mean."""
    mean = samples * rate
    fewer = sum(math.exp(-mean) * mean**count / math.factorial(count) for count in range(hits))

    assert intervals.at_least(hits, samples, rate) == pytest.approx(float(at_least(hits, samples, rate)), abs=1e-12)
    assert intervals.poisson_at_least(hits, mean) == pytest.approx(1 - fewer, abs=1e-12)


@pytest.mark.parametrize(
    ("count", "low", "high", "confidence"),
    [
        (6, 1, 6, 0.96875),  # 1 - 2 / 64
        (9, 2, 8, 0.9609375),  # 1 - 2 (1 + 9) / 512
        (35, 12, 24, 0.9590),  # tables: Hettmansperger and McKean; 1 - 2 B(11; 35, 1/2)
        (100, 40, 61, 0.9648),  # David and Nagaraja, 7.1
    ],
)
def test_the_interval_of_a_median_is_that_of_the_tables(count, low, high, confidence):
    """Values 1 to n: the ends are the places."""
    found = median_interval(list(range(count, 0, -1)), 0.95)

    assert found[:2] == (low, high)
    assert found.confidence == pytest.approx(confidence, abs=1e-4)


def test_too_few_values_have_no_interval_of_their_median():
    """Five enclose it with 93.75 %; none, one and a NaN enclose nothing."""
    assert median_interval([1, 2, 3, 4, 5], 0.95) is None
    assert median_interval([1, 2, 3, 4, 5], 0.93)[:2] == (1, 5)
    assert median_interval([], 0.5) is None
    assert median_interval([1.0], 0.5) is None
    assert median_interval([1, 2, 3, 4, 5, 6, math.nan], 0.9) is None


def test_the_interval_holds_the_median_as_often_as_it_says():
    """Of a distribution with a long tail, as times have."""
    drawn = np.random.default_rng(0).exponential(size=(4000, 6))

    held = [low <= math.log(2) <= high for low, high, _ in (median_interval(row.tolist(), 0.95) for row in drawn)]

    assert np.mean(held) == pytest.approx(0.96875, abs=0.01)
