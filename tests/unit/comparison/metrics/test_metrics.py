"""Each metric against another way to compute it, and on the cases where formulas like it go wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from toolkit.comparison import metrics


def values(name, reference, candidate):
    metric = metrics.load(name)
    found = metric.measure(np.asarray(reference, np.float64), np.asarray(candidate, np.float64))
    return (metric.finish(found) if metric.OVER == "set" else found).tolist()


def plainly(name, r, c):
    """The metric of one sample, in Python's own numbers, from the textbook."""
    noise = [y - x for x, y in zip(r, c, strict=True)]
    power, noise_power = math.fsum(x * x for x in r), math.fsum(d * d for d in noise)
    decibels = math.inf if noise_power == 0 else -math.inf if power == 0 else 10 * math.log10(power / noise_power)
    lengths = math.hypot(*r) * math.hypot(*c)
    return {
        "max_abs": max(map(abs, noise)),
        "rmse": math.sqrt(noise_power / len(r)),
        "snr_db": decibels,
        "sqnr_db": decibels,
        "cosine": math.fsum(x * y for x, y in zip(r, c, strict=True)) / lengths if lengths else float(r == c),
        "top1_agreement": float(r.index(max(r)) == c.index(max(c))),
    }[name]


NUMBERS = st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.floats(-1e6, -1e-6))
ROWS = arrays(np.float64, (3, 2, 4), elements=NUMBERS)


@pytest.mark.parametrize("name", ["max_abs", "rmse", "snr_db", "sqnr_db", "cosine", "top1_agreement"])
@given(pair=ROWS)
def test_values_are_those_of_another_implementation(name, pair):
    """The textbook's formula, summed exactly, one number at a time."""
    found = values(name, pair[:, :1], pair[:, 1:])

    for value, (reference, candidate) in zip(found, pair.tolist(), strict=True):
        assert value == pytest.approx(plainly(name, reference, candidate), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["snr_db", "sqnr_db"])
@pytest.mark.parametrize(
    ("reference", "candidate", "decibels"),
    [
        ([10.0], [9.0], 20.0),
        ([1.0, 1.0], [0.0, 0.0], 0.0),
        ([3.0, 4.0], [3.0, 4.0], math.inf),
        ([0.0, 0.0], [0.0, 0.0], math.inf),
        ([0.0, 0.0], [1e-9, 0.0], -math.inf),
        ([1.0, 2.0], [-1.0, -2.0], 10 * math.log10(0.25)),
    ],
)
def test_noise_is_measured_in_decibels(name, reference, candidate, decibels):
    """Not as a bare ratio, and not against an epsilon that is a ceiling on perfection."""
    assert values(name, [reference], [candidate]) == [pytest.approx(decibels)]


def test_snr_is_of_each_sample_and_sqnr_of_all_together():
    """A quiet sample that is all noise is the worst of the one, and next to nothing in the other."""
    reference, candidate = np.array([[100.0], [0.1]]), np.array([[99.0], [0.2]])
    pooled = metrics.load("sqnr_db")

    assert values("snr_db", reference, candidate) == pytest.approx([40.0, 0.0])
    assert pooled.finish(pooled.measure(reference, candidate).sum(axis=0)) == pytest.approx(
        10 * math.log10(10000.01 / 1.01)
    )


@pytest.mark.parametrize(
    ("reference", "candidate", "similarity"),
    [
        ([1, 0], [0, 1], 0),
        ([1, 2], [-1, -2], -1),
        ([1, 2], [1e-200, 2e-200], 1),
        ([1e200, 2e200], [1e200, 2e200], 1),
        ([0, 0], [0, 0], 1),
        ([0, 0], [1, 0], 0),
        ([1, 0], [0, 0], 0),
    ],
)
def test_cosine_is_guarded(reference, candidate, similarity):
    """Zero vectors, and squares that would overflow or vanish."""
    assert values("cosine", [reference], [candidate]) == [pytest.approx(similarity, abs=1e-15)]


def test_cosine_of_one_element_is_refused():
    """It would be 1 or -1, and look like a measurement."""
    assert metrics.load("cosine").applies((1, 1)) == "one element has no direction, only a sign"


@pytest.mark.parametrize(
    ("reference", "candidate", "agrees"),
    [
        ([1, 3, 2], [0, 9, 8], 1),
        ([1, 3, 2], [3, 1, 2], 0),
        ([5, 5, 1], [5, 4, 1], 1),
        ([5, 5, 1], [4, 5, 1], 0),
        ([0, 0, 0], [0, 0, 0], 1),
        ([1, 2, 3], [0, 0, 0], 0),
        ([1, np.nan, 2], [1, np.nan, 2], np.nan),
    ],
)
def test_top1_is_the_decision_of_an_application(reference, candidate, agrees):
    """argmax: the first of equal scores; and NaN, which argmax takes for the largest, is no decision."""
    np.testing.assert_array_equal(values("top1_agreement", [[reference]], [[candidate]]), [agrees])


@pytest.mark.parametrize("shape", [(), (10,), (1, 1), (2, 10), (1, 8, 8, 10)])
def test_top1_is_for_rows_of_class_scores(shape):
    """The argmax of an image or of one number is no decision."""
    reason = metrics.load("top1_agreement").applies(shape)

    assert reason == f"shape {shape} is not that of class scores, (1, C) with C >= 2"


def test_rounding_alone_gives_the_known_error():
    """A step over the square root of twelve, which shows that units are those of the output."""
    reference = np.linspace(-100, 100, 200_001).reshape(1, -1)
    candidate = np.round(reference / 0.5) * 0.5

    assert values("rmse", reference, candidate) == [pytest.approx(0.5 / math.sqrt(12), rel=1e-4)]
    assert values("max_abs", reference, candidate) == [pytest.approx(0.25, rel=1e-2)]


@pytest.mark.parametrize("name", ["cosine", "top1_agreement"])
def test_two_elements_are_enough_and_one_is_not(name):
    """A direction has two coordinates, a decision two classes."""
    metric = metrics.load(name)

    assert metric.applies((1, 2)) is None
    assert metric.applies((1, 1)) is not None
