"""Metrics that somebody has to ask for: against textbooks' loops, with their parameters, and where formulas like theirs go wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from toolkit.comparison import metrics
from toolkit.errors import EdgeToolkitError


def values(text, reference, candidate):
    return metrics.load(text).measure(np.asarray(reference, np.float64), np.asarray(candidate, np.float64)).tolist()


def softmax(scores):
    masses = [math.exp(score) for score in scores]
    return [mass / math.fsum(masses) for mass in masses]


def deviations(values):
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def plainly(name, r, c):
    """The metric of one sample, in Python's own numbers, from the textbook."""
    noise = [y - x for x, y in zip(r, c, strict=True)]
    if name == "mean_abs":
        return math.fsum(map(abs, noise)) / len(noise)
    if name == "relative_l2":
        return math.hypot(*noise) / math.hypot(*r) if any(r) else math.inf if any(noise) else 0.0
    if name == "psnr_db:peak=255":
        mean = math.fsum(x * x for x in noise) / len(noise)
        return 10 * math.log10(255**2 / mean) if mean else math.inf
    if name == "kl:of=logits":
        return max(0.0, math.fsum(p * math.log(p / q) for p, q in zip(softmax(r), softmax(c), strict=True)))
    if name == "topk_agreement:k=3":
        order = sorted(range(len(c)), key=lambda index: (-c[index], index))
        return float(r.index(max(r)) in order[:3])
    if name == "decision_flips:threshold=0.5":
        return float(any((x >= 0.5) != (y >= 0.5) for x, y in zip(r, c, strict=True)))
    raise AssertionError(name)


NUMBERS = st.one_of(st.just(0.0), st.just(0.5), st.floats(0.01, 20), st.floats(-20, -0.01))
ROWS = arrays(np.float64, (3, 2, 6), elements=NUMBERS)


@pytest.mark.parametrize(
    "name",
    [
        "mean_abs",
        "relative_l2",
        "psnr_db:peak=255",
        "kl:of=logits",
        "topk_agreement:k=3",
        "decision_flips:threshold=0.5",
    ],
)
@given(pair=ROWS)
def test_values_are_those_of_another_implementation(name, pair):
    """One number at a time, summed exactly."""
    found = values(name, pair[:, :1], pair[:, 1:])

    for value, (reference, candidate) in zip(found, pair.tolist(), strict=True):
        assert value == pytest.approx(plainly(name, reference, candidate), rel=1e-9, abs=1e-9)


@given(pair=ROWS)
def test_correlation_is_that_of_another_implementation(pair):
    """Where neither is the same everywhere; else whether both are equal."""
    for value, (r, c) in zip(values("pearson", pair[:, :1], pair[:, 1:]), pair.tolist(), strict=True):
        if len(set(r)) == 1 or len(set(c)) == 1:
            assert value == float(r == c)
        else:
            ours, theirs = deviations(r), deviations(c)
            expected = (
                math.fsum(x * y for x, y in zip(ours, theirs, strict=True)) / math.hypot(*ours) / math.hypot(*theirs)
            )
            assert value == pytest.approx(expected, abs=1e-9)


def test_correlation_sees_neither_scale_nor_offset():
    """Which is why it never stands alone."""
    r = np.array([[1.0, 2.0, 4.0]])

    assert values("pearson", r, 3 * r + 7) == [pytest.approx(1.0)]
    assert values("pearson", r, -r) == [pytest.approx(-1.0)]
    assert values("pearson", np.ones((1, 3)), [[np.nan, 1, 1]]) == [pytest.approx(np.nan, nan_ok=True)]


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e30, 1e200])
def test_relative_errors_know_no_size(size):
    """Squares of neither huge nor tiny numbers may overflow or vanish."""
    r = np.array([[3.0, 4.0]])

    assert values("relative_l2", r * size, r * size * 1.1) == [pytest.approx(0.1)]
    assert values("pearson", r * size, (r + 1) * size) == [pytest.approx(1.0)]


def test_relative_error_of_silence():
    """No error is none, any error is infinite."""
    assert values("relative_l2", [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1e-300]]) == [0.0, math.inf]


def test_psnr_is_of_the_peak_that_is_said():
    """255 against 1 is 48 dB, for the same numbers; the textbook's example of an error of one step of 8 bits."""
    assert values("psnr_db:peak=255", [[0.0, 0.0]], [[1.0, -1.0]]) == [pytest.approx(48.1308, abs=1e-4)]
    assert values("psnr_db:peak=1", [[0.0, 0.0]], [[1.0, -1.0]]) == [pytest.approx(0.0)]
    assert values("psnr_db:peak=1", [[0.0]], [[1e300]]) == [pytest.approx(-6000.0)]
    assert values("psnr_db:peak=1", [[0.0]], [[math.inf]]) == [-math.inf]


def test_divergence_of_probabilities():
    """Rows that rounding left at another sum, impossible classes, and what are no probabilities."""
    half = [[[0.5, 0.5]]]

    assert values("kl:of=probabilities", half, [[[0.25, 0.75]]]) == [
        pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    ]
    assert values("kl:of=probabilities", half, [[[0.496, 0.496]]]) == [0.0]
    assert values("kl:of=probabilities", half, [[[1.0, 0.0]]]) == [math.inf]
    assert values("kl:of=probabilities", [[[1.0, 0.0]]], half) == [pytest.approx(math.log(2))]
    assert np.isnan(values("kl:of=probabilities", half, [[[-0.1, 1.1]]])).all()
    assert np.isnan(values("kl:of=probabilities", half, [[[0.0, 0.0]]])).all()
    assert np.isnan(values("kl:of=probabilities", [[[-1.0, 1.0]]], half)).all()


def test_rows_of_a_map_are_distributions_each_by_itself():
    """Of whatever size: sums that would overflow, beside sums that are next to nothing; and two samples of two rows."""
    p = [[[1e308, 1e308, 0.0], [1e-20, 2e-20, 1e-20]], [[0.25, 0.5, 0.25], [0.0, 1.0, 1.0]]]
    q = [[[0.5, 0.5, 0.0], [0.25, 0.5, 0.25]], [[1.0, 2.0, 1.0], [0.0, 3.0, 1.0]]]

    equal, apart = values("kl:of=probabilities", p, q)

    assert equal == pytest.approx(0.0, abs=1e-12)
    assert apart == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25))


def test_what_is_negative_is_no_probability_though_both_say_so():
    """Agreement on nonsense is none."""
    nonsense = [[[-0.1, 1.1]]]

    assert np.isnan(values("kl:of=probabilities", nonsense, nonsense)).all()


def test_an_error_past_any_number_is_infinite():
    """The difference of two numbers of the largest size overflows."""
    assert values("psnr_db:peak=1", [[-1.7e308]], [[1.7e308]]) == [-math.inf]


def test_constant_samples_have_no_shape():
    """In a set of others, each for itself: whatever their value is, nothing is left of it by rounding."""
    r = [[0.1] * 7, [1.0, 2, 3, 4, 5, 6, 8], [0.3] * 7, [-0.7] * 7]
    c = [[1.0, 2, 3, 4, 5, 6, 8], [0.1] * 7, [0.3] * 7, [0.7] * 7]

    assert values("pearson", r, c) == [0.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(("text", "shape"), [("kl:of=logits", (2,)), ("kl:of=logits", (1, 2)), ("pearson", (1, 2))])
def test_the_least_that_a_metric_is_of(text, shape):
    """Two classes, two elements."""
    assert metrics.load(text).applies(shape) is None


def test_divergence_is_that_of_the_worst_row():
    """Of a map of distributions, one bad place decides."""
    r = np.zeros((1, 2, 2, 3))
    c = r.copy()
    c[0, 1, 0] = [0.0, 0.0, 5.0]

    assert values("kl:of=logits", r, c) == values("kl:of=logits", r[:, 1, 0], c[:, 1, 0])
    assert values("kl:of=logits", r, c)[0] > 1


def test_equal_scores_count_in_the_order_of_classes():
    """As in an application that sorts them; with one class it is the agreement of argmax."""
    r, tied = [[[9.0, 0.0, 1.0]]], [[[3.0, 3.0, 3.0]]]
    last = [[[0.0, 0.0, 1.0]]]

    assert values("topk_agreement:k=1", r, tied) == [1.0]
    assert values("topk_agreement:k=2", last, tied) == [0.0]
    assert values("topk_agreement:k=1", r, last) == values("top1_agreement", r, last) == [0.0]


def test_a_value_at_the_threshold_is_above_it():
    """Both sides by the same rule; of many elements one decides."""
    assert values("decision_flips:threshold=0.5", [[0.5], [0.5]], [[0.6], [0.4999]]) == [0.0, 1.0]
    assert values("decision_flips:threshold=0.5", [[0.1, 0.9]], [[0.1, 0.2]]) == [1.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topk_agreement:k=0", "k 0; expected a whole number of at least 1"),
        ("topk_agreement:k=1.5", "k 1.5; expected a whole number"),
        ("topk_agreement:k=nan", "k nan"),
        ("topk_agreement:k=five", "k is 'five'; expected a number"),
        ("topk_agreement:n=5", "parameter of the metric topk_agreement 'n': unknown; .*k"),
        ("decision_flips", "threshold is missing; give it, as in decision_flips:threshold=0.5"),
        ("decision_flips:threshold=inf", "threshold inf; expected a number"),
        ("psnr_db:peak=-1", "peak -1; expected above 0"),
        ("psnr_db:peak=0", "peak 0; expected above 0"),
        ("psnr_db:peak=inf", "peak inf; expected above 0"),
        ("kl", "has to be given, as in kl:of=logits"),
        ("kl:of=scores", "of=scores"),
        ("rmse:k=5", "has no parameters; expected rmse alone"),
        ("topk_agrement:k=5", "did you mean 'topk_agreement'"),
    ],
)
def test_what_makes_no_sense_is_refused(text, message):
    """With what is expected."""
    with pytest.raises(EdgeToolkitError, match=message):
        metrics.load(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("topk_agreement", "topk_agreement"),
        ("topk_agreement:k=5", "topk_agreement"),
        ("topk_agreement:k=3.0", "topk_agreement:k=3"),
        ("decision_flips:threshold=0.50", "decision_flips:threshold=0.5"),
        ("rmse", "rmse"),
    ],
)
def test_a_metric_has_one_text(text, canonical):
    """By which a bound finds its measurement, and one release that of another."""
    assert metrics.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "shape"),
    [("topk_agreement", (1, 5)), ("topk_agreement", (2, 9)), ("pearson", (1,)), ("kl:of=logits", (1, 1))],
)
def test_shapes_that_a_metric_says_nothing_of(text, shape):
    """A reason, in place of a number that means nothing."""
    assert metrics.load(text).applies(shape)
    assert metrics.load("pearson").applies((1,)) == "one element varies with nothing"
