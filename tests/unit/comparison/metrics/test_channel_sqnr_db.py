"""The worst channel: against a loop over channels, which of them count, and how far one is behind another artifact's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit.comparison import metrics
from toolkit.errors import EdgeToolkitError

ALL = "channel_sqnr_db:floor=0,samples=0"
USUAL = "channel_sqnr_db:floor=0.1,samples=10"
COUNT = 60


def tally(text, reference, candidate, parts=()):
    """Return what a metric holds of two arrays, (n, *shape), that are centred as `measure` centres them."""
    centre = reference.reshape(-1, reference.shape[-1]).mean(axis=0)
    metric = metrics.load(text)
    found = metric.tally(reference.shape[1:], parts=parts) if parts else metric.tally(reference.shape[1:])
    found.add(0, reference - centre, candidate - centre)
    return found


def values(spreads, seed=0, count=COUNT):
    """Return (count, 1, len(spreads)) around 290, each channel as wide as its spread."""
    return np.random.default_rng(seed).normal(size=(count, 1, len(spreads))) * spreads + 290


def test_it_is_that_of_each_channel_by_itself():
    """From the textbook, channel by channel."""
    reference = values([1, 10, 100])
    candidate = reference + values([0.1, 0.1, 30], seed=1) - 290
    by_hand = [
        10 * math.log10(np.square(r - r.mean()).sum() / np.square(c - r).sum())
        for r, c in zip(reference.T.reshape(3, -1), candidate.T.reshape(3, -1), strict=True)
    ]

    found = tally(ALL, reference, candidate)

    np.testing.assert_allclose(found.by_channel(), by_hand, rtol=1e-9)
    assert found.value() == pytest.approx(min(by_hand))
    assert found.detail == "channel 2 of 3"


def test_positions_of_a_channel_are_taken_together():
    """An image has a channel for each colour, and not one for each pixel."""
    reference = np.random.default_rng(0).normal(size=(20, 1, 4, 4, 3))
    candidate = reference.copy()
    candidate[..., 1] += 0.1 * np.random.default_rng(1).normal(size=(20, 1, 4, 4))

    found = tally(ALL, reference, candidate)

    assert found.detail == "channel 1 of 3"
    assert found.value() == pytest.approx(20, abs=1)


def test_a_quiet_channel_counts_from_a_share_of_the_loudest_on():
    """A tenth of the spread, which is a hundredth of the power; what is quieter is left out."""
    reference = values([100, 14, 7])
    candidate = reference + values([0.1, 20, 40], seed=1) - 290

    found = tally(USUAL, reference, candidate)

    loud = [np.std(reference[..., place]) for place in range(3)]
    assert loud[1] > 0.1 * loud[0] > loud[2]
    assert found.detail == "channel 1 of 3"


def test_parts_of_a_concatenation_have_a_floor_of_their_own():
    """Scores beside boxes vanish under any other."""
    reference = values([100, 90, 0.5])
    candidate = reference + values([0.1, 0.1, 1], seed=1) - 290

    whole, apart = tally(USUAL, reference, candidate), tally(USUAL, reference, candidate, parts=(2, 1))

    assert whole.value() > 40
    assert apart.value() < 0
    assert apart.detail == "channel 2 of 3"


def test_a_channel_that_few_samples_carry_is_left_out():
    """One sample of sixty says nothing of the others."""
    reference = values([1, 1])
    reference[:, 0, 1] = 0
    reference[7, 0, 1] = 1000
    candidate = reference + values([0.01, 100], seed=1) - 290

    assert tally(USUAL, reference, candidate).detail == "none of 2 channels varies enough to be judged"
    assert tally(USUAL, reference, candidate).value() == math.inf
    assert tally(ALL, reference, candidate).detail == "channel 1 of 2"


def test_the_worst_sample_is_that_of_the_worst_channel():
    """Whoever looks at it sees what is wrong."""
    reference = values([1, 1])
    candidate = reference.copy()
    candidate[9, 0, 0] += 0.5
    candidate[31, 0, 1] += 3

    assert tally(USUAL, reference, candidate).worst_sample == 31
    assert tally(USUAL, reference, reference.copy()).worst_sample is None


@pytest.mark.parametrize("side", [0, 1])
def test_nan_in_a_channel_that_does_not_count_is_nan(side):
    """Nothing is left out with it."""
    pair = [values([100, 1]), values([100, 1])]
    pair[side][5, 0, 1] = np.nan

    assert math.isnan(tally(USUAL, *pair).value())


def test_the_channel_that_is_furthest_behind_is_named():
    """Of those below what keeps the bound; the others are as good as they need to be."""
    reference = values([1, 1, 1])
    own = tally(USUAL, reference, reference + values([0.05, 0.001, 0.2], seed=1) - 290)
    theirs = tally(USUAL, reference, reference + values([0.05, 0.1, 0.6], seed=2) - 290)

    behind, where, _ = theirs.behind(own, 15)

    assert behind == pytest.approx(20 * math.log10(3), abs=1)
    assert where.startswith("channel 2 of 3: ")
    assert theirs.behind(own, 3)[0] == 0
    assert theirs.behind(own, 30)[0] == pytest.approx(40, abs=1)


def test_what_is_better_than_own_is_not_behind():
    reference = values([1])
    own, theirs = (tally(USUAL, reference, reference + values([noise], seed=1) - 290) for noise in (0.9, 0.5))

    assert theirs.behind(own, 15)[0] == 0


def test_another_number_of_channels_is_behind_by_what_nobody_knows():
    """NaN meets no limit."""
    own, theirs = tally(ALL, values([1, 1]), values([1, 1])), tally(ALL, values([1]), values([1]))

    assert math.isnan(theirs.behind(own, 15)[0])


@pytest.mark.parametrize(
    "text", ["floor=1.5,samples=1", "floor=-0.1,samples=1", "floor=0.1,samples=-1", "floor=0,samples=0,most=0"]
)
def test_parameters_that_make_no_sense_are_refused(text):
    with pytest.raises(EdgeToolkitError, match="expected"):
        metrics.load(f"channel_sqnr_db:{text}")


def test_outputs_of_more_channels_than_somebody_reads_are_left_out():
    """By the parameter; without it there is no most."""
    few = metrics.load("channel_sqnr_db:floor=0,samples=10,most=16")

    assert few.applies((1, 16)) is None
    assert few.applies((1, 17)) == "17 channels are more than 16: none is read by itself"
    assert metrics.load(ALL).applies((1, 4000)) is None


# ---- a single sample that stands out


def outlier(errors, text="outlier_error:times=10,quantile=0.95"):
    reference = np.zeros((len(errors), 1, 2))
    candidate = reference.copy()
    candidate[:, 0, 1] = errors
    found = metrics.load(text).tally((1, 2))
    found.add(0, reference, candidate)
    return found


def test_one_sample_that_is_off_by_much_more_than_the_rest_stands_out():
    found = outlier([0.1] * 99 + [5])

    assert (found.value(), found.worst_sample) == (5, 99)
    assert found.detail == "95% of the samples have 0.1 or less"


def test_errors_that_are_large_everywhere_are_no_outliers():
    """A steep function has them."""
    assert outlier([4, 5, 3] * 40).value() == 0
    assert outlier([0.1] * 90 + [0.5] * 9 + [5]).value() == 0  # ten times the 95 % quantile is not exceeded


def test_an_outlier_is_behind_own_by_the_ratio_of_both():
    theirs, own = outlier([0.1] * 99 + [5]), outlier([0.1] * 50 + [2] * 50)

    assert theirs.behind(own, 0)[0] == 2.5
    assert outlier([0.0] * 99 + [5]).behind(outlier([0.0] * 100), 0)[0] == math.inf


@pytest.mark.parametrize("text", ["times=0.5,quantile=0.5", "times=10,quantile=1", "times=10,quantile=0"])
def test_parameters_of_an_outlier_that_make_no_sense_are_refused(text):
    with pytest.raises(EdgeToolkitError, match="expected"):
        metrics.load(f"outlier_error:{text}")


# ---- what small faults would hide


def test_the_unit_of_a_channel_does_not_matter():
    """Thousandths count as thousands do."""
    small = values([1e-3, 1e-3])
    noisy = small + values([1e-4, 3e-4], seed=1) - 290

    found = tally(USUAL, small, noisy)

    assert found.value() == pytest.approx(20 * math.log10(1 / 0.3), abs=2)
    assert found.detail == "channel 1 of 2"


def test_each_of_several_parts_has_its_own_floor():
    """Also the third of them."""
    reference = values([100, 90, 0.5, 0.4, 10])
    candidate = reference + values([0.1, 0.1, 0.01, 2, 0.1], seed=1) - 290

    found = tally(USUAL, reference, candidate, parts=(2, 2, 1))

    assert found.detail == "channel 3 of 5"
    assert found.value() < 0


def test_who_carries_a_channel_is_counted_over_all_blocks():
    """A sample that carries a channel may be in any of them."""
    reference = values([1, 1])
    reference[:, 0, 1] = 0
    reference[5, 0, 1] = 1000
    candidate = reference + values([0.1, 0.1], seed=1) - 290
    centre = reference.reshape(-1, 2).mean(axis=0)
    found = metrics.load("channel_sqnr_db:floor=0,samples=10").tally((1, 2))
    for start in range(0, COUNT, 20):
        rows = slice(start, start + 20)
        found.add(start, reference[rows] - centre, candidate[rows] - centre)

    assert found.detail == "channel 0 of 2"


def test_the_first_of_equally_large_errors_is_the_worst_sample():
    reference = values([1])
    candidate = reference.copy()
    candidate[[12, 40]] += 2
    centre = reference.mean()
    found = metrics.load(ALL).tally((1, 1))
    for start in (0, 30):
        rows = slice(start, start + 30)
        found.add(start, np.zeros((30, 1, 1)) + (reference[rows] > 290) - centre, np.zeros((30, 1, 1)) - centre)

    assert found.worst_sample is not None
    assert found.worst_sample < 30


def test_channels_of_another_artifact_and_broken_ones_say_why():
    other, broken = tally(ALL, values([1]), values([1])), values([1, 1])
    broken[3, 0, 0] = np.nan

    assert (
        tally(ALL, values([1, 1]), values([1, 1])).behind(other, 15)[1]
        == "the toolkit's own artifact has other channels"
    )
    assert tally(ALL, values([1, 1]), broken).behind(tally(ALL, values([1, 1]), values([1, 1])), 15)[1] == ""


def test_without_an_error_on_either_side_nobody_is_behind():
    assert outlier([0.0] * 100).behind(outlier([0.0] * 100), 0)[0] == 1.0
    assert outlier([0.0] * 99 + [0.5]).behind(outlier([0.0] * 100), 0)[0] == math.inf
    assert outlier([0.0] * 100).worst_sample is None
