"""Limits in multiples of a network's own noise: the absolute one beside it holds where it allows more, and nothing excuses itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.comparison import compare
from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Context
from toolkit.pipeline import float_noise
from toolkit.tensors.signature import Signature, TensorSpec
from toolkit.verdict.noise import own_noise
from toolkit.wire import subset
from toolkit.wire.shards import ShardWriter, read_samples

BOUND = Bound(
    stage="conversion", output="*", metric="max_abs", limit=8, unit="noise", unless=1e-4, unless_unit="range", because="a"
)  # fmt: skip
ABSOLUTE = Bound(stage="conversion", output="*", metric="max_abs", limit=1e-4, unit="range", because="a")
RIGHT = np.linspace(0, 1, 40).reshape(20, 1, 2)  # of a range of 1
SIGNATURE = Signature("", (), (TensorSpec("a", "float64", (1, 2)),))


@dataclass
class Held:
    """A run in memory."""

    values: np.ndarray

    def read(self, count=None):
        """Return it for comparing."""
        return compare.RunOutputs("run", SIGNATURE, [{"a": self.values[:count]}])


def judged(off, noise, bound=BOUND):
    measured = compare.measure(Held(RIGHT).read(), Held(RIGHT + off).read())
    (found,) = compare.judge(measured, [bound], stage="conversion", context=Context(noise=noise or {})).comparisons
    return found


@pytest.mark.parametrize(
    ("off", "noise", "unit", "limit", "status"),
    [
        (5e-5, 1e-9, "range", 1e-4, "passed"),  # as ever
        (5e-5, 0.0, "range", 1e-4, "passed"),
        (2e-4, 1e-9, "range", 1e-4, "failed"),  # a network that hardly wanders
        (2e-4, 0.0, "range", 1e-4, "failed"),
        (2e-4, 1e-4, "noise", 8, "passed"),  # a deep one
        (5e-5, 1e-4, "noise", 8, "passed"),
        (1e-2, 1e-4, "noise", 8, "failed"),
        (2e-4, math.nan, "range", 1e-4, "failed"),
        (2e-4, math.inf, "range", 1e-4, "failed"),
        (math.nan, 1e-4, "range", 1e-4, "failed"),
        (0.0, 0.0, "range", 1e-4, "passed"),
    ],
)
def test_whichever_allows_more_is_in_force_and_said(off, noise, unit, limit, status):
    found = judged(off, {"a": noise})

    assert (found.unit, found.limit, found.status) == (unit, limit, status)


@pytest.mark.parametrize("noise", [math.inf, math.nan])
def test_noise_that_is_no_number_excuses_nothing(noise):
    """Whatever an artifact gives is a vanishing share of infinite noise; and which of two kinds was NaN must not depend on their order."""
    alone = Bound(stage="conversion", output="*", metric="max_abs", unit="noise", limit=8, because="test")

    assert judged(2e-4, {"a": noise}, alone).status == "failed"
    for kinds in ([0.1, noise], [noise, 0.1]):
        assert math.isnan(own_noise({str(place): {"a": kind} for place, kind in enumerate(kinds)})["a"])


@pytest.mark.parametrize("noise", [None, {}, {"other": 1.0}])
def test_without_noise_the_absolute_limit_holds(noise):
    """It would not do to judge nothing."""
    assert judged(2e-4, noise).status == "failed"
    assert judged(2e-4, noise).unit == "range"


def test_noise_is_measured_where_a_limit_in_it_is_missed():
    """And nowhere else: it takes two runs."""

    def asked(off, bound):
        measured = compare.measure(Held(RIGHT).read(), Held(RIGHT + off).read())
        judgement = compare.judge(measured, [bound], stage="conversion", context=Context(noise={"a": 0.0}))
        return float_noise.is_asked(SimpleNamespace(comparisons=judgement.comparisons), (bound,))

    assert asked(2e-4, BOUND)
    assert not asked(5e-5, BOUND)
    assert not asked(2e-4, ABSOLUTE)


@pytest.mark.parametrize(
    ("original", "other", "counts"),
    [
        (0.0, 3e-4, 3e-4),  # a deep network: the other kernels are as far from the original as from these
        (1e-2, 1e-6, 1e-6),  # a wrong file: all kernels agree on it
        (-1e-2, -1e-2 + 1e-6, 1e-6),  # wrong kernels: the other ones agree with the original
    ],
)
def test_nothing_that_is_wrong_excuses_itself(original, other, counts):
    """What two sets of kernels differ by is noise as far as the other one is from the original, too."""
    found = float_noise.between_kernels(Held(RIGHT + original), Held(RIGHT), Held(RIGHT + other))

    assert found["a"] == pytest.approx(counts, rel=1e-3)


def test_inputs_are_moved_by_their_last_bit_and_nothing_else(tmp_path):
    """Up and down in turn; NaN, infinity and integers stay."""
    sample = {
        "x": np.array([[1.0, 1.0, 0.0, np.nan, np.inf]], np.float32),
        "half": np.array([[2.0]], np.float16),
        "ids": np.array([[3]], np.int32),
    }
    with ShardWriter(tmp_path / "samples") as writer:
        writer.add(sample)

    made = subset.nudged(SimpleNamespace(inputs={"samples": tmp_path / "samples"}, out=tmp_path / "out"))

    (moved,) = read_samples(tmp_path / "out" / "samples")
    assert made == {"count": 1}
    np.testing.assert_array_equal(moved["ids"], sample["ids"])
    assert moved["x"][0, 0] == np.float32(1) + np.finfo(np.float32).eps
    assert 0 < 1 - moved["x"][0, 1] < np.finfo(np.float32).eps
    assert 0 < moved["x"][0, 2] < 1e-40
    assert np.isnan(moved["x"][0, 3])
    assert moved["x"][0, 4] == np.inf
    assert moved["half"].dtype == np.float16
    assert moved["half"][0, 0] > 2
