"""Factors in front of a matrix: a healthy file is accounted for, and a broken one is told, whichever of factors and weights is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.weights.networks_of_constants import accounted, constant, operator, stored
from toolkit.profiles.weight_limits import Weights
from toolkit.weights.judge import judge_account

RANDOM = np.random.default_rng(11)
MATRIX, OTHER = RANDOM.normal(size=(2, 24, 64))
FACTORS = np.exp(RANDOM.normal(0, 0.7, 64))
# What meets a column with a large factor is small: this is what such a factor is for.
MOMENTS = {"one": FACTORS**-4, "two": FACTORS**-4}
BITS = ("int8", "int4")


def multiplied(name, factors, feeds=(), place=1, shape=(1, 64), **options):
    """Return a MUL by constant factors."""
    return operator("MUL", name, shape, {place: constant(f"{name}/f", factors)}, feeds, options=options)


def product(name, matrix, feeds=(), shape=(1, 24)):
    return operator("FULLY_CONNECTED", name, shape, {1: matrix}, feeds)


def floats(*names):
    """Return products of one input with MATRIX and OTHER."""
    return [product(name, constant(f"{name}/w", matrix)) for name, matrix in zip(names, (MATRIX, OTHER), strict=False)]


def scaled(name, matrix, dtype, factors=FACTORS, meets=None):
    """Return a matrix that is rounded after its columns were divided by factors, behind a MUL by them, or by those that it `meets`."""
    before = multiplied(f"{name}/scaled", factors if meets is None else meets)
    return [before, product(name, constant(f"{name}/w", matrix / factors, dtype, 0), [before])]


def judged(ours, theirs=None, moments=MOMENTS):
    return judge_account(
        accounted(ours, floats("one") if theirs is None else theirs, moments), Weights(), "quantization"
    )


def graver(found):
    return [(each.code, each.severity) for each in found.findings]


@pytest.mark.parametrize("dtype", BITS)
def test_scaled_columns_are_the_originals(dtype):
    """The factors are no operator that computes something more, and nothing is left over."""
    found = accounted(scaled("one", MATRIX, dtype), floats("one"), MOMENTS)
    (row,) = found["constants"]

    assert judge_account(found, Weights(), "quantization").findings == ()
    assert (row["tensor"], row["original"], row["within"]) == ("one/w", "one/w", 1.0)
    assert row["factors"]["noise_db"] < 0
    assert found["operators"] == {"artifact": 2, "original": 1, "matched": 1, "added": [], "missing": []}


@pytest.mark.parametrize("dtype", BITS)
@pytest.mark.parametrize("bit", [0, 3])
def test_a_bit_that_flipped_in_one_weight_is_told(dtype, bit):
    before, after = scaled("one", MATRIX, dtype)
    values = after.constants[1].values()
    integers = values.stored.copy()
    integers[3, 6] ^= 1 << bit
    broken = replace(after, constants={1: stored("one/w", integers, values.step, dtype, 0)})

    (row,) = judged([before, broken]).wrong

    assert row["what"].startswith("value [3, 6] is ")
    assert row["what"].endswith(f"(bit {bit} flipped)")


@pytest.mark.parametrize("dtype", BITS)
@pytest.mark.parametrize("by", [0.7, 1.4, 0.0, -1.0, np.nan])
def test_a_factor_that_is_another_is_told(dtype, by):
    changed = FACTORS.copy()
    changed[int(FACTORS.argmin())] *= by

    assert "error" in {severity for _, severity in graver(judged(scaled("one", MATRIX, dtype, meets=changed)))}


@pytest.mark.parametrize("dtype", BITS)
def test_factors_that_are_lost_are_told(dtype):
    _, after = scaled("one", MATRIX, dtype)

    assert [row["tensor"] for row in judged([replace(after, feeds={})]).wrong] == ["one/w"]


@pytest.mark.parametrize("dtype", BITS)
def test_factors_of_another_matrix_are_told(dtype):
    """Two products read one input, each by factors of its own."""
    mine, its = FACTORS, FACTORS[::-1]
    theirs = floats("one", "two")

    healthy = judged([*scaled("one", MATRIX, dtype, mine), *scaled("two", OTHER, dtype, its)], theirs, {})
    broken = judged(
        [*scaled("one", MATRIX, dtype, mine, meets=its), *scaled("two", OTHER, dtype, its, meets=mine)], theirs, {}
    )

    assert healthy.wrong == ()
    assert sorted(row["tensor"] for row in broken.wrong) == ["one/w", "two/w"]


def lost_column(dtype, column):
    """Return a file whose factor of one column is so large that the whole column is stored as zeros."""
    factors = np.ones(64)
    factors[column] = 1e4
    return scaled("one", MATRIX, dtype, factors)


@pytest.mark.parametrize("dtype", BITS)
def test_a_column_that_is_lost_is_told_where_something_meets_it(dtype):
    """Each of its zeros is within half a step, for its steps are that large."""
    busy, idle = {"one": np.ones(64)}, {"one": np.where(np.arange(64) == 4, 1e-9, 1.0)}

    (row,) = judged(lost_column(dtype, 4), moments=busy).wrong

    assert "dB to the noise of rounding without them" in row["because"]
    assert judged(lost_column(dtype, 4), moments=idle).wrong == ()


@pytest.mark.parametrize("dtype", BITS)
def test_a_row_of_zeros_hides_no_lost_column(dtype):
    """It is rounded without loss, by whatever steps, so it allows for no noise."""
    matrix, factors = MATRIX / 1000, np.ones(64)
    matrix[0], factors[4] = 0, 1e4

    found = judged(
        scaled("one", matrix, dtype, factors), [product("one", constant("one/w", matrix))], {"one": np.ones(64)}
    )

    assert [row["tensor"] for row in found.wrong] == ["one/w"]


def test_whether_a_lost_column_matters_is_open_without_a_calibration_set():
    found = judged(lost_column("int8", 4), moments={})
    (said,) = found.findings

    assert (said.code, said.severity) == ("factors-unknown", "inconclusive")
    assert "next to nothing of 1 columns" in said.message
    assert "--calibration" in said.fix
    assert judged(scaled("one", MATRIX, "int8"), moments={}).findings == ()


def coarse(factor):
    """Return a file whose columns are all but one divided by a factor, which leaves each of them a few steps."""
    factors = np.full(64, factor)
    factors[0] = 1.0
    return scaled("one", MATRIX, "int8", factors)


@pytest.mark.parametrize("factor", [140.0, 200.0])
def test_a_matrix_that_is_coarse_in_the_original_s_units_is_told(factor):
    """Divided by the factors, nearly all of it is the one fine column."""
    _, after = coarse(factor)
    noise = after.constants[1].values().real * np.where(np.arange(64), factor, 1.0) - MATRIX

    unknown, met = judged(coarse(factor), moments={}), judged(coarse(factor), moments={"one": np.ones(64)})

    assert float(unknown.worst[0]["sqnr_db"]) == pytest.approx(
        20 * np.log10(np.linalg.norm(MATRIX) / np.linalg.norm(noise))
    )
    assert graver(unknown) == [("factors-unknown", "inconclusive")]
    assert graver(met) == [("other-weights", "error")]


def test_a_matrix_with_too_few_decibels_is_open_whatever_rounding_without_factors_leaves():
    matrix = MATRIX.copy()
    matrix[:, 0] *= 300  # so that rounding without factors leaves next to nothing of the others, too

    found = accounted(scaled("one", matrix, "int8", np.full(64, 2.0)), [product("one", constant("one/w", matrix))], {})
    (row,) = found["constants"]
    limits = Weights.model_validate({"weights_db": {"limit": float(row["sqnr_db"]) + 1, "because": "more is wanted"}})

    assert judge_account(found, Weights(), "quantization").findings == ()
    assert [each.code for each in judge_account(found, limits, "quantization").findings] == ["factors-unknown"]


def test_moments_of_zeros_show_nothing():
    """A matrix that only zeros met in the calibration set: whether a lost column matters is as open as without a set."""
    zeros = {"one": np.zeros(64)}

    assert graver(judged(lost_column("int8", 4), moments=zeros)) == [("factors-unknown", "inconclusive")]
    assert judged(scaled("one", MATRIX, "int8"), moments=zeros).findings == ()


def cut_off(share):
    """Return a file whose largest values are cut off at a share of the usual end."""
    mild = FACTORS**0.25
    before, after = scaled("one", MATRIX, "int4", mild)
    step = after.constants[1].values().step * share
    integers = np.clip(np.round(MATRIX / mild / step), -7, 7)
    return [before, product("one", stored("one/w", integers, step, "int4", 0), [before])]


def test_values_that_are_cut_off_are_weighed_by_what_meets_them():
    """OSCAR cuts a few off on purpose. Without a calibration set a few are let be, and more leave the verdict open."""
    few, many = cut_off(0.9), cut_off(0.55)

    assert graver(judged(few, moments={})) == graver(judged(few)) == []
    assert graver(judged(many, moments={})) == [("factors-unknown", "inconclusive")]
    assert graver(judged(many)) == [("other-weights", "error")]


def test_few_values_that_lie_on_a_grid_are_no_measure():
    """Rounding without factors loses nothing of them by chance; what it loses on average counts."""
    matrix = np.round(7 * MATRIX / np.abs(MATRIX).max(axis=1, keepdims=True)) / 7
    theirs = [product("one", constant("one/w", matrix))]

    found = accounted(scaled("one", matrix, "int4"), theirs, MOMENTS)

    assert judge_account(found, Weights(), "quantization").findings == ()


@pytest.mark.parametrize(
    "reader",
    [
        operator("TANH", "t", (1, 64)),
        operator("FULLY_CONNECTED", "t", (1, 64), {0: constant("x", MATRIX)}),
    ],
    ids=["something else", "as a matrix"],
)
def test_what_else_reads_multiplied_values_computes_something_more(reader):
    """They stand for nothing in the original."""
    before, after = scaled("one", MATRIX, "int8")
    other = replace(reader, feeds={0 if reader.name == "TANH" else 1: before})
    found = judged([before, after, other], [*floats("one"), replace(reader, feeds={})])

    assert "error" in {severity for _, severity in graver(found)}


def test_an_activation_behind_the_factors_is_no_part_of_them():
    before, after = scaled("one", MATRIX, "int8")
    relu = replace(before, options={"fusedActivationFunction": 1})

    assert "error" in {severity for _, severity in graver(judged([relu, replace(after, feeds={0: relu})]))}


def test_factors_of_a_float_matrix_are_no_rounding():
    """What multiplies there multiplies to no purpose, and is told as before."""
    before = multiplied("one/scaled", FACTORS)
    found = judged([before, product("one", constant("one/w", MATRIX / FACTORS), [before])])

    assert graver(found)


def gated(ours, dtype=None):
    """Return a product of what a gate multiplies, a normalization's factors among it; `ours` with factors in front."""
    gate = operator("MUL", "gate", (1, 64))
    norm = multiplied("norm", np.linspace(0.5, 2, 64), [gate])
    if not ours:
        return [gate, norm, product("one", constant("one/w", MATRIX), [norm])]
    before = replace(multiplied("scaled", FACTORS), feeds={0: norm})
    return [gate, norm, before, product("one", constant("one/w", MATRIX / FACTORS, dtype, 0), [before])]


@pytest.mark.parametrize("dtype", BITS)
def test_a_multiplication_of_the_original_s_is_told_from_factors(dtype):
    found = accounted(gated(True, dtype), gated(False), {"one": FACTORS**-4})

    assert judge_account(found, Weights(), "quantization").findings == ()
    assert {row["tensor"]: row["factors"] is not None for row in found["constants"]} == {"norm/f": False, "one/w": True}


def test_a_multiplication_of_the_original_s_that_is_lost_is_told():
    """The factors do not pass for it."""
    gate, _, before, after = gated(True, "int8")
    without = replace(before, feeds={0: gate})

    assert "error" in {
        severity for _, severity in graver(judged([gate, without, replace(after, feeds={0: without})], gated(False)))
    }


def test_a_multiplication_that_both_have_is_compared_for_itself():
    """In front of an integer matrix as in front of the float one."""
    norm = multiplied("norm", FACTORS)
    theirs = [norm, product("one", constant("one/w", MATRIX), [norm])]

    found = accounted([norm, product("one", constant("one/w", MATRIX, "int8", 0), [norm])], theirs)

    assert [row["tensor"] for row in found["constants"]] == ["norm/f", "one/w"]
    assert judge_account(found, Weights(), "quantization").findings == ()
