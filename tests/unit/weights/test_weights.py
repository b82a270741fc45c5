"""The account of weights: every constant is the float conversion's, or it is told which is not, and what happened to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.weights.networks_of_constants import accounted, constant, network, operator, stored, weights, whole
from toolkit.engines.tflite.graphs import ComputingOperator
from toolkit.profiles.weight_limits import WeightLimits, Weights
from toolkit.weights.clipping import clipped
from toolkit.weights.clipping_findings import judge_clipping
from toolkit.weights.judge import judge_account
from toolkit.wire.statistics import Histograms, Statistics

RNG = np.random.default_rng(7)
SCHEMES = [
    ("int8", "int32", True),
    ("int8", "int32", False),
    ("int8", "int64", True),
    ("int8", "float32", True),
    ("int4", "float32", True),
    ("float16", "float32", True),
    ("float16", "float16", True),
    ("float32", "float32", True),
]


def judge(ours, theirs=None, said=None):
    """Return the account of an artifact, by the limits of the package."""
    found = accounted(ours, network(weights()) if theirs is None else theirs)
    return judge_account(found, Weights() if said is None else said, "quantization")


def errors(account):
    return [each for each in account.findings if each.severity == "error"]


def int8(held):
    return network(held, "int8", "int32")


def changed(name, change):
    """Return the weights with one array changed."""
    held = weights()
    return held | {name: change(held[name].copy())}


def put(values, place, value):
    values[place] = value
    return values


@pytest.mark.parametrize(("dtype", "bias", "per_channel"), SCHEMES)
def test_what_rounding_does_is_no_finding(dtype, bias, per_channel):
    found = judge(network(weights(), dtype, bias, per_channel=per_channel))

    assert found.findings == ()
    assert (found.constants, found.matrices, found.matched, found.share) == (10, 5, 5, 1)


@pytest.mark.parametrize(("dtype", "bias", "per_channel"), SCHEMES)
def test_another_training_is_seen_in_every_scheme(dtype, bias, per_channel):
    found = judge(network(weights(1), dtype, bias, per_channel=per_channel))

    assert [each.code for each in errors(found)] == ["other-weights"]
    assert errors(found)[0].stage == "quantization"
    assert len(found.wrong) == 10


FACTORS = np.linspace(0.5, 2, 8)[:, None, None, None]
MISHAPS = {
    "a weight": ("b/w", lambda w: put(w, (3, 1, 1, 2), 1.1 * w.max()), "value [3, 1, 1, 2] is"),
    "a channel of zeros": ("b/w", lambda w: put(w, 3, 0), "channel 3 is zero"),
    "channels of zeros": ("c/w", lambda w: put(w, [2, 5], 0), "2 channels (2, 5) are zero"),
    "a bias of zeros": ("d/b", lambda b: 0 * b, "is zero"),
    "one value of a bias": ("d/b", lambda b: put(b, 4, 9), "value [4] is 9"),
    "two channels exchanged": ("a/w", lambda w: w[[0, 1, 5, 3, 4, 2, 6, 7]], "2 channels (2, 5) are exchanged (axis 0)"),
    "channels in another order": ("a/w", lambda w: w[::-1], "8 channels (0, 1, 2, 3, 4, 5, ...) are in another order (axis 0)"),
    "input channels reversed": ("a/w", lambda w: w[..., ::-1], "4 channels (0, 1, 2, 3) are in another order (axis 3)"),
    "height for width": ("a/w", lambda w: w.swapaxes(1, 2), "axes 1 and 2 are exchanged"),
    "all multiplied": ("e/w", lambda w: 0.8 * w, "all values are multiplied by 0.8"),
    "a factor for each channel": ("b/w", lambda w: w * FACTORS, "each channel is multiplied by a number of its own"),
    "another epoch": ("d/w", lambda w: w + 0.1 * np.random.default_rng(3).normal(size=w.shape), "most values are off, and yet alike"),
    "another training": ("d/w", lambda w: np.random.default_rng(3).normal(size=w.shape), "other values altogether"),
    "not finite": ("e/b", lambda b: put(b, 0, np.nan), "1 values are not finite"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, scheme) for name in MISHAPS for scheme in ("float32", "int8") if (name, scheme) != ("not finite", "int8")],
)
def test_what_happened_is_told(name, scheme):
    tensor, change, says = MISHAPS[name]
    held = changed(tensor, change)

    found = judge(network(held) if scheme == "float32" else int8(held))

    assert [row["tensor"] for row in found.wrong] == [tensor]
    assert found.wrong[0]["what"].startswith(says)
    (error,) = errors(found)
    assert error.names == (tensor,)
    assert tensor in error.message


def test_of_a_flipped_bit_value_and_bit_are_told():
    ours = int8(weights())
    held = ours[1].constants[1]
    values = held.values()
    integers = values.stored.astype(np.int8)
    integers[2, 0, 1, 3] ^= np.int8(0b0100000)
    ours[1].constants[1] = stored("b/w", integers, values.step, "int8", 0)

    (row,) = judge(ours).wrong

    assert row["what"].startswith("value [2, 0, 1, 3] is")
    assert row["what"].endswith("(bit 5 flipped)")
    assert row["values_off"] == 1


@pytest.mark.parametrize("bit", [1, 2, 3, 4, 5, 6, 7])
def test_one_bit_of_many_weights_is_seen(bit):
    """Of a million weights one is two steps off: no share and no dB would tell."""
    large = RNG.normal(size=(1000, 1000))
    theirs = [operator("FULLY_CONNECTED", "y", (1, 1000), {1: constant("w", large)})]
    held = constant("w", large, "int8", 0).values()
    integers = held.stored.astype(np.int8)
    integers.view(np.uint8)[500, 500] ^= 1 << bit
    ours = [operator("FULLY_CONNECTED", "y", (1, 1000), {1: stored("w", integers, held.step, "int8", 0)})]

    found = judge(ours, theirs)

    assert [row["tensor"] for row in found.wrong] == ["w"]


def test_lower_bits_that_are_lost_are_told():
    ours = int8(weights())
    values = ours[3].constants[1].values()
    ours[3].constants[1] = stored("d/w", values.stored.astype(np.int8) & ~0xF, values.step, "int8", 0)

    assert judge(ours).wrong[0]["what"] == "the lower 4 bits of each value are lost"


def test_layers_that_have_each_others_weights_are_told():
    held = weights()
    exchanged = held | {"b/w": held["c/w"], "c/w": held["b/w"]}

    told = {row["tensor"]: row["what"] for row in judge(int8(exchanged)).wrong}

    assert told == {"b/w": "has the values of 'c/w'", "c/w": "has the values of 'b/w'"}


def test_a_bias_that_is_left_out_is_seen():
    held = weights()
    del held["d/b"]

    found = judge(int8(held))

    assert [(row["tensor"], row["what"]) for row in found.wrong] == [("d/b", "is left out")]


def test_a_bias_that_is_added_is_seen_and_one_of_zeros_is_none():
    """Quantizers add zeros where a layer has no bias."""
    held = weights()
    del held["d/b"]
    theirs = network(held)

    assert [row["what"] for row in judge(int8(weights()), theirs).wrong] == ["is added: the original has none"]
    assert judge(int8(held | {"d/b": np.zeros(16)}), theirs).findings == ()


def test_a_bias_of_zeros_may_be_left_out():
    held = weights() | {"d/b": np.zeros(16)}
    without = {name: values for name, values in held.items() if name != "d/b"}

    assert judge(int8(without), network(held)).findings == ()


def test_biases_that_overflow_are_told():
    """Where a unit died its weights are next to nothing, and so is a step of its bias: int32 does not reach it."""
    held = weights()
    held["b/w"][:] = 1e-13 * np.sign(held["b/w"])
    ours = int8(held)
    step = ours[1].bias_step
    overflown = np.full(8, -(2**31))
    ours[1].constants[2] = stored("b/b", overflown, step, "int32")

    (row,) = judge(ours, network(held)).wrong

    assert (row["tensor"], row["what"]) == (
        "b/b",
        "8 values lie beyond what can be stored, and are cut off or overflow",
    )


def test_a_table_may_be_clipped_in_rare_rows_and_not_in_more():
    """What calibration did not see lies beyond the range that a table shares with what is read of it."""
    table = RNG.uniform(-1, 1, (40, 4))
    table[0] *= 3  # one row of forty
    theirs = [operator("GATHER", "rows", (1, 16), {0: constant("table", table)})]

    def clipped(at):
        step = at / 127
        integers = np.clip(np.round(table / step), -128, 127)
        return [operator("GATHER", "rows", (1, 16), {0: stored("table", integers, step, "int8")})]

    assert judge(clipped(1.0), theirs).findings == ()
    assert [row["tensor"] for row in judge(clipped(0.5), theirs).wrong] == ["table"]


def test_a_limit_that_a_minimum_never_reaches_is_held_at_the_end_of_the_range():
    """MINIMUM(x, 1e7) with x up to 4: both share a range, and 4 decides the same. Of an ADD it is wrong."""
    for name, wrong in (("MINIMUM", 0), ("ADD", 1)):
        theirs = [operator(name, "y", (1, 4), {1: constant("most", np.array(1e7))})]
        ours = [operator(name, "y", (1, 4), {1: stored("most", np.array(127), 4 / 255, "int8")})]

        assert len(judge(ours, theirs).wrong) == wrong


def test_ids_must_be_equal():
    theirs = [operator("GATHER", "ids", (1,), {0: whole("catalog", [100, 101, 102])})]
    ours = [operator("GATHER", "ids", (1,), {0: whole("catalog", [101, 102, 103])})]

    assert judge(theirs, theirs).findings == ()
    assert [row["role"] for row in judge(ours, theirs).wrong] == ["whole"]


def test_the_least_constant_of_a_file_that_is_of_another_scale_is_refused():
    """All values are within half a step, and yet nothing is left of most of them."""
    w = RNG.normal(size=(8, 8))
    theirs = [operator("FULLY_CONNECTED", "y", (1, 8), {1: constant("w", w)})]
    ours = [operator("FULLY_CONNECTED", "y", (1, 8), {1: stored("w", np.round(w / 2), 2.0, "int8")})]

    assert judge(ours, theirs).wrong[0]["because"].endswith("10 at least")


def test_float16_that_is_all_but_zero_is_refused():
    small = RNG.normal(size=(8, 8)) * 1e-7
    theirs = [operator("FULLY_CONNECTED", "y", (1, 8), {1: constant("w", small)})]
    ours = [operator("FULLY_CONNECTED", "y", (1, 8), {1: constant("w", small, "float16")})]

    assert len(judge(ours, theirs).wrong) == 1


def test_operators_are_matched_whatever_stands_between_them():
    """QUANTIZE is passed over when a file is read; here one operator more, and one fewer."""
    theirs, ours = network(weights()), int8(weights())
    ours.insert(2, operator("RELU", "between", (1, 6, 6, 8)))
    theirs.insert(4, operator("SOFTMAX", "behind", (1, 16)))

    assert judge(ours, theirs).findings == ()


def test_of_layers_of_one_shape_that_is_missing_whose_values_are_not_there():
    """By shape alone either might be left out."""
    for name in ("b", "c"):
        ours = [each for each in int8(weights()) if each.tensor != f"{name}/out"]

        found = judge(ours)

        assert found.wrong == ()
        assert [row["tensor"] for row in found.unmatched] == [f"{name}/w", f"{name}/b"]


def test_a_share_that_is_not_found_is_a_refusal_with_the_share():
    ours = [each for each in int8(weights()) if each.tensor != "b/out"]

    (error,) = errors(judge(ours))

    assert error.code == "other-weights"
    assert "4 of the original's 5 matrices and tables are in the artifact (80%, 85% at least)" in error.message
    assert "fused in another way" in error.message
    assert "b/w" in error.message


def test_an_artifact_with_more_matrices_than_the_original_is_refused_with_the_share():
    more = operator("FULLY_CONNECTED", "more", (1, 10), {1: constant("more/w", RNG.normal(size=(10, 10)), "int8", 0)})

    found = judge([*int8(weights()), more])

    error = next(each for each in errors(found) if each.code == "other-weights")
    assert "5 of the artifact's 6 matrices and tables are in the original (83%" in error.message
    assert "more/w" in error.message
    assert {each.code for each in found.findings} == {"other-weights", "other-operators", "weights-unmatched"}


def multiplied(by: float, name: str = "MUL") -> list[ComputingOperator]:
    """Return the int8 network with an operator and its constant behind it."""
    ours = int8(weights())
    return [*ours, operator(name, "scaled", (1, 10), {1: constant("number", np.array(by))}, ours[-1:])]


def test_a_number_that_the_original_has_not_is_a_warning_where_it_may_stand_for_something():
    """Converters write one activation in several ways; what it does shows in outputs."""
    theirs = network(weights())

    found = judge(multiplied(1.5), [*theirs, operator("HARD_SWISH", "activated", (1, 10), feeds=theirs[-1:])])

    assert [(each.code, each.severity) for each in found.findings] == [("weights-unmatched", "warning")]
    assert "number" in found.findings[0].message


def test_a_number_that_stands_for_nothing_of_the_original_is_an_error():
    """All that the original computes is there, and then something more: no samples need show it."""
    theirs = network(weights())

    (error,) = errors(judge(multiplied(1.5), [*theirs, operator("RESHAPE", "laid out", (10,), feeds=theirs[-1:])]))

    assert (error.code, error.stage, error.names) == ("other-operators", "quantization", ("number",))
    assert "computes something more" in error.message
    accepted = Weights.model_validate({"accepted": ({"tensor": "number", "because": "it rescales for the display"},)})
    found = judge(multiplied(1.5), theirs, accepted)
    assert errors(found) == []
    assert "accepted, although 1 constants differ" in found.findings[-1].message


def test_what_changes_nothing_and_an_activation_beside_what_it_is_fused_into_are_no_other_operators():
    fused = [*network(weights())[:-1], replace(network(weights())[-1], options={"fusedActivationFunction": 1})]

    assert errors(judge(multiplied(1.0))) == errors(judge(multiplied(0.0, "ADD"))) == []
    assert errors(judge(multiplied(0.0, "MAXIMUM"), fused)) == []
    assert [each.code for each in errors(judge(multiplied(0.0, "MAXIMUM")))] == ["other-operators"]


def test_a_bias_that_another_converter_leaves_in_an_add_is_found_there():
    held = weights()
    theirs = network(held)
    del held["e/b"]
    ours = network(held)
    ours.append(operator("ADD", "sum", (1, 10), {1: constant("sum/b", weights()["e/b"])}, ours[-1:]))

    assert judge(ours, theirs).findings == ()


def test_a_batch_normalization_that_is_left_in_a_mul_is_said_to_be_fused_otherwise():
    """No factor can be held against one that stands elsewhere: the constant counts as not found, and is no other one."""
    held = weights()
    theirs = network(held)
    factor = np.linspace(0.5, 2, 10)
    ours = network(held | {"e/w": held["e/w"] / factor[:, None], "e/b": held["e/b"] / factor})
    ours.append(operator("MUL", "scaled", (1, 10), {1: constant("factor", factor)}, ours[-1:]))

    found = judge(ours, theirs)

    assert found.wrong == ()
    assert [(row["tensor"], row["why"]) for row in found.unmatched] == [
        ("e/w", "fused otherwise"),
        ("e/b", "fused otherwise"),
    ]
    assert "4 of the original's 5" in errors(found)[0].message


def test_transposed_weights_are_found():
    held = weights()
    ours = network(held)
    ours[3] = operator(
        "FULLY_CONNECTED", "d/out", (1, 16), {1: constant("d/w", held["d/w"].T), 2: ours[3].constants[2]}
    )

    assert judge(ours, network(held)).wrong == ()


def test_operands_that_commute_may_change_places():
    theirs = [operator("ADD", "y", (1, 4), {1: constant("c", np.arange(4.0))})]
    ours = [operator("ADD", "y", (1, 4), {0: constant("c", np.arange(4.0))})]

    assert judge(ours, theirs).findings == ()


STRIDES = {"padding": 0, "strideW": 1, "strideH": 1, "fusedActivationFunction": 1}
TOLD = [
    ({"strideW": 2}, "error", "strideW 2, not 1"),
    ({"padding": 1}, "error", "padding 1, not 0"),
    ({"fusedActivationFunction": 0}, "warning", "fusedActivationFunction none, not RELU"),
]


@pytest.mark.parametrize(("told", "severity", "says"), TOLD)
def test_what_an_operator_is_told_is_held_against_the_float_conversions(told, severity, says):
    ours = int8(weights())
    ours[1] = replace(ours[1], options=STRIDES | told)

    (finding,) = judge(ours).findings

    assert (finding.code, finding.severity) == ("other-attributes", severity)
    assert f"CONV_2D b/out: {says}" in finding.message
    assert finding.stage == ("quantization" if severity == "error" else None)


def test_an_activation_need_not_be_told_where_the_range_holds_no_more():
    """Quantizers drop a ReLU before a tensor that begins at 0; converters of other times let it stand behind."""
    ours = int8(weights())
    ours[1] = replace(ours[1], options=STRIDES | {"fusedActivationFunction": 0}, ends=(0.0, 4.2))

    assert judge(ours).findings == ()


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "severity"),
    [
        ("PAD", [0, 1, 1, 0], [1, 0, 0, 1], "error"),
        ("TRANSPOSE", [0, 2, 1], [0, 1, 2], "error"),
        ("MEAN", [1, 2], [-1, -2], None),
        ("MEAN", [1], [2], "error"),
        ("RESHAPE", [1, -1], [1, 36], None),
        ("RESHAPE", [4, 9], [1, 36], "warning"),
    ],
)
def test_whole_numbers_that_say_how_are_attributes(name, ours, theirs, severity):
    one, other = (
        [operator(name, "y", (1, 6, 6), {1: whole("how", numbers)})] for numbers in (ours, theirs)
    )  # fmt: skip

    found = judge(one, other)

    assert [each.severity for each in found.findings] == ([] if severity is None else [severity])
    assert found.wrong == ()


def test_what_is_accepted_by_name_with_a_reason_does_not_fail():
    said = Weights.model_validate({"accepted": ({"tensor": "e/*", "because": "trained again"},)})
    held = weights() | {name: values for name, values in weights(1).items() if name.startswith("e/")}

    found = judge(int8(held), said=said)

    assert errors(found) == []
    assert found.wrong == ()
    assert {row["tensor"] for row in found.accepted} == {"e/w", "e/b"}
    assert [each.severity for each in found.findings] == ["info"]
    assert "trained again" in found.findings[0].message


@pytest.mark.parametrize(
    ("pattern", "says"), [("head/*", "is not a constant of this artifact"), ("e/w", "is not needed")]
)
def test_an_acceptance_of_what_is_not_there_or_right_is_said(pattern, says):
    said = Weights.model_validate({"accepted": ({"tensor": pattern, "because": "trained again"},)})

    (finding,) = judge(int8(weights()), said=said).findings

    assert finding.severity == "info"
    assert says in finding.message


def test_a_profile_lays_its_limit_over_the_packages():
    moved = int8(weights())
    held = moved[0].constants[1].values()
    moved[0].constants[1] = stored("a/w", held.stored + 1, held.step, "int8", 0)
    said = Weights.model_validate(
        {name: {"limit": limit, "because": "GPTQ"} for name, limit in (("steps", 3), ("within", 0))}
    )

    assert len(judge(moved).wrong) == 1
    assert judge(moved, said=said).wrong == ()
    assert set(Weights().limits()) == set(WeightLimits.model_fields)


def test_nan_keeps_no_limit():
    held = weights()
    held["a/w"][0, 0, 0, 0] = held["e/b"][0] = np.nan

    assert {row["tensor"] for row in judge(network(held)).wrong} == {"a/w", "e/b"}


def test_what_cannot_be_read_counts_as_not_found():
    class Sparse:
        def values(self, _index, _step=None):
            raise ValueError("is held in a sparse encoding, which is not read")

    ours = int8(weights())
    ours[2].constants[1] = replace(ours[2].constants[1], reader=Sparse())

    found = judge(ours)

    assert "4 of the original's 5" in errors(found)[0].message
    assert "sparse" in found.unmatched[0]["why"]


def seen(values):
    """Return the statistics of one tensor, y/out, over samples (n, values)."""
    histograms = Histograms(1)
    histograms.grow(np.array([np.abs(values).max()]))
    for sample in values:
        histograms.add(0, sample.astype(np.float32))
    rows = [[[each.min(), each.max(), each.size, each.sum(), (each**2).sum()]] for each in values]
    return Statistics(("y/out",), np.arange(len(values)), np.array(rows), histograms.exponents, histograms.counts)


@pytest.mark.parametrize(
    ("low", "high", "severity"),
    [
        (0.0, 8.0, None),
        (0.0, 7.95, None),
        (0.0, 6.0, "warning"),
        (2.0, 9.0, "warning"),
        (0.0, 3.0, "error"),
        (-1e9, 1e9, None),
    ],
)
def test_a_range_is_held_against_what_calibration_showed(low, high, severity):
    """Values lie evenly from 0 to 8, and the largest may be cut off by a step, as a softmax's 1 is."""
    statistics = seen(np.linspace(0, 8, 4000).reshape(4, 1000))
    one = operator("CONV_2D", "y/out", (1, 8), ends=(low, high))

    row = clipped(one, operator("CONV_2D", "y/out", (1, 8)), statistics, 0)
    said = judge_clipping({"activations": [row]}, Weights(), "quantization")

    assert [each.severity for each in said] == ([] if severity is None else [severity])
    assert [each.stage for each in said] == (
        [] if severity is None else ["quantization" if severity == "error" else None]
    )
    assert row["share"] == pytest.approx(max(0, 8 - high) / 8 + max(0, low) / 8, abs=0.01)
    assert not said or "CONV_2D 'y/out': " in said[0].message


def test_without_histograms_no_share_is_told():
    statistics = replace(seen(np.linspace(0, 8, 400).reshape(4, 100)), exponents=None, counts=None)
    one = operator("CONV_2D", "y/out", (1, 8), ends=(0.0, 1.0))

    row = clipped(one, one, statistics, 0)

    assert (row["share"], row["samples"], row["seen"]) == (None, 1.0, [0.0, 8.0])
    assert judge_clipping({"activations": [row]}, Weights(), "quantization") == []


def test_a_constant_beside_activations_is_held_by_their_scale():
    """The initial state of a recurrence, concatenated with inputs a hundred times as large: rounding leaves few dB, and is rounding."""
    state = RNG.normal(size=(1, 8)) * 0.01
    theirs = [operator("CONCATENATION", "y", (1, 16), {1: constant("state", state)})]
    ours = [operator("CONCATENATION", "y", (1, 16), {1: stored("state", np.round(state / 0.02), 0.02, "int8")})]

    assert judge(ours, theirs).findings == ()
    ours = [operator("CONCATENATION", "y", (1, 16), {1: stored("state", np.round(state / 0.02) + 2, 0.02, "int8")})]
    assert [row["tensor"] for row in judge(ours, theirs).wrong] == ["state"]


def test_a_padding_that_an_operator_of_its_own_makes_is_a_warning():
    """One converter fuses a PAD into the convolution behind it, another leaves it."""
    ours = int8(weights())
    pad = operator("PAD", "padded", (1, 8, 8, 8), {1: whole("paddings", [0, 1, 1, 0])}, ours[:1])
    ours[1] = replace(ours[1], options=STRIDES | {"padding": 1}, feeds={0: pad})
    ours.insert(1, pad)

    found = judge(ours)

    assert [(each.code, each.severity) for each in found.findings] == [("other-attributes", "warning")]


def test_one_number_below_float16s_normal_range_is_no_finding():
    """It is cut off and not rounded, and makes a hundredth of a small constant."""
    w = RNG.normal(size=(8, 8))
    w[0, 0] = 0.65 * 2.0**-24
    theirs = [operator("FULLY_CONNECTED", "y", (1, 8), {1: constant("w", w)})]
    half = constant("w", w, "float16")
    half.values().stored[0, 0] = half.values().real[0, 0] = 0

    assert judge([operator("FULLY_CONNECTED", "y", (1, 8), {1: half})], theirs).findings == ()


def test_a_network_without_matrices_has_all_of_them():
    only = [operator("ADD", "y", (1, 4), {1: constant("c", np.arange(4.0))})]

    found = judge(only, only)

    assert (found.matrices, found.share, found.findings) == (0, 1.0, ())
    assert "0 of 0 matrices found: all within their steps" in found.line()


def test_a_line_says_the_least_decibels_of_a_matrix_and_how_many_are_others():
    sound, other = judge(int8(weights())), judge(int8(weights(1)))

    assert (
        f"{min(float(row['sqnr_db']) for row in sound.worst if row['role'] == 'matrix'):.3g} dB at the least"
        in sound.line()
    )
    assert "10 constants compared" in other.line()
    assert other.line().endswith("5 of 5 matrices found: 10 differ")


def test_the_decibels_are_those_of_signal_to_noise():
    theirs = [operator("FULLY_CONNECTED", "y", (1, 8), {1: constant("w", np.full((2, 2), 1.0))})]
    ours = [operator("FULLY_CONNECTED", "y", (1, 8), {1: constant("w", np.full((2, 2), 1.1))})]

    (row,) = judge(ours, theirs).wrong

    assert float(row["sqnr_db"]) == pytest.approx(20)
    assert float(row["error"]) == pytest.approx(0.1)


def test_the_channel_that_is_off_most_is_named():
    held = changed("b/w", lambda w: put(w, 6, 2 * w[6]))
    held["b/w"][1] *= 1.5

    assert judge(network(held)).wrong[0]["channel"] == 6


def test_constants_with_one_mishap_are_told_together_and_three_mishaps_at_the_most():
    together = {name: np.zeros_like(values) if name.endswith("/b") else values for name, values in weights().items()}

    message = errors(judge(int8(together)))[0].message

    assert message.startswith("5 of 10 constants are not the float32 conversion's: ")
    assert "(bias) and 4 more: is zero. Convert this original again" in message
    assert errors(judge(int8(weights(1))))[0].message.count(": ") <= 6


def test_an_activation_behind_need_not_be_fused_where_nothing_else_reads_what_is_before_it():
    def file(*others):
        ours = int8(weights())[:2]
        ours[1] = replace(ours[1], options=STRIDES | {"fusedActivationFunction": 0})
        return [
            *ours,
            operator("RELU", "behind", (1, 6, 6, 8), feeds=ours[1:2]),
            *(operator(name, name, (1,), feeds=ours[1:2]) for name in others),
        ]

    codes = [{each.code for each in judge(file(*others), network(weights())[:2]).findings} for others in ((), ("ABS",))]

    assert codes == [set(), {"other-attributes"}]


def test_what_is_right_has_no_mishap():
    for dtype, bias, per_channel in SCHEMES:
        rows = accounted(network(weights(), dtype, bias, per_channel=per_channel), network(weights()))["constants"]

        assert {row["what"] for row in rows} == {None}
