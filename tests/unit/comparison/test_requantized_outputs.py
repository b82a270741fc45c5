"""Outputs of which one side counts in steps of a scale and the other in bare integers: nothing says what such an integer is worth."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.comparison import compare
from toolkit.comparison.compare import RunOutputs
from toolkit.tensors.signature import Signature, TensorSpec

COUNT = 4
INTEGERS = np.arange(COUNT * 3, dtype=np.int64).reshape(COUNT, 1, 3)


def run(name, dtype, scale=None):
    """Return a run of one output, of the same numbers whatever they stand for."""
    quantized = {} if scale is None else {"scale": (scale,), "zero_point": (0,)}
    spec = TensorSpec("y", dtype, (1, 3), **quantized)
    return RunOutputs(name, Signature("", (), (spec,)), [{"y": INTEGERS.astype(dtype)}])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
@pytest.mark.parametrize(("other", "scale"), [("float32", None), ("float32", 0.5), ("int8", 0.5), ("uint8", 1.0)])
def test_bare_integers_against_real_numbers_are_a_mismatch_whichever_side_has_them(dtype, other, scale):
    for reference, candidate in [((other, scale), (dtype, None)), ((dtype, None), (other, scale))]:
        measured = compare.measure(run("original", *reference), run("device", *candidate))

        assert "without a scale" in measured.mismatches["y"]
        assert not measured.measurements


@pytest.mark.parametrize(("dtype", "other"), [("int64", "int32"), ("int32", "int32"), ("uint8", "int64")])
def test_integers_without_a_scale_on_both_sides_are_compared(dtype, other):
    """Ids and classes, which converters write in another width."""
    measured = compare.measure(run("original", dtype), run("device", other))

    assert not measured.mismatches
    assert measured.measurement("y", "max_abs").values["real"] == 0.0


@pytest.mark.parametrize(("dtype", "scale"), [("float32", None), ("float32", 0.5), ("int8", 0.5)])
def test_real_numbers_are_compared_with_what_is_quantized(dtype, scale):
    measured = compare.measure(run("original", dtype, scale), run("device", "int8", 0.5))

    assert not measured.mismatches


def test_the_message_says_which_side_has_no_scale():
    forth = compare.measure(run("original", "float32"), run("device", "uint8"))
    back = compare.measure(run("original", "uint8"), run("device", "int8", 0.5))

    assert forth.mismatches["y"] == "uint8 without a scale, the reference is float32"
    assert back.mismatches["y"] == "int8 with a scale, the reference is uint8 without a scale"
