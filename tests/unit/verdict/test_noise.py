"""How far runs are apart, as one number."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tests.unit.verdict.judged_chains import SCORES, Held, bound
from toolkit.comparison import compare
from toolkit.verdict.noise import decibels, noise_share, off_by, own_noise


def test_the_noise_of_an_output_is_the_most_of_its_kinds():
    assert own_noise({"repeat": {"a": 0.1, "b": 3}, "batch": {"a": 0.2}}) == {"a": 0.2, "b": 3.0}


def test_shares_of_noise_in_decibels():
    """Of signal to noise; none is no number of them."""
    assert decibels(0.0) is None
    assert decibels(0.001) == pytest.approx(30)
    assert decibels(math.inf) == decibels(math.nan) == -math.inf


def test_what_cannot_be_told_moved_the_outputs_most():
    """A NaN, or an output that cannot be compared; noise as large as a hundredth of the signal's power is 20 dB."""
    original, noisy, broken = Held("a", SCORES), Held("b", SCORES * np.float32(1.1)), Held("c", SCORES * np.nan)
    measured = compare.measure(original.read(), noisy.read())
    centred = (SCORES - SCORES.mean(axis=0)).astype(np.float64)

    assert noise_share(measured) == pytest.approx(0.01 * np.square(SCORES).sum() / np.square(centred).sum(), rel=1e-4)
    assert noise_share(dataclasses.replace(measured, mismatches={"more": "missing"})) == math.inf
    assert noise_share(compare.measure(original.read(), broken.read())) == math.inf


def test_how_far_two_runs_are_apart_grows_with_what_is_worse():
    """By an error or by a likeness; NaN and what cannot be compared are worst, what is well built is not apart at all."""
    held = {"near": SCORES + np.float32(0.01), "far": SCORES[..., ::-1], "broken": SCORES * np.nan}
    measured = {
        name: compare.measure(Held("a", SCORES).read(), Held(name, scores).read(), {"max_abs", "cosine"})
        for name, scores in held.items()
    }
    bounds = [bound("total", "max_abs", 1e-9, "real"), bound("total", "cosine", 1)]
    failed = {each.metric: each for each in compare.judge(measured["far"], bounds, stage="total").comparisons}

    for metric in ("max_abs", "cosine"):
        near, far, broken = (off_by(each, failed[metric]) for each in measured.values())
        assert near < far < broken == math.inf
    assert off_by(measured["near"], failed["max_abs"]) == pytest.approx(0.01, rel=1e-4)
    missing = dataclasses.replace(measured["near"], mismatches={"scores": "missing"})
    assert off_by(missing, failed["max_abs"]) == math.inf
    structure = dataclasses.replace(failed["max_abs"], metric=compare.STRUCTURE)
    assert off_by(measured["near"], structure) == -math.inf


@pytest.mark.parametrize(("noise", "shown"), [(0.0, None), (0.01, 20.0), (math.inf, -math.inf), (1.0, 0.0)])
def test_noise_is_told_in_decibels(noise, shown):
    assert decibels(noise) == (shown if shown is None else pytest.approx(shown))
