"""What `toolkit/comparison/metrics/__init__.py` asks of a metric, asked of every file in the folder."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit import registry
from toolkit.comparison import metrics

SAID = {
    "agreement": "of=scores",
    "channel_sqnr_db": "floor=0.1,samples=1",
    "class_iou": "of=yes_no",
    "class_recall": "of=scores",
    "decision_flips": "threshold=0.1",
    "kappa": "of=scores",
    "kl": "of=logits",
    "outlier_error": "times=1,quantile=0.5",
    "mean_agreement": "of=yes_no",
    "map_iou": "of=yes_no",
    "psnr_db": "peak=8",
    "topk_agreement": "k=2",
}  # of a shape of four
NAMES = [f"{name}:{SAID[name]}" if name in SAID else name for name in registry.names("comparison/metrics")]
SHAPE = (1, 4)  # every metric must apply to it, so that nothing below is skipped


def measured(metric, reference, candidate):
    """Return one value for each sample, also of a pooled metric."""
    if metric.OVER == "whole":
        return np.array(
            [whole(metric, reference[row : row + 1], candidate[row : row + 1]) for row in range(len(reference))]
        )
    values = metric.measure(np.asarray(reference, np.float64), np.asarray(candidate, np.float64))
    return metric.finish(values) if metric.OVER == "set" else values


def whole(metric, reference, candidate):
    """Return the one value of a metric over all samples."""
    tally = metric.tally(np.shape(reference)[1:])
    tally.add(0, np.asarray(reference, np.float64), np.asarray(candidate, np.float64))
    return tally.value()


def best(metric):
    low, high = metric.RANGE
    return low if metric.BETTER == "lower" else high


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def over(*kinds):
    return [name for name in NAMES if metrics.load(name).OVER in kinds]


@pytest.fixture(params=NAMES)
def metric(request):
    return metrics.load(request.param)


@pytest.fixture(params=over("sample", "set", "rate"))
def by_sample(request):
    """A metric that measures each sample by itself."""
    return metrics.load(request.param)


@pytest.fixture(params=over("whole"))
def tallied(request):
    """A metric that sees all samples together."""
    return metrics.load(request.param)


def test_it_defines_what_the_contract_asks(metric):
    """Names, units and directions are facts of the metric, not of whoever uses it."""
    assert metric.BETTER in ("lower", "higher")
    assert metric.OVER in ("sample", "set", "rate", "whole")
    assert isinstance(metric.CENTRED, bool)
    assert isinstance(metric.WHOLE_NUMBERS, bool)
    assert not (metric.WHOLE_NUMBERS and metric.UNITS[0] == "db")
    assert metric.UNITS
    assert metric.RANGE[0] < metric.RANGE[1]
    module = getattr(metric, "_module", metric)
    assert hasattr(module, "finish") == (metric.OVER == "set")
    assert hasattr(module, "tally") == (metric.OVER == "whole")
    assert set(metric.UNITS[1:]) <= {"range", "lsb"}
    assert metric.applies(SHAPE) is None


def test_it_says_where_it_comes_from():
    """Formula and range are read in the file, and one that must be asked for is measured by nobody else."""
    for name in registry.names("comparison/metrics"):
        module = registry.load("comparison/metrics", name)

        assert module.__doc__
        assert (module.tally if module.OVER == "whole" else module.measure).__doc__
        assert isinstance(module.ALWAYS, bool)
        assert not (module.ALWAYS and hasattr(module, "PARAMETERS"))
        assert (name in metrics.always()) == module.ALWAYS


@pytest.mark.parametrize("name", NAMES)
def test_its_text_names_it_again(name):
    """What stands in a report can be put into a profile."""
    assert metrics.canonical(metrics.canonical(name)) == metrics.canonical(name)


def test_it_gives_a_value_for_each_sample(by_sample):
    """(n,), or (n, k) terms of a pooled one: the sample that decides must be known."""
    values = by_sample.measure(random(5, *SHAPE), random(5, *SHAPE, seed=1))

    assert values.dtype == np.float64
    assert values.shape == (5,) if by_sample.OVER != "set" else values.shape[0] == 5


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("others", [0.0, 1.0, np.inf, np.nan])
def test_nan_gives_nan(by_sample, side, others):
    """Whatever the other side and the other elements hold; and only in its own sample."""
    pair = np.ones((2, 3, *SHAPE))
    pair[:, 1] = others
    pair[side, 1, 0, 2] = np.nan

    values = measured(by_sample, *pair)

    assert np.isnan(values).tolist() == [False, True, False]


@pytest.mark.parametrize("side", [0, 1])
def test_nan_in_one_sample_of_many_gives_nan(tallied, side):
    """A value of all samples has no sample to lose."""
    pair = np.stack([random(30, *SHAPE), random(30, *SHAPE)])
    pair[side, 17, 0, 2] = np.nan

    assert np.isnan(whole(tallied, *pair))


def test_how_samples_are_cut_changes_no_value(tallied):
    """They come in blocks of any size."""
    reference, candidate = random(40, *SHAPE), random(40, *SHAPE) + 0.3 * random(40, *SHAPE, seed=1)
    tally = tallied.tally(SHAPE)
    for start, stop in ((0, 1), (1, 17), (17, 40)):
        tally.add(start, reference[start:stop], candidate[start:stop])

    np.testing.assert_allclose(tally.value(), whole(tallied, reference, candidate), rtol=1e-9)
    low, high = tally.interval(0.95) or (tally.value(), tally.value())
    assert low <= tally.value() <= high
    assert tally.worst_sample is None or 0 <= tally.worst_sample < 40
    assert isinstance(tally.detail, str)


def test_the_best_is_reached_by_identical_samples_alone(tallied):
    """Whatever a tally sums up, noise on the samples must show in it."""
    reference = random(300, *SHAPE)

    assert whole(tallied, reference, reference.copy()) == best(tallied)
    assert whole(tallied, reference, random(300, *SHAPE, seed=1)) != best(tallied)


DECIDING = [name for name in NAMES if metrics.load(name).OVER == "rate" or ("of=" in name and "kl" not in name)]


@pytest.mark.parametrize("name", [name for name in over("sample", "set") if name not in DECIDING])
def test_the_same_infinity_on_both_sides_is_no_agreement(name):
    """Two overflows say nothing about how far apart the numbers were; a decision between scores is still one."""
    pair = np.ones((2, 1, *SHAPE))
    pair[:, 0, 0, 2] = np.inf

    assert np.isnan(measured(metrics.load(name), *pair)[0])


@pytest.mark.parametrize("special", [np.inf, -np.inf])
@pytest.mark.parametrize("name", over("sample", "set", "rate"))
def test_an_infinity_on_one_side_is_never_the_best(name, special):
    """An overflow of the candidate must not look like agreement."""
    reference = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    candidate = np.array([[[special, 2.0, 3.0, 4.0]]])
    by_sample = metrics.load(name)
    if name in DECIDING:
        candidate[0, 0] = [special, special, 3.0, -1.0] if special > 0 else [1.0, 2.0, 3.0, special]

    assert measured(by_sample, reference, candidate)[0] != best(by_sample)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((3, *SHAPE)),
        np.full((3, *SHAPE), 7.0),
        random(3, *SHAPE),
        random(3, *SHAPE) * 1e300,
        random(3, *SHAPE) * 1e-300,
        np.round(random(3, *SHAPE) * 1e6),
        -random(3, *SHAPE),
    ],
    ids=["zeros", "constant", "random", "huge", "tiny", "integers", "negated"],
)
def test_identical_is_the_best_that_there_is(by_sample, samples):
    """Also where a formula divides by zero or overflows."""
    np.testing.assert_array_equal(measured(by_sample, samples, samples.copy()), best(by_sample))


def test_values_stay_within_the_range(by_sample):
    """Limits in profiles are held against it."""
    reference, candidate = random(200, *SHAPE), random(200, *SHAPE, seed=1)
    candidate[:50] = reference[:50] * 1e-9
    candidate[50:60], reference[60:70] = 0, 0

    values = measured(by_sample, reference, candidate)

    assert np.all((values >= by_sample.RANGE[0]) & (values <= by_sample.RANGE[1]))


def test_more_noise_is_worse(metric):
    """The direction is the one that BETTER says."""
    reference = random(300, *SHAPE)
    noisy = [reference + noise * random(300, *SHAPE, seed=1) for noise in (0.01, 0.3, 3)]
    values = [
        whole(metric, reference, each) if metric.OVER == "whole" else measured(metric, reference, each).mean()
        for each in noisy
    ]

    assert values == sorted(values, reverse=metric.BETTER == "higher")
    assert len(set(values)) == 3


def test_samples_do_not_touch_each_other(by_sample):
    """Blocks are cut anywhere, so a sample's value may depend on nothing beside it."""
    reference, candidate = random(6, *SHAPE), random(6, *SHAPE, seed=1)
    candidate[3, 0, 0] = np.nan

    together = by_sample.measure(reference, candidate)
    alone = [by_sample.measure(reference[i : i + 1], candidate[i : i + 1])[0] for i in range(6)]

    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("name", [name for name in over("sample", "set") if metrics.load(name).UNITS[0] == "real"])
def test_a_unit_of_the_output_grows_with_the_output(name):
    """Only then do fractions of its range and steps of its grid mean anything."""
    metric = metrics.load(name)
    reference, candidate = random(4, *SHAPE), random(4, *SHAPE, seed=1)

    np.testing.assert_allclose(
        metric.measure(8 * reference, 8 * candidate), 8 * metric.measure(reference, candidate), rtol=1e-12
    )


@pytest.mark.parametrize("name", [name for name in NAMES if metrics.load(name).OVER == "set"])
def test_terms_of_a_pooled_metric_add_up(name):
    """The value of a set is that of the sums, however the set is cut."""
    metric = metrics.load(name)
    reference, candidate = random(10, *SHAPE), random(10, *SHAPE, seed=1)
    whole = metric.measure(reference.reshape(1, 10, 4), candidate.reshape(1, 10, 4))

    terms = metric.measure(reference, candidate)

    np.testing.assert_allclose(metric.finish(terms.sum(axis=0)), metric.finish(whole)[0], rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if metrics.load(name).OVER == "rate"])
def test_a_rate_says_yes_or_no(name):
    """Exact intervals are for counts."""
    metric = metrics.load(name)

    assert set(metric.measure(random(100, *SHAPE), random(100, *SHAPE, seed=1))) == {0.0, 1.0}
    assert metric.RANGE == (0.0, 1.0)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3,), (1, 2, 2, 3)])
def test_any_shape_is_measured_or_refused_with_a_reason(metric, shape):
    """Scalars and images too; an output without element is never asked about."""
    reason = metric.applies(shape)
    if reason is None:
        reference, candidate = random(4, *shape), random(4, *shape, seed=1)
        if metric.OVER == "whole":
            assert not np.isnan(whole(metric, random(40, *shape), random(40, *shape)))
        else:
            assert np.all(np.isfinite(measured(metric, reference, candidate)))
    else:
        assert len(reason) > 10


def test_the_inputs_are_left_alone(metric):
    """The same arrays go through every metric."""
    reference, candidate = random(3, *SHAPE), random(3, *SHAPE, seed=1)
    before = reference.copy(), candidate.copy()

    if metric.OVER == "whole":
        whole(metric, reference, candidate)
    else:
        metric.measure(reference, candidate)

    np.testing.assert_array_equal(before, (reference, candidate))


def test_an_unknown_metric_is_answered_with_the_closest():
    """As any plugin is."""
    with pytest.raises(Exception, match=r"metric 'max_ab': unknown; did you mean 'max_abs'"):
        metrics.load("max_ab")


def test_no_metric_has_the_name_of_a_task_metric():
    """A bound says by the name alone which it is on."""
    assert not set(registry.names("comparison/metrics")) & set(registry.names("comparison/task_metrics"))


def test_no_metric_lies_beside_the_contract():
    """The list that is tested is the folder."""
    assert set(NAMES) >= {"max_abs", "rmse", "snr_db", "sqnr_db", "cosine", "top1_agreement"}
    assert not any(math.isnan(bound) for name in NAMES for bound in metrics.load(name).RANGE)
