"""Constants that are off beside operators that only one file has: explained where folding these gives the same, and told everywhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.weights.networks_of_constants import accounted, constant, operator
from toolkit.profiles.weight_limits import Weights
from toolkit.weights.account_job import thresholds
from toolkit.weights.judge import judge_account

RANDOM = np.random.default_rng(7)
MATRIX = RANDOM.normal(size=(24, 16))
KERNEL, DEEP = RANDOM.normal(size=(8, 3, 3, 4)), RANDOM.normal(size=(1, 3, 3, 8))
BIAS = RANDOM.normal(size=24)
FACTOR, OFFSET = RANDOM.uniform(0.5, 2, 24), RANDOM.normal(size=24)
DTYPES = ("float32", "int8")
KINDS = {
    "FULLY_CONNECTED": (MATRIX, (1, 24)),
    "CONV_2D": (KERNEL, (1, 6, 6, 8)),
    "DEPTHWISE_CONV_2D": (DEEP, (1, 6, 6, 8)),
}


def layer(matrix, bias=None, feeds=(), dtype="float32", kind="FULLY_CONNECTED", **more):
    """Return a layer with weights and a float bias."""
    axis = -1 % matrix.ndim if kind == "DEPTHWISE_CONV_2D" else 0
    held = {1: constant("w", matrix, dtype, None if dtype == "float32" else axis)}
    held |= {} if bias is None else {2: constant("b", bias)}
    return operator(kind, "y", KINDS[kind][1], held, feeds, **more)


def beside(name, numbers, feeds=(), dtype="float32", place=1, shape=(1, 24), **more):
    """Return an operator with one constant."""
    return operator(name, f"{name}/y", shape, {place: constant(name, numbers, dtype)}, feeds, **more)


def judged(ours, theirs):
    return judge_account(accounted(ours, theirs), Weights(), "quantization")


def others(found):
    """Return the names of the constants that are another model's, and the operators that compute something more."""
    besides = (each.names for each in found.findings if each.code == "other-operators" and each.severity == "error")
    return [row["tensor"] for row in found.wrong], [name for names in besides for name in names]


def fused(found):
    return sorted(row["tensor"] for row in found.unmatched if row["why"] == "fused otherwise")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "number"), [("MUL", 1.0), ("ADD", 0.0), ("SUB", 0.0), ("DIV", 1.0)])
@pytest.mark.parametrize("behind", [True, False])
def test_what_changes_nothing_explains_no_lost_bias(dtype, name, number, behind):
    front = [] if behind else [beside(name, np.full(16, number), shape=(1, 16))]
    lost = [*front, layer(MATRIX, np.zeros(24), front, dtype)]
    ours = [*lost, beside(name, np.full(24, number), lost)] if behind else lost

    assert others(judged(ours, [layer(MATRIX, BIAS)])) == (["b"], [])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_a_lost_bias_does_not_hide_a_factor_in_front(dtype, factor):
    """Nor the other way round: both are told."""
    factors = np.ones(16)
    factors[5] = factor
    front = beside("MUL", factors, shape=(1, 16))

    found = judged([front, layer(MATRIX, np.zeros(24), [front], dtype)], [layer(MATRIX, BIAS)])

    assert others(found) == (["b"], ["MUL"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_offset_that_is_the_lost_bias_does_not_hide_a_factor_in_front(dtype):
    """The offset behind explains the bias. The factor in front is no part of that."""
    front = beside("MUL", np.where(np.arange(16) == 5, -1.0, 1.0), shape=(1, 16))
    lost = layer(MATRIX, OFFSET, [front], dtype)

    found = judged([front, lost, beside("ADD", BIAS - OFFSET, [lost])], [layer(MATRIX, BIAS)])

    assert (others(found), fused(found)) == (([], ["MUL"]), ["b"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_offset_behind_a_factor_explains_no_bias_where_the_factor_breaks_the_weights(dtype):
    lost = layer(MATRIX, OFFSET, dtype=dtype)
    factor = beside("MUL", np.where(np.arange(24) == 5, -1.0, 1.0), [lost])
    ours = [lost, factor, beside("ADD", BIAS - OFFSET * np.where(np.arange(24) == 5, -1.0, 1.0), [factor])]

    assert others(judged(ours, [layer(MATRIX, BIAS)]))[0] == ["b"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_another_offset_than_the_lost_bias_explains_nothing(dtype, offset):
    lost = layer(MATRIX, np.zeros(24), dtype=dtype)

    assert others(judged([lost, beside("ADD", offset * BIAS, [lost])], [layer(MATRIX, BIAS)]))[0] == ["b"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_normalization_that_is_left_behind_a_layer_is_fused_otherwise(dtype):
    """Its factor and its offset are those that the original has folded; rounded as the artifact holds them."""
    before = layer(MATRIX, BIAS, dtype=dtype)
    factor = beside("MUL", FACTOR, [before], dtype)
    ours = [before, factor, beside("ADD", OFFSET, [factor], dtype)]

    found = judged(ours, [layer(MATRIX * FACTOR[:, None], BIAS * FACTOR + OFFSET)])

    assert (others(found), fused(found)) == (([], []), ["b", "w"])
    broken = [replace(before, constants={**before.constants, 2: constant("b", 0 * BIAS)}), *ours[1:]]
    broken[1] = replace(factor, feeds={0: broken[0]})
    broken[2] = replace(ours[2], feeds={0: broken[1]})
    assert "b" in others(judged(broken, [layer(MATRIX * FACTOR[:, None], BIAS * FACTOR + OFFSET)]))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_normalization_that_only_the_original_leaves_in_front_is_fused_otherwise(kind):
    """(x - m) / s met by weights: what the artifact has folded into weights and bias, for each kind of weights."""
    matrix, shape = KINDS[kind]
    count, out = matrix.shape[-1], matrix.shape[0] if kind != "DEPTHWISE_CONV_2D" else 8
    mean, spread = np.linspace(-1, 2, count), np.full(count, 3.0)
    axes = (0, 1, 2) if kind == "DEPTHWISE_CONV_2D" else tuple(range(1, matrix.ndim))
    bias, shift = np.linspace(1, 2, out), (matrix / spread * mean).sum(axis=axes)
    less = beside("SUB", mean, shape=shape)
    divided = beside("DIV", spread, [less], shape=shape)
    theirs = [less, divided, layer(matrix, bias, [divided], kind=kind)]

    found = judged([layer(matrix / spread, bias - shift, kind=kind)], theirs)
    broken = judged([layer(matrix / spread, bias, kind=kind)], theirs)

    assert (others(found), fused(found)) == (([], []), ["b", "w"])
    assert others(broken)[0] == ["w"]  # the bias is the original's, and was not folded


@pytest.mark.parametrize(("rest", "wrong"), [(1.0, 0), (1.3, 1)])
def test_a_factor_in_two_parts_is_fused_otherwise(rest, wrong):
    whole = beside("MUL", FACTOR * 3)
    first = beside("MUL", FACTOR)
    ours = [first, beside("MUL", np.array(3.0 * rest), [first])]

    assert len(others(judged(ours, [whole]))[0]) == wrong


def test_what_something_else_reads_too_is_not_folded():
    """Twice the weights and half of the result, where a second reader meets twice the original's."""
    before = layer(2 * MATRIX, 2 * BIAS)
    ours = [before, beside("MUL", np.array(0.5), [before]), operator("ABS", "other", (1, 24), feeds=[before])]
    plain = layer(MATRIX, BIAS)
    theirs = [plain, operator("ABS", "other", (1, 24), feeds=[plain])]

    assert others(judged(ours[:2], theirs[:1])) == ([], [])
    assert sorted(others(judged(ours, theirs))[0]) == ["b", "w"]


def test_an_activation_between_them_keeps_two_operators_apart():
    before = layer(MATRIX, BIAS - OFFSET, options={"fusedActivationFunction": 1})
    theirs = [layer(MATRIX, BIAS, options={"fusedActivationFunction": 1})]

    assert others(judged([before, beside("ADD", OFFSET, [before])], theirs))[0] == ["b"]


def test_numbers_for_each_place_explain_nothing():
    before = layer(KERNEL, np.zeros(8), kind="CONV_2D")
    ours = [before, beside("ADD", np.ones((1, 6, 6, 8)), [before], shape=(1, 6, 6, 8))]

    assert others(judged(ours, [layer(KERNEL, BIAS[:8], kind="CONV_2D")]))[0] == ["b"]


@pytest.mark.parametrize(
    ("other", "dtype"),
    [({"rounded": 0.1}, "int8"), ({"off": 1e9}, "float32"), ({"left": 1e-9}, "int8"), ({"lost": 1e-9}, "int8")],
)
def test_each_threshold_of_the_file_decides(other, dtype):
    """A normalization behind a layer is an excuse by the shipped ones, and none by one that nothing meets."""
    before = layer(MATRIX, BIAS, dtype=dtype)
    factor = beside("MUL", FACTOR, [before], dtype)
    ours = [before, factor, beside("ADD", OFFSET, [factor], dtype)]
    theirs = [layer(MATRIX * FACTOR[:, None], BIAS * FACTOR + OFFSET)]

    def excused(limits):
        return fused(judge_account(accounted(ours, theirs, None, limits), Weights(), "quantization"))

    assert excused(thresholds()) == ["b", "w"]
    assert excused(replace(thresholds(), **other)) != ["b", "w"]
