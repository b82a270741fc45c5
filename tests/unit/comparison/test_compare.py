"""The rules that make a verdict worth something: nothing is skipped, nothing is cleaned, and nothing passes without evidence."""

from __future__ import annotations

import dataclasses
import json
import math
import tracemalloc

import numpy as np
import pytest

from toolkit import registry
from toolkit.comparison import metrics
from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Comparison, Context, RunOutputs, compare, judge, measure
from toolkit.comparison.metrics import load
from toolkit.comparison.runs import Blocks
from toolkit.errors import UnjudgeableRun, UnknownName
from toolkit.tensors.signature import Signature, TensorSpec
from toolkit.wire.shards import ShardWriter

SAID = {
    "channel_sqnr_db": "floor=0.1,samples=1",
    "decision_flips": "threshold=0.1",
    "kl": "of=logits",
    "outlier_error": "times=10,quantile=0.95",
    "psnr_db": "peak=8",
    "topk_agreement": "k=2",
}
ALL = tuple(f"{name}:{SAID[name]}" if name in SAID else name for name in registry.names("comparison/metrics"))
NAMES = tuple(name for name in ALL if load(name).applies((1, 4)) is None)


def spec(name, array, **quantized):
    return TensorSpec(name, array.dtype.name, array.shape[1:], **quantized)


def run(name="run", *, cut=0, specs=None, **outputs):
    """Return a run with these outputs (n, *shape), in blocks of `cut` samples (0: all in one)."""
    arrays = {key: np.asarray(array) for key, array in outputs.items()}
    specs = specs or [spec(key, array) for key, array in arrays.items()]
    count = len(next(iter(arrays.values()), ()))
    step = cut or max(count, 1)
    blocks = [{key: array[i : i + step] for key, array in arrays.items()} for i in range(0, count, step)]
    return RunOutputs(name, Signature("serving_default", (), tuple(specs)), blocks)


def bound(metric="max_abs", limit=0.1, stage="total", output="*", **more):
    unit = "real" if metric.partition(":")[0] in ("max_abs", "mean_abs", "rmse", "outlier_error") else ""
    return Bound(
        **({"stage": stage, "output": output, "metric": metric, "limit": limit, "unit": unit, "because": "b"} | more)
    )


def only(judgement):
    (comparison,) = judgement.comparisons
    return comparison


def scores(count=200, classes=4, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 1, classes)).astype(np.float32)


# ---- nothing is lost


@pytest.mark.parametrize(
    ("candidate", "problems"),
    [
        ({"a": 1}, {"b": "missing in the device run, which has ['a']"}),
        ({"a": 1, "b": 1, "c": 1}, {"c": "extra in the device run, the original run has ['a', 'b']"}),
        (
            {"a": 1, "B": 1},
            {
                "B": "extra in the device run, the original run has ['a', 'b']",
                "b": "missing in the device run, which has ['B', 'a']",
            },
        ),
    ],
    ids=["missing", "extra", "renamed"],
)
def test_an_output_that_is_not_there_by_name_fails(candidate, problems):
    """Even where all others agree: names are compared as sets, and a skipped output is a failed one."""
    values = scores()
    reference = run("original", a=values, b=values)

    judgement = compare(reference, run("device", **dict.fromkeys(candidate, values)), [bound()], stage="total")

    failed = {comparison.output: comparison for comparison in judgement.comparisons if not comparison.passed}
    assert {name: comparison.detail for name, comparison in failed.items()} == problems
    assert {comparison.metric for comparison in failed.values()} == {"structure"}
    assert {comparison.status for comparison in failed.values()} == {"failed"}


def test_swapped_outputs_fail():
    """Two outputs of one shape that change places: bound by name, each is held against its own."""
    left, right = scores(seed=1), scores(seed=2)

    judgement = compare(run(a=left, b=right), run(a=right, b=left), [bound()], stage="total")

    assert [comparison.passed for comparison in judgement.comparisons] == [False, False]


def test_reordered_outputs_are_the_same_outputs():
    """Their order means nothing."""
    left, right = scores(seed=1), scores(seed=2)

    judgement = compare(run(a=left, b=right), run(b=right, a=left), [bound()], stage="total")

    assert [comparison.value for comparison in judgement.comparisons] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("ours", "theirs", "says"),
    [(3, 2, "3 samples in original, 2 in device"), (2, 3, "2 samples in original, 3 in device")],
)
@pytest.mark.parametrize("cut", [0, 1])
def test_runs_of_different_length_cannot_be_judged(ours, theirs, says, cut):
    """Which sample belongs to which is unknown; nobody may compare the first two and say that they agree."""
    values = scores(3)

    with pytest.raises(UnjudgeableRun, match=says):
        measure(run("original", y=values[:ours], cut=cut), run("device", y=values[:theirs], cut=cut))


def test_no_sample_cannot_be_judged():
    """Zero samples agree perfectly, and show nothing."""
    with pytest.raises(UnjudgeableRun, match="original and device: no sample"):
        measure(run("original", y=scores(0)), run("device", y=scores(0)))


@pytest.mark.parametrize("shape", [(200, 4), (200, 4, 1), (200, 2, 2), (200, 1, 3)])
def test_another_shape_fails_and_is_named(shape):
    """No broadcasting, no flattening: a layout that changed is a change."""
    candidate = np.resize(scores(), shape)

    comparison = only(compare(run(y=scores()), run("device", y=candidate), [bound()], stage="total"))

    assert comparison.status == "failed"
    assert comparison.detail == f"shape {shape[1:]}, the reference has (1, 4) (sample 0)"


def test_a_shape_that_changes_on_the_way_fails():
    """Dynamic outputs: every block is looked at, and what was measured before counts for nothing."""
    specs = [TensorSpec("y", "float32", (None,))]
    signature = Signature("k", (), tuple(specs))
    blocks = [{"y": np.arange(4, dtype=np.float32).reshape(2, 2)}, {"y": np.ones((1, 3), np.float32)}]
    other = [blocks[0], {"y": np.ones((1, 4), np.float32)}]

    comparison = only(
        compare(RunOutputs("a", signature, blocks), RunOutputs("b", signature, other), [bound()], stage="total")
    )

    assert (comparison.status, comparison.detail) == ("failed", "shape (4,), the reference has (3,) (sample 2)")


def test_integers_that_say_no_scale_fail_against_reals():
    """What they stand for is unknown, so no number computed from them would mean anything."""
    comparison = only(compare(run(y=scores()), run("device", y=scores().astype(np.int8)), [bound()], stage="total"))

    assert (comparison.status, comparison.detail) == ("failed", "int8 without a scale, the reference is float32")


def test_integer_outputs_of_both_are_compared_as_numbers():
    """A class index needs no scale."""
    values = np.arange(6, dtype=np.int64).reshape(6, 1)

    comparison = only(compare(run(y=values), run(y=values.astype(np.int32)), [bound(limit=0)], stage="total"))

    assert comparison.passed


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({}, r"device: outputs are \[\]; its signature says \['y'\]"),
        ({"y": scores(), "z": scores()}, r"device: outputs are \['y', 'z'\]; its signature says \['y'\]"),
        ({"y": scores().astype(np.float64)}, "device: output 'y' is float64; its signature says float32"),
    ],
)
def test_a_run_that_is_not_what_its_signature_says_cannot_be_judged(block, says):
    """Scales and zero points would be read from the wrong place."""
    device = RunOutputs("device", run(y=scores()).signature, [block, {"y": scores()}])

    with pytest.raises(UnjudgeableRun, match=says):
        measure(run(y=scores()), device)


def test_outputs_of_different_counts_cannot_be_judged():
    """One output lost samples on the way."""
    with pytest.raises(UnjudgeableRun, match=r"device: counts of samples differ: {'a': 3, 'b': 2}"):
        measure(run(a=scores(3), b=scores(3)), run("device", a=scores(3), b=scores(2)))


@pytest.mark.parametrize("dtype", ["complex64", "<U3"])
def test_what_are_no_real_numbers_cannot_be_judged(dtype):
    """No metric is defined for them."""
    values = np.zeros((3, 1)).astype(dtype)

    with pytest.raises(UnjudgeableRun, match="expected real numbers"):
        measure(run(y=values), run(y=values))


# ---- nothing is cleaned


@pytest.mark.parametrize("metric", NAMES)
@pytest.mark.parametrize("broken", ["candidate", "reference", "both"])
def test_nan_never_passes(metric, broken):
    """Whatever the metric and however generous the limit."""
    low, high = (-1e300, 1e300) if load(metric).OVER != "rate" else (1e-9, 1 - 1e-9)
    limit = max(load(metric).RANGE[0] + 1e-9, low) if load(metric).BETTER == "higher" else high
    pair = {"reference": scores(50), "candidate": scores(50)}
    for side in pair if broken == "both" else [broken]:
        pair[side][17, 0, 2] = np.nan

    comparison = only(
        compare(run(y=pair["reference"], cut=8), run(y=pair["candidate"]), [bound(metric, limit)], stage="total")
    )

    assert math.isnan(comparison.value)
    assert comparison.status == "failed"
    assert comparison.worst_sample == 17 or load(metric).OVER == "whole"


def loses_by_an_infinity(name):
    """Return whether one overflow must show in the metric: a share of what agrees loses one sample by it, whatever that holds."""
    metric = load(name)
    is_share = metric.OVER in ("rate", "whole") or (metric.BETTER == "higher" and metric.RANGE[0] == 0)
    return not is_share


@pytest.mark.parametrize("metric", [*filter(loses_by_an_infinity, NAMES)])
def test_infinity_never_passes(metric):
    """An overflow is no large value but a lost one."""
    limit = 1e300 if load(metric).BETTER == "lower" else -0.99
    candidate = scores(50)
    candidate[17, 0, 2] = np.inf

    assert not only(compare(run(y=scores(50)), run(y=candidate), [bound(metric, limit)], stage="total")).passed


def test_what_is_not_finite_is_counted_and_told():
    """Before any metric, on both sides, with the first sample that has it."""
    reference, candidate = scores(20), scores(20)
    reference[3, 0, 0] = np.inf
    candidate[5, 0, :2] = np.nan
    candidate[9, 0, 1] = -np.inf

    measured = measure(run(y=reference, cut=4), run(y=candidate, cut=7))

    assert measured.findings == (
        "output 'y': the reference holds 0 NaN and 1 Inf, first in sample 3",
        "output 'y': the candidate holds 2 NaN and 1 Inf, first in sample 5",
    )


# ---- nothing passes without evidence


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.full((20, 1, 4), 0.25, np.float32), "output 'y': the original gives 0.25 for all 20 samples"),
        (
            np.tile(np.float32([[0.1, 0.9]]), (20, 1, 1)),
            r"the original gives the same values \(0.1 to 0.9\) for all 20",
        ),
        (np.full((20, 1), 7, np.int64), "the original gives 7 for all 20 samples"),
        (
            np.float32([[0.1], np.nextafter(np.float32([0.1]), np.float32([1]))]).repeat(10, axis=0),
            "the original gives",
        ),
        (scores(1), r"one sample \(.*\) cannot show that it depends on its input"),
    ],
    ids=["constant", "constant row", "integer", "last bit", "one sample"],
)
def test_a_reference_that_does_not_vary_cannot_be_agreed_with(values, says):
    """A network that lost its weights gives one answer to everything, and every copy of it agrees perfectly."""
    with pytest.raises(UnjudgeableRun, match=says):
        compare(run(y=values), run(y=values), [bound()], stage="total")


@pytest.mark.parametrize("values", [np.array([[7], [7], [8]]), np.float32([[1e-9], [1.01e-9], [1e-9]])])
def test_any_real_variation_is_enough(values):
    """Small outputs are outputs."""
    assert only(compare(run(y=values), run(y=values), [bound()], stage="total")).passed


def test_a_stage_that_went_constant_is_a_failure_and_no_refusal():
    """The original varies; that a stage lost it must be seen as that stage's fault, and in the findings."""
    dead = np.zeros_like(scores())

    first = compare(run(y=scores()), run(y=dead), [bound(stage="conversion")], stage="conversion")
    second = compare(run(y=dead), run(y=dead), [bound(stage="quantization")], stage="quantization")

    assert {each.metric: each.status for each in first.comparisons} == {"varies": "failed", "max_abs": "failed"}
    assert first.measured.findings == ("output 'y': the candidate is the same for every sample, the reference is not",)
    assert second.measured.findings == ("output 'y': the reference is the same for every sample",)


def test_a_fraction_of_no_range_is_no_measurement():
    """Nothing divided by nothing is not nothing."""
    dead = np.zeros_like(scores())

    assert math.isnan(measure(run(y=dead), run(y=dead)).measurement("y", "max_abs").values["range"])


def test_every_output_needs_a_bound_on_its_total():
    """An output that nobody judged did not pass."""
    both = {"a": scores(), "b": scores()}

    with pytest.raises(UnjudgeableRun, match="output 'b': no bound on its total applies") as caught:
        compare(run(**both), run(**both), [bound(output="a")], stage="total")

    assert "add [[bounds]]" in caught.value.hint


def test_a_bound_that_applies_to_nothing_is_no_evidence():
    """And the message says why it did not."""
    values = np.arange(8, dtype=np.float32).reshape(8, 1)

    with pytest.raises(UnjudgeableRun, match=r"no bound on its total applies \(top1_agreement: shape \(1,\) is not"):
        compare(run(y=values), run(y=values), [bound("top1_agreement", 0.9)], stage="total")


def test_no_bound_at_all_is_no_evidence():
    """all([]) is true, and that is the oldest hole there is."""
    with pytest.raises(UnjudgeableRun, match="no bound on its total"):
        compare(run(y=scores()), run(y=scores()), [], stage="total")


def test_other_stages_may_go_without_a_bound():
    """They say who is guilty; the total says whether."""
    assert compare(run(y=scores()), run(y=scores()), [bound()], stage="kernels").comparisons == ()


def test_a_bound_that_matches_no_output_is_an_error():
    """A slip in a name must not switch a bound off."""
    with pytest.raises(UnjudgeableRun, match="bound kernels score max_abs: matches no output; known: scores"):
        compare(run(scores=scores()), run(scores=scores()), [bound(stage="kernels", output="score")], stage="kernels")


def test_a_bound_on_an_output_that_the_candidate_lost_is_no_slip():
    """It matches the reference, and the loss is the failure."""
    judgement = compare(
        run(a=scores(), b=scores()), run(a=scores()), [bound(output="a"), bound(output="b")], stage="total"
    )

    assert [(comparison.output, comparison.passed) for comparison in judgement.comparisons] == [
        ("b", False),
        ("a", True),
    ]


def test_a_named_output_to_which_the_metric_does_not_apply_is_an_error():
    """Somebody asked for it, so it must not be left out."""
    values = np.arange(8, dtype=np.float32).reshape(8, 1)

    with pytest.raises(UnjudgeableRun, match=r"bound total y top1_agreement: does not apply: shape \(1,\) is not"):
        compare(run(y=values), run(y=values), [bound(), bound("top1_agreement", 0.9, output="y")], stage="total")


def test_a_bound_on_all_outputs_leaves_out_where_it_does_not_apply_and_says_so():
    """A profile is written before the model is known."""
    outputs = {"scores": scores(), "value": np.arange(200, dtype=np.float32).reshape(200, 1)}

    judgement = compare(run(**outputs), run(**outputs), [bound(), bound("top1_agreement", 0.9)], stage="total")

    assert [(c.output, c.metric) for c in judgement.comparisons] == [
        ("scores", "max_abs"),
        ("scores", "top1_agreement"),
        ("value", "max_abs"),
    ]
    assert [(s.stage, s.output, s.metric, s.reason) for s in judgement.skipped] == [
        ("total", "value", "top1_agreement", "shape (1,) is not that of class scores, (1, C) with C >= 2")
    ]


def test_lsb_does_not_apply_to_plain_floats():
    """There is no grid whose steps could be counted."""
    judgement = compare(run(y=scores()), run(y=scores()), [bound(), bound("rmse", 1, unit="lsb")], stage="total")

    assert [skip.reason for skip in judgement.skipped] == ["its numbers have no lsb: they are not quantized"]


def test_an_output_without_elements_cannot_be_judged():
    """There is nothing in it that could agree."""
    values = np.zeros((5, 0), np.float32)

    with pytest.raises(UnjudgeableRun, match="output 'y'"):
        compare(run(y=values), run(y=values), [bound()], stage="total")


# ---- numbers


@pytest.mark.parametrize(
    ("error", "status"), [(0.0, "passed"), (0.0999, "passed"), (0.1, "passed"), (0.1001, "failed")]
)
def test_a_value_at_the_limit_is_within_it(error, status):
    """The limit itself is allowed, and worse is worse."""
    reference = np.arange(5, dtype=np.float64).reshape(5, 1)
    candidate = reference.copy()
    candidate[0] += error

    assert only(compare(run(y=reference), run(y=candidate), [bound(limit=0.1)], stage="total")).status == status


@pytest.mark.parametrize(("limit", "status"), [(20.0, "passed"), (20.1, "failed")])
def test_a_higher_value_is_better_where_it_is(limit, status):
    """10 against 9 is 20 dB, around whatever both vary."""
    reference = np.tile([[10.0], [-10.0]], (10, 1))

    candidate = reference * 0.9 + 300
    comparison = only(compare(run(y=reference + 300), run(y=candidate), [bound("sqnr_db", limit)], stage="total"))

    assert comparison.value == pytest.approx(20)
    assert dataclasses.replace(comparison, value=20.0).status == status


def test_the_worst_sample_decides_and_is_named():
    """A mean over 200 samples would hide it."""
    candidate = scores()
    candidate[123, 0, 3] += 50

    comparison = only(compare(run(y=scores()), run(y=candidate, cut=7), [bound(limit=1)], stage="total"))

    assert comparison.value == pytest.approx(50, rel=1e-6)
    assert comparison.worst_sample == 123
    assert not comparison.passed


@pytest.mark.parametrize(
    ("metric", "sample"), [("max_abs", 2), ("snr_db", 2), ("sqnr_db", 2), ("cosine", 2), ("top1_agreement", 2)]
)
def test_the_worst_sample_is_known_in_either_direction(metric, sample):
    """Also where high is good, over all samples together, and of a rate the first that missed."""
    candidate = scores(9)
    candidate[2] = -candidate[2]
    candidate[4, 0, 0] += 1e-3

    assert measure(run(y=scores(9)), run(y=candidate, cut=2)).measurement("y", metric).worst_sample == sample


def test_a_rate_without_a_miss_has_no_worst_sample():
    """There is nothing to look at."""
    assert measure(run(y=scores()), run(y=scores(), cut=3)).measurement("y", "top1_agreement").worst_sample is None


@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", -3), ("uint8", 120)])
def test_real_numbers_are_compared_and_steps_counted(dtype, zero_point):
    """Each side by its own scale and zero point: raw integers of two artifacts have nothing in common."""
    reference = np.arange(-50, 50, dtype=np.float64).reshape(100, 1) * 0.5
    steps = np.round(reference / 0.25).astype(int) + zero_point
    steps[40] += 3
    quantized = spec("y", steps.astype(dtype), scale=(0.25,), zero_point=(zero_point,))

    measured = measure(run(y=reference), run(y=steps.astype(dtype), specs=[quantized]))

    values = measured.measurement("y", "max_abs").values
    assert values["real"] == pytest.approx(0.75)
    assert values["lsb"] == pytest.approx(3)
    assert values["range"] == pytest.approx(0.75 / 49.5)


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 1, 2, 3)])
def test_scalars_and_images_are_measured_too(shape):
    """Whatever one call gives."""
    values = np.resize(np.arange(6, dtype=np.int8), shape[::-1]).T
    quantized = spec("y", values, scale=(0.5,), zero_point=(1,))

    measured = measure(run(y=values.astype(np.float32)), run(y=values, specs=[quantized]))

    assert measured.measurement("y", "max_abs").values == {"real": 3.0, "range": 0.6, "lsb": 6.0}
    assert measured.findings == ()


def test_truth_values_are_numbers():
    """A mask has a share of wrong pixels."""
    values = np.array([[True, False], [False, False]])

    measured = measure(run(y=values), run(y=~values))

    assert measured.measurement("y", "max_abs").values == {"real": 1.0, "lsb": 1.0}
    assert measured.seen["y"].reference_varies


def test_a_step_is_the_candidates_own():
    """The original is float and has none; two artifacts may have different ones."""
    values = np.arange(10, dtype=np.int8).reshape(10, 1)
    reference = run(y=values, specs=[spec("y", values, scale=(1.0,), zero_point=(0,))])
    candidate = run(y=values * 2 + 1, specs=[spec("y", values, scale=(0.5,), zero_point=(0,))])

    assert measure(reference, candidate).measurement("y", "max_abs").values == {
        "real": 0.5,
        "range": pytest.approx(0.5 / 9),
        "lsb": 1.0,
    }


def test_the_range_is_that_of_the_reference_over_all_samples():
    """Not of one sample, not of one block, and not of the candidate."""
    reference = np.array([[-2.0], [1.0], [8.0]])

    measured = measure(run(y=reference, cut=1), run(y=reference + 1, cut=2))

    assert measured.measurement("y", "rmse").values["range"] == pytest.approx(0.1)
    assert (measured.seen["y"].low, measured.seen["y"].high) == (-2.0, 8.0)


@pytest.mark.parametrize("cut", [1, 2, 7, 100])
@pytest.mark.parametrize("at_once", [1, 5, 10**6])
def test_how_runs_are_cut_changes_nothing(monkeypatch, cut, at_once):
    """Shards of an int8 run hold four times as many samples as those of a float run."""
    reference, candidate = scores(), scores(seed=1)
    whole = measure(run(y=reference), run(y=candidate))
    monkeypatch.setattr("toolkit.comparison.probing._ELEMENTS_AT_ONCE", at_once)

    pieces = measure(run(y=reference, cut=cut), run(y=candidate, cut=11))

    for one, other in zip(whole.measurements, pieces.measurements, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-12)
        assert (one.output, one.metric, one.worst_sample) == (other.output, other.metric, other.worst_sample)
    assert pieces.samples == 200


def test_empty_blocks_are_no_end():
    """A shard may hold nothing."""
    blocks = [{"y": scores(0)}, {"y": scores(3)}, {"y": scores(0)}, {"y": scores(2)}]

    assert (
        measure(
            RunOutputs("a", run(y=scores()).signature, blocks), run(y=np.concatenate([scores(3), scores(2)]))
        ).samples
        == 5
    )


def test_runs_are_read_from_their_folders(tmp_path):
    """As workers leave them."""
    for folder, values in (("a", scores(9)), ("b", scores(9) + 1)):
        with ShardWriter(tmp_path / folder) as writer:
            for value in values:
                writer.add({"y": value})
    signature = run(y=scores()).signature

    measured = measure(RunOutputs.read("a", signature, tmp_path / "a"), RunOutputs.read("b", signature, tmp_path / "b"))

    assert measured.samples == 9
    assert measured.measurement("y", "max_abs").values["real"] == pytest.approx(1, rel=1e-6)


def test_memory_does_not_grow_with_the_number_of_samples():
    """Runs are streams, and only sums of them are kept."""

    def peak(blocks):
        values = np.random.default_rng(0).normal(size=(200, 1, 100)).astype(np.float32)
        signature = run(y=values).signature
        tracemalloc.start()
        given = Blocks(lambda: ({"y": values + i} for i in range(blocks)))
        measure(*(RunOutputs("r", signature, given) for _ in range(2)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak(1)
    assert peak(100) < 1.2 * peak(4)


# ---- rates


def agreeing(samples, misses):
    """Return two runs of class scores that agree in all but `misses` of the samples."""
    reference = np.eye(4, dtype=np.float32)[np.arange(samples) % 4][:, None]
    candidate = reference.copy()
    candidate[:misses] = np.roll(candidate[:misses], 1, axis=2)
    return run(y=reference), run(y=candidate)


@pytest.mark.parametrize(
    ("samples", "misses", "status", "needed"),
    [
        (36, 0, "passed", None),
        (35, 0, "inconclusive", 36),
        (128, 4, "passed", None),
        (128, 7, "inconclusive", 172),
        (128, 20, "inconclusive", None),
        (128, 30, "failed", None),
        (1000, 100, "inconclusive", None),
    ],
)
def test_a_rate_is_judged_by_its_interval(samples, misses, status, needed):
    """Few samples cannot show much, and then the verdict says how many could."""
    comparison = only(compare(*agreeing(samples, misses), [bound("top1_agreement", 0.9)], stage="total"))

    low, high = comparison.interval
    assert comparison.value == (samples - misses) / samples
    assert low <= comparison.value <= high
    assert comparison.status == status
    assert comparison.passed == (status == "passed")
    if needed is not None:
        assert comparison.samples_needed == needed
    if status != "inconclusive":
        assert comparison.samples_needed is None


def test_the_confidence_is_the_bounds_own():
    """More of it needs more samples."""
    runs = agreeing(36, 0)

    assert only(compare(*runs, [bound("top1_agreement", 0.9)], stage="total")).passed
    runs = agreeing(36, 0)
    assert only(compare(*runs, [bound("top1_agreement", 0.9, confidence=0.99)], stage="total")).status == "inconclusive"


@pytest.mark.parametrize(
    ("interval", "status"),
    [((0.0, 0.05), "passed"), ((0.0, 0.1), "passed"), ((0.05, 0.2), "inconclusive"), ((0.11, 0.2), "failed")],
)
def test_a_rate_of_which_less_is_better_is_judged_by_its_upper_end(interval, status):
    """A rate of flips, say."""
    low = Comparison("total", "y", "flips", 0.1, 0.1, "fraction", "lower", "b", 100, interval=interval)

    assert low.status == status


# ---- bounds


def test_only_bounds_of_the_stage_and_the_scheme_count():
    """A profile has bounds for all of them."""
    bounds = [
        bound(limit=1),
        bound(limit=2, stage="device"),
        bound("rmse", 3, schemes=("float16",)),
        bound("sqnr_db", 4, schemes=("float32", "static_wi8_ai8")),
    ]

    def limits(scheme):
        judgement = compare(run(y=scores()), run(y=scores()), bounds, stage="total", scheme=scheme)
        return [comparison.limit for comparison in judgement.comparisons]

    assert limits("float16") == [1, 3]
    assert limits("static_wi8_ai8") == [1, 4]
    assert limits(None) == [1]


def test_the_most_specific_bound_of_a_metric_decides():
    """One that names the output before one on all; one for the scheme before one for any; other metrics are untouched."""
    bounds = [
        bound(limit=4, output="a", schemes=("float16",)),
        bound(limit=3, output="a"),
        bound(limit=2, schemes=("float16", "float32")),
        bound(limit=1),
        bound("rmse", 5),
    ]
    outputs = {"a": scores(), "b": scores()}

    def limits(scheme):
        judgement = compare(run(**outputs), run(**outputs), bounds, stage="total", scheme=scheme)
        return [(comparison.output, comparison.limit) for comparison in judgement.comparisons]

    assert limits("float16") == [("a", 4), ("a", 5), ("b", 2), ("b", 5)]
    assert limits("float32") == [("a", 3), ("a", 5), ("b", 2), ("b", 5)]
    assert limits("static_wi8_ai8") == [("a", 3), ("a", 5), ("b", 1), ("b", 5)]


def test_bounds_that_are_equally_specific_all_count():
    """Two lists of schemes that overlap: the stricter one may not be lost."""
    bounds = [
        bound(limit=1, schemes=("float16",)),
        bound(limit=2, schemes=("float16", "float32")),
    ]

    judgement = compare(run(y=scores()), run(y=scores()), bounds, stage="total", scheme="float16")

    assert [comparison.limit for comparison in judgement.comparisons] == [1, 2]


def test_a_metric_that_is_switched_off_is_not_judged():
    """The reason is kept beside what did not apply, and an output that is left without a bound says why."""
    bounds = [bound(limit=1), Bound(stage="total", output="*", metric="rmse", off=True, because="nobody needs it")]

    judgement = compare(run(y=scores()), run(y=scores()), bounds, stage="total")

    assert [comparison.metric for comparison in judgement.comparisons] == ["max_abs"]
    assert [(each.metric, each.reason) for each in judgement.skipped] == [("rmse", "switched off: nobody needs it")]
    with pytest.raises(UnjudgeableRun, match=r"output .y.: no bound on its total applies \(rmse: switched off: nobody"):
        compare(run(y=scores()), run(y=scores()), bounds[1:], stage="total")


def test_other_bounds_can_be_tried_without_reading_the_runs_again():
    """What was measured is enough."""
    blocks = [{"y": scores() + 1}]
    measured = measure(run(y=scores()), RunOutputs("b", run(y=scores()).signature, blocks))
    blocks.clear()

    assert not only(judge(measured, [bound(limit=0.5)], stage="total")).passed
    assert only(judge(measured, [bound(limit=1.5)], stage="total")).passed


def test_every_metric_is_measured_whatever_the_bounds_are():
    """The report shows all of them, gates are few."""
    measured = measure(run(y=scores()), run(y=scores(seed=1)))

    assert tuple(measurement.metric for measurement in measured.measurements) == metrics.always()
    with pytest.raises(UnknownName, match=r"measurement 'y max_ab': unknown; did you mean 'y max_abs'\?"):
        measured.measurement("y", "max_ab")


def test_passed_cannot_be_set():
    """It follows from the numbers, also for whoever wishes otherwise."""
    comparison = only(compare(run(y=scores()), run(y=scores() + 1), [bound()], stage="total"))

    for name in ("passed", "status", "value"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(comparison, name, "passed")
    with pytest.raises(TypeError):
        dataclasses.replace(comparison, status="passed")
    assert not comparison.passed


def test_json_is_json():
    """NaN and infinities have no number there, and are not left out either."""
    judgement = compare(run(y=scores()), run(y=scores()), [bound(), bound("sqnr_db", 20)], stage="total")

    said = [json.loads(json.dumps(one.to_json(), allow_nan=False)) for one in judgement.comparisons]
    measured = [json.loads(json.dumps(one.to_json(), allow_nan=False)) for one in judgement.measured.measurements]

    assert [(one["metric"], one["value"], one["passed"]) for one in said] == [
        ("max_abs", 0.0, True),
        ("sqnr_db", "inf", True),
    ]
    assert measured[-1] | {"values": None} == {
        "output": "y",
        "metric": "top1_agreement",
        "values": None,
        "better": "higher",
        "is_rate": True,
        "samples": 200,
        "worst_sample": None,
        "detail": "",
    }


# ---- limits in multiples of the reference's own noise


@pytest.mark.parametrize(
    ("off", "own", "value", "passed"),
    [
        (0.5, 0.25, 2.0, True),
        (1.0, 0.25, 4.0, False),
        (0.0, 0.0, 0.0, True),
        (2**-10, 0.0, math.inf, False),
        (math.nan, 0.25, math.nan, False),
        (math.nan, 0.0, math.inf, False),
        (0.5, math.nan, math.inf, False),
    ],
)
def test_a_limit_may_be_a_multiple_of_the_references_own_noise(off, own, value, passed):
    """Of a reference that never differs, only itself is within its noise; NaN is within nobody's."""
    values = np.round(scores() * 4) / 4
    other = values.copy()
    other[3, 0, 0] += off

    measured = measure(run(a=values), run(a=other))
    found = only(judge(measured, [bound(limit=3, unit="noise")], stage="total", context=Context(noise={"a": own})))

    assert found.passed == passed
    assert found.value == pytest.approx(value, nan_ok=True)


def test_a_limit_in_noise_that_was_not_measured_judges_nothing():
    """On each output it is passed over and said, on one by name it is an error; without another bound there is no verdict."""
    values = scores()
    both = [bound(limit=3, unit="noise"), bound("cosine", 0.9)]

    judgement = compare(run(a=values), run(a=values), both, stage="total")

    assert [(each.metric, each.reason) for each in judgement.skipped] == [
        ("max_abs", "the repeatability of the reference was not measured")
    ]
    with pytest.raises(UnjudgeableRun, match="was not measured"):
        compare(run(a=values), run(a=values), [bound(limit=3, unit="noise", output="a")], stage="total")
    with pytest.raises(UnjudgeableRun, match="no bound on its total applies"):
        compare(run(a=values), run(a=values), both[:1], stage="total")


# ---- metrics that a bound asks for


def test_a_metric_is_measured_because_a_bound_asks_for_it():
    """With its parameters, and judged like any other: a rate of flips, of which fewer are better, by its interval."""
    reference = scores(400)
    candidate = reference.copy()
    candidate[:8, 0, 1] = -candidate[:8, 0, 1] - 1
    asked = bound("decision_flips:threshold=0", 0.1)

    found = only(compare(run(y=reference), run(y=candidate), [asked], stage="total"))

    assert found.metric == "decision_flips:threshold=0"
    assert found.value <= 8 / 400
    assert found.interval[0] < found.value < found.interval[1] <= 0.1
    assert found.confidence == asked.confidence
    assert found.status == "passed"
    assert found.worst_sample in range(8)
    assert only(compare(run(y=reference), run(y=-reference), [asked], stage="total")).status == "failed"


def test_few_samples_leave_a_rate_of_flips_open():
    """None of ten flipped; up to 31 % may."""
    found = only(
        compare(run(y=scores(10)), run(y=scores(10)), [bound("decision_flips:threshold=0", 0.1)], stage="total")
    )

    assert found.status == "inconclusive"
    assert found.worst_sample is None
    assert found.samples_needed == 36


def test_what_nobody_asked_for_is_not_measured():
    """A threshold or a peak means nothing of an output of which nobody said it."""
    names = {each.metric for each in measure(run(y=scores(9)), run(y=scores(9))).measurements}

    assert names == set(metrics.always())
    assert {"max_abs", "mean_abs", "sqnr_db", "top1_agreement"} <= names


# ---- what a comparison says


def test_a_comparison_says_what_was_judged_by_what_and_why():
    """All that a report shows; a confidence belongs to a rate alone."""
    values, stages = scores(), {"stage": "conversion"}

    error, rate = compare(
        run(y=values), run(y=values + 1), [bound(**stages), bound("top1_agreement", 0.5, **stages)], **stages
    ).comparisons

    said = error.to_json()
    assert said.pop("value") == pytest.approx(1, rel=1e-6)
    assert said.pop("worst_sample") in range(200)
    assert said == {
        "worst_sample_name": None,
        "stage": "conversion",
        "output": "y",
        "metric": "max_abs",
        "limit": 0.1,
        "unit": "real",
        "better": "lower",
        "because": "b",
        "samples": 200,
        "interval": None,
        "confidence": None,
        "samples_needed": None,
        "detail": "",
        "undecided": "inconclusive",
        "weak": "",
        "status": "failed",
        "passed": False,
    }
    assert rate.confidence == 0.95
    assert rate.to_json()["status"] == "passed"


def test_an_output_that_cannot_be_compared_is_one_mismatch_too_many():
    lost = compare(run(y=scores()), run(z=scores()), [], stage="kernels").comparisons

    assert [each.output for each in lost] == ["y", "z"]
    assert dataclasses.replace(lost[0], detail="", because="") == Comparison(
        "kernels", "y", "structure", 1.0, 0.0, "mismatches", "lower", "", 200
    )
    assert lost[0].because.startswith("outputs are bound by name")
    assert lost[0].status == "failed"


def test_where_looking_may_end_early_the_interval_is_one_for_any_time():
    """(0.05 / 51)^(1/50): where the mixture, 1/51, is twenty times as likely; no number of samples is foretold."""
    measured = measure(run(y=scores(50)), run(y=scores(50)))

    sure = only(judge(measured, [bound("top1_agreement", 0.5)], stage="total", over="until certain"))
    open_ = only(judge(measured, [bound("top1_agreement", 0.9)], stage="total", over="until certain"))

    assert sure.interval == pytest.approx(((0.05 / 51) ** (1 / 50), 1))
    assert (sure.status, open_.status, open_.samples_needed) == ("passed", "inconclusive", None)


def test_a_refusal_says_what_to_do():
    """Every bound that did not apply is in it, and where none was tried nothing stands in brackets."""
    same, column = np.full((20, 1, 4), 0.25, np.float32), scores()[..., :1]

    with pytest.raises(UnjudgeableRun) as constant:
        compare(run(y=same), run(y=same), [bound()], stage="total")
    with pytest.raises(UnjudgeableRun) as none:
        compare(run(y=column), run(y=column), [], stage="total")
    with pytest.raises(UnjudgeableRun) as two:
        compare(run(y=column), run(y=column), [bound("top1_agreement", 0.9), bound("cosine", 0.9)], stage="total")

    assert constant.value.hint == "verify with samples that differ, and check how they are preprocessed"
    assert none.value.problem == "output 'y': no bound on its total applies"
    assert none.value.hint == "add [[bounds]] with stage = 'total' to the profile"
    reasons = two.value.problem.partition("applies (")[2].split("; ")
    assert [reason.partition(":")[0] for reason in reasons] == ["top1_agreement", "cosine"]
    both = {"a": scores(), "b": scores()}
    with pytest.raises(UnjudgeableRun, match=r"bound total c max_abs: matches no output; known: a, b$"):
        compare(run(**both), run(**both), [bound(output="c")], stage="total")


def test_of_equally_bad_samples_the_first_is_named():
    """Whichever way is worse, and however the samples come."""
    reference = scores(12)
    candidate = reference.copy()
    candidate[[4, 9], 0, 0] = reference[[4, 9], 0, 0] + np.float32(1024)
    candidate[[4, 9], 0, 1:] = reference[[4, 9], 0, 1:] = 0
    reference[[4, 9], 0, 0] = candidate[[4, 9], 0, 0] - 1024

    for cut in (3, 12):
        measured = measure(run(y=reference, cut=cut), run(y=candidate))
        assert measured.measurement("y", "max_abs").worst_sample == 4


def test_what_is_not_finite_is_counted_over_all_blocks():
    """In each of them some."""
    candidate = scores(20)
    candidate[[2, 3, 17], 0, 0] = np.inf
    candidate[18, 0, 1] = np.nan

    measured = measure(run(y=scores(20)), run(y=candidate, cut=4))

    assert measured.findings == ("output 'y': the candidate holds 1 NaN and 3 Inf, first in sample 2",)


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_a_broken_sample_of_a_large_output_is_counted_from_the_first(side):
    """Of outputs as large as these a few samples at a time are measured, whatever a block holds."""
    pair = {
        name: np.random.default_rng(0).normal(size=(7, 1, 200_000)).astype(np.float32)
        for name in ("reference", "candidate")
    }
    pair[side][5, 0, 3] = np.nan

    measured = measure(run(y=pair["reference"], cut=7), run(y=pair["candidate"], cut=7))

    assert measured.findings == (f"output 'y': the {side} holds 1 NaN and 0 Inf, first in sample 5",)


def test_an_output_without_an_element_is_measured_by_nothing():
    """And a bound on it says why."""
    empty = np.zeros((3, 0), np.float32)

    measured = measure(run(y=empty), run(y=empty))

    assert set(measured.inapplicable.values()) == {"it holds no element"}


def test_whole_numbers_that_are_counts_are_held_against_their_variation():
    """An error of seven is nothing of two hundred, and more than all that the output says."""
    counts = np.random.default_rng(0).integers(197, 204, (100, 1)).astype(np.int32)
    wrong = counts + np.random.default_rng(1).integers(-7, 8, counts.shape).astype(np.int32)

    found = only(compare(run(y=counts), run(y=wrong), [bound("spread_error", 0.35)], stage="total"))

    assert found.value == pytest.approx(np.sqrt(np.mean((wrong - counts) ** 2.0)) / counts.std())
    assert found.status == "failed"
