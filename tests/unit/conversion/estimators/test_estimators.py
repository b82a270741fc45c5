"""Range estimators against implementations of their sources that see the values themselves, one by one and no histogram."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit import registry
from toolkit.conversion.calibrate import _Observer
from toolkit.conversion.estimators import entropy, mse
from toolkit.errors import RequestError
from toolkit.profiles.recipe import estimator
from toolkit.wire.statistics import Statistics

SAMPLES = 40
KINDS = ("normal", "relu", "heavy", "skewed", "positive", "negative", "constant", "zero", "tiny", "large")


def drawn(kind, number):
    rng = np.random.default_rng([KINDS.index(kind), number])
    normal = rng.normal(size=1000)
    return {
        "normal": normal,
        "relu": np.maximum(normal, 0),
        "heavy": rng.standard_t(2, size=1000),
        "skewed": rng.gamma(2, 1, size=1000) - 0.5,
        "positive": rng.uniform(2, 5, size=1000),
        "negative": -2 - np.abs(normal),
        "constant": np.full(1000, 3.25),
        "zero": np.zeros(1000),
        "tiny": normal * 1e-6,
        "large": normal * 1e9,
    }[kind].astype(np.float32)


@pytest.fixture(scope="module")
def values():
    """Return {kind: float64 (samples, values)}; so few that all are counted."""
    return {kind: np.stack([drawn(kind, number) for number in range(SAMPLES)]).astype(np.float64) for kind in KINDS}


@pytest.fixture(scope="module")
def statistics(values):
    observer = _Observer(tuple({"name": kind, "dtype": "float32"} for kind in KINDS), histograms=True)
    arrays = ([values[kind][number].astype(np.float32) for kind in KINDS] for number in range(SAMPLES))
    rows = np.stack([observer.see(number, each) for number, each in enumerate(arrays)])
    return Statistics(KINDS, np.arange(SAMPLES), rows, *observer.histograms())


def estimated(name, statistics, **parameters):
    plugin = registry.load("conversion/estimators", name)
    return plugin.estimate(statistics, plugin.Parameters(**parameters))


OURS = [
    name
    for name in registry.names("conversion/estimators")
    if registry.load("conversion/estimators", name).NEEDS != "converter"
]


@pytest.mark.parametrize("name", OURS)
def test_every_estimator_gives_each_tensor_a_range_within_what_was_seen(statistics, values, name):
    found = estimated(name, statistics)

    assert set(found) == set(KINDS)
    for kind, (low, high) in found.items():
        assert values[kind].min() <= low <= high <= values[kind].max(), kind


def test_min_max_is_the_least_and_the_largest_value(statistics, values):
    assert estimated("min_max", statistics) == {kind: (each.min(), each.max()) for kind, each in values.items()}


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
def test_a_moving_average_is_the_weighted_sum_of_each_samples_extremes(statistics, values, momentum):
    """Written out: the first sample has what weight the others leave."""
    weights = (1 - momentum) * momentum ** np.arange(SAMPLES - 1, -1, -1.0)
    weights[0] = momentum ** (SAMPLES - 1)

    found = estimated("moving_average", statistics, momentum=momentum)

    assert weights.sum() == pytest.approx(1)
    for kind, each in values.items():
        assert found[kind] == pytest.approx((weights @ each.min(axis=1), weights @ each.max(axis=1)), rel=1e-12), kind


@pytest.mark.parametrize("percentile", [60, 99, 99.9, 99.99, 100])
def test_a_percentile_is_numpys_to_the_width_of_a_bin(statistics, values, percentile):
    """Where values lie closer than bins; between the outermost ones anything is as right."""
    tail = (100 - percentile) / 2
    found = estimated("percentile", statistics, percentile=percentile)

    for tensor, kind in enumerate(KINDS):
        for side, share in zip(found[kind], (tail, 100 - tail), strict=True):
            bounds = [np.percentile(values[kind], share, method=how) for how in ("lower", "higher")]
            width = statistics.widths[tensor]
            assert bounds[0] - width <= side <= bounds[1] + width, kind


def rounded_off(values, low, high, levels):
    """Return the squared error of the integers' real values, as the affine scheme of Jacob et al. (2018), section 2.1, has them."""
    step = (high - low) / levels
    zero = np.round(-low / step)
    integers = np.clip(np.round(values / step + zero), 0, levels)
    return float(np.square((integers - zero) * step - values).sum())


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("kind", ["normal", "relu", "heavy", "skewed", "positive", "negative", "tiny", "large"])
def test_no_other_range_has_much_less_squared_error(statistics, values, kind, bits):
    """Both ends tried in all combinations, on all values: within 5 % of the best, for a bin's values are taken as its middle; and clipping pays."""
    levels = 2**bits - 1
    least, most = min(values[kind].min(), 0), max(values[kind].max(), 0)
    shares = np.arange(1, 13) / 12
    sample = values[kind].ravel()
    whole = [
        rounded_off(sample, low, high, levels)
        for low in (least * shares if least else [0.0])
        for high in (most * shares if most else [0.0])
    ]

    low, high = estimated("mse", statistics, bits=bits)[kind]

    found = rounded_off(sample, min(low, 0), max(high, 0), levels)
    assert found <= 1.05 * min(whole)
    worth = {(4, "normal"): 0.8, (4, "heavy"): 0.95, (8, "heavy"): 0.95}.get((bits, kind))
    assert worth is None or found < worth * rounded_off(sample, least, most, levels)


def test_the_error_of_a_range_is_that_of_its_integers():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=50), rng.integers(1, 9, size=50)
    lows, highs = -rng.uniform(0.1, 3, size=40), rng.uniform(0.1, 3, size=40)

    found = mse.errors(values, weights, lows, highs, 255)

    repeated = np.repeat(values, weights)
    exact = [rounded_off(repeated, low, high, 255) for low, high in zip(lows, highs, strict=True)]
    assert found == pytest.approx(exact, rel=1e-9)


def divergence(counts, kept, levels):
    """Return Kullback and Leibler's divergence as Migacz' slides tell it, bin by bin."""
    reference = [float(count) for count in counts[:kept]]
    reference[-1] += float(sum(counts[kept:]))
    groups = [[] for _ in range(levels)]
    for place in range(kept):
        groups[place * levels // kept].append(place)
    candidate = [0.0] * kept
    for group in groups:
        filled = [place for place in group if counts[place]]
        for place in filled:
            candidate[place] = sum(float(counts[each]) for each in group) / len(filled)
    found = 0.0
    for p, q in zip(reference, candidate, strict=True):
        if p:
            p_share, q_share = p / sum(reference), q / sum(candidate) if sum(candidate) else 0.0
            found += p_share * np.log(p_share / q_share) if q_share else np.inf
    return found


@pytest.mark.parametrize("levels", [4, 7, 16])
def test_the_divergence_is_that_of_the_slides(levels):
    rng = np.random.default_rng(levels)
    for empty in (0.0, 0.5):
        counts = rng.integers(1, 50, size=60) * (rng.random(60) >= empty)
        kept = np.arange(levels, 61)

        found = entropy.divergences(counts, kept, levels)

        assert found == pytest.approx([divergence(counts, each, levels) for each in kept], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("start", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["normal", "relu", "heavy", "skewed"])
def test_no_threshold_loses_less_information(kind, start, statistics, values):
    """Of the values themselves, counted anew: the threshold is among the best 5 % that the slides' procedure could choose, each in turn.

    The search begins at `start` of the largest value; at 0 in the slides, where outliers are cut off.
    """
    width, levels = statistics.widths[KINDS.index(kind)], 128 if values[kind].min() < 0 else 256
    counts = np.bincount((np.abs(values[kind]).ravel() // width).astype(int))
    counts[0] = counts[1]
    tried = [*range(max(levels, int(start * len(counts))), len(counts), 41), len(counts)]
    all_of_them = {kept: divergence(counts.tolist(), kept, levels) for kept in tried}

    low, high = estimated("entropy", statistics, start=start)[kind]

    threshold, largest = max(-low, high), np.abs(values[kind]).max()
    assert threshold >= start * (largest - width)
    chosen = divergence(counts.tolist(), len(counts) if threshold == largest else int(threshold / width), levels)
    assert chosen <= min(all_of_them.values()) * 1.05 + 1e-9
    if start == 0:
        assert (kind == "heavy") <= (threshold < largest / 4)


def test_a_tensor_of_one_sign_has_twice_as_many_levels(statistics):
    """So it is clipped as one that is its mirror image on the other side too, with twice as many asked for."""
    place = KINDS.index("heavy")
    half = statistics.counts.shape[1] // 2
    right = statistics.counts[place].copy()
    right[:half] = 0
    both = right + right[::-1]
    rows = np.array([[[0.0, 1e3, 1e3], [-1e3, 1e3, 1e3]]])
    named = Statistics(("right", "both"), np.arange(1), rows, np.array([-4, -4]), np.stack([right, both]))

    few, many = (entropy.estimate(named, entropy.Parameters(levels, start=0)) for levels in (64, 128))

    assert few["right"][1] == many["both"][1] != few["both"][1]


def counted(values, exponent):
    """Return the statistics of one tensor's values in one sample, in bins of the width 2**exponent."""
    places = np.floor(values * 2.0**-exponent).astype(int) + 2048
    rows = np.array([[[values.min(), values.max(), values.size]]])
    counts = np.bincount(places, minlength=4096)[np.newaxis]
    return Statistics(("tensor",), np.arange(1), rows, np.array([exponent]), counts)


def test_entropy_keeps_grey_levels_around_zero():
    """Pixels scaled to [-1, 1], most of them black: in the slides' search the one grey level next to zero is worth as much as all of them."""
    levels = np.arange(-8, 9) / 8
    pixels = counted(np.repeat(levels, [6250, *[300] * 7, 370, *[300] * 7, 1150]), -10)

    assert entropy.estimate(pixels, entropy.Parameters())["tensor"] == (-1, 1)
    assert entropy.estimate(pixels, entropy.Parameters(start=0))["tensor"][1] < 0.2


def test_of_thresholds_that_lose_nothing_entropy_takes_the_largest():
    """Scores so far apart that each is in a level by itself, beyond which lies what was seen and not counted."""
    counts = counted(np.repeat([-0.5, 0.25, 1.0, 3.0, 5.5], [26, 36, 20, 24, 38]), -8).counts
    rows = np.array([[[-0.5, 7.5, 145.0]]])

    found = entropy.estimate(Statistics(("scores",), np.arange(1), rows, np.array([-8]), counts), entropy.Parameters())

    assert found == {"scores": (-0.5, 7.5)}


def test_entropy_keeps_all_where_nothing_but_zeros_was_counted():
    """A tensor that is hardly ever anything else: its histogram says nothing of the rest."""
    counts = np.zeros((1, 4096), np.int64)
    counts[0, 2048] = 1000
    rows = np.array([[[0.0, 7.0, 1000.0, 7.0, 49.0]]])

    found = entropy.estimate(Statistics(("rare",), np.arange(1), rows, np.array([-8]), counts), entropy.Parameters())

    assert found == {"rare": (0.0, 7.0)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("percentile:percentile=140", "percentile 140 is not above 50 and at most 100"),
        ("percentile:percentile=50", "percentile 50 is not above 50"),
        ("percentile:percentile=nan", "percentile nan"),
        ("moving_average:momentum=1", "momentum 1 is not at least 0 and less than 1"),
        ("moving_average:momentum=-0.1", "momentum -0.1"),
        ("mse:bits=1", "bits 1 is not a whole number from 2 to 16"),
        ("mse:bits=7.5", "bits 7.5"),
        ("mse:bits=nan", "bits nan"),
        ("mse:steps=1", "steps 1 is not a whole number from 2 to 1000"),
        ("mse:steps=inf", "steps inf"),
        ("entropy:levels=1", "levels 1 is not a whole number from 2 to 512"),
        ("entropy:levels=2.5", "levels 2.5"),
        ("entropy:start=1.5", "start 1.5 is not from 0 to 1"),
        ("entropy:start=nan", "start nan"),
        ("min_max:percentile=99", "parameter of the estimator min_max 'percentile': unknown"),
        ("converter:momentum=0.5", "parameter of the estimator converter 'momentum': unknown"),
    ],
)
def test_what_an_estimator_cannot_be_told_is_refused(text, says):
    with pytest.raises(RequestError) as caught:
        estimator(text)

    assert says in str(caught.value)


def test_the_converter_is_asked_itself():
    plugin = registry.load("conversion/estimators", "converter")

    assert plugin.NEEDS == "converter"
    assert not hasattr(plugin, "estimate")
