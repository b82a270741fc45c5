"""What is said before all samples have come: how often it is wrong, by drawing thousands of runs."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from toolkit.comparison.confidence_sequence import confidence_sequence
from toolkit.comparison.intervals import clopper_pearson

pytestmark = pytest.mark.once

RUNS, BLOCKS, BLOCK = 3000, 100, 10


def answer_of(hits, samples, limit, better):
    """Return what a verdict would say by the interval of one look: the limit lies outside of it, or nothing is certain."""
    low, high = confidence_sequence(hits, samples, 0.9)
    passed, failed = (low >= limit, high < limit) if better == "higher" else (high <= limit, low > limit)
    return "passed" if passed else "failed" if failed else None


def said(rate, limit, better):
    """Return the shares of runs that pass and fail at 0.9 confidence at any of the looks, one after each block."""
    hits = np.random.default_rng(5).binomial(BLOCK, rate, (RUNS, BLOCKS)).cumsum(axis=1)
    known, found = {}, []
    for run in hits:
        answer = None
        for block, count in enumerate(run.tolist()):
            seen = (count, (block + 1) * BLOCK)
            if seen not in known:
                known[seen] = answer_of(*seen, limit, better)
            answer = known[seen]
            if answer is not None:
                break
        found.append(answer)
    return found.count("passed") / RUNS, found.count("failed") / RUNS


@pytest.mark.parametrize(("limit", "better"), [(0.9, "higher"), (0.1, "lower"), (0.5, "higher")])
def test_a_rate_that_misses_its_limit_passes_no_oftener_than_said(limit, better):
    """The worst case: it misses by next to nothing, and is looked at a hundred times."""
    step = 1e-6 if better == "lower" else -1e-6

    assert said(limit + step, limit, better)[0] <= 0.1


@pytest.mark.parametrize(("limit", "better"), [(0.9, "higher"), (0.1, "lower"), (0.5, "higher")])
def test_a_rate_that_keeps_its_limit_fails_no_oftener_than_said(limit, better):
    assert said(limit, limit, better)[1] <= 0.1


def test_far_from_the_limit_nearly_all_are_certain():
    """Never to answer would make no error either."""
    assert said(0.98, 0.9, "higher")[0] > 0.99
    assert said(0.75, 0.9, "higher")[1] > 0.99


@pytest.mark.parametrize(("hits", "samples"), [(0, 40), (40, 40), (13, 40), (999, 1000)])
def test_an_interval_holds_what_was_seen_and_is_wider_than_that_of_one_look(hits, samples):
    """Whoever may look at any time pays for it."""
    low, high = confidence_sequence(hits, samples, 0.95)
    alone = clopper_pearson(hits, samples, 0.95)

    assert 0 <= low <= alone[0] <= hits / samples <= alone[1] <= high <= 1


@pytest.mark.parametrize("confidence", [0.5, 0.95])
@pytest.mark.parametrize(("hits", "samples"), [(0, 7), (7, 7), (1, 2), (13, 40), (39, 40)])
def test_at_each_end_the_mixture_is_so_many_times_as_likely_as_the_rate(hits, samples, confidence):
    """What defines it, in fractions: the likelihood over a uniform prior is 1 / (1 - confidence) times that of the rate."""
    misses = samples - hits
    mixture = Fraction(math.factorial(hits) * math.factorial(misses), math.factorial(samples + 1))

    low, high = confidence_sequence(hits, samples, confidence)

    for end, nothing in ((low, not hits), (high, not misses)):
        rate = Fraction(end)
        if nothing:
            assert end == (0 if end is low else 1)
        else:
            assert float(mixture / (rate**hits * (1 - rate) ** misses)) == pytest.approx(1 / (1 - confidence), rel=1e-9)


def test_before_the_first_sample_any_rate_is_possible():
    assert confidence_sequence(0, 0, 0.95) == (0, 1)
