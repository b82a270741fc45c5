"""Tensors are known by name, and their integers are read as the real numbers they stand for."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from toolkit.errors import InvalidSource, UnknownName
from toolkit.tensors.signature import FileSignature, Signature, TensorSpec

SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "image", "dtype": "float32", "shape": [1, None, None, 3]}],
    "outputs": [
        {"name": "boxes", "dtype": "float32", "shape": None},
        {"name": "scores", "dtype": "int8", "shape": [1, 10], "scale": [0.00390625], "zero_point": [-128]},
    ],
}


def spec(**changes):
    return TensorSpec(**({"name": "y", "dtype": "int8", "shape": (1, 3)} | changes))


def test_json_comes_back_as_it_was():
    """Signatures travel between host, workers and stored runs as JSON."""
    assert Signature.from_json(json.loads(json.dumps(SIGNATURE))).to_json() == SIGNATURE


def test_tensors_are_sorted_by_name():
    """Converters reorder outputs, so no order may mean anything."""
    turned = SIGNATURE | {"outputs": SIGNATURE["outputs"][::-1]}

    assert Signature.from_json(turned) == Signature.from_json(SIGNATURE)


def test_a_tensor_is_had_by_name_only():
    """Position is how two outputs of one shape get swapped unnoticed."""
    signature = Signature.from_json(SIGNATURE)

    assert signature.output("scores").dtype == "int8"
    assert signature.input("image").shape == (1, None, None, 3)
    with pytest.raises(UnknownName, match=r"output 'score': unknown; did you mean 'scores'\? known: boxes, scores"):
        signature.output("score")
    with pytest.raises(UnknownName, match="input 'scores'"):
        signature.input("scores")


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_two_tensors_of_one_name_are_refused(side):
    """A name that means two tensors binds nothing."""
    with pytest.raises(InvalidSource, match=rf"signature 'serving_default': {side} \['.*'\] are named twice"):
        Signature.from_json(SIGNATURE | {side: SIGNATURE[side] * 2})


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "given", "real"),
    [
        ("int8", (0.5,), (-128,), [-128, 0, 127], [0.0, 64.0, 127.5]),
        ("uint8", (2.0,), (1,), [0, 1, 255], [-2.0, 0.0, 508.0]),
        ("int64", (), (), [-(2**40), 3], [-(2.0**40), 3.0]),
        ("bool", (), (), [True, False], [1.0, 0.0]),
        ("float32", (), (), [0.5, np.nan, np.inf], [0.5, np.nan, np.inf]),
        ("float32", (0.5,), (3,), [0.5, -1.5], [0.5, -1.5]),
    ],
)
def test_real_values_follow_from_scale_and_zero_point(dtype, scale, zero_point, given, real):
    """Of integers alone: a float tensor that carries a grid was dequantized inside the model."""
    tensor = spec(dtype=dtype, scale=scale, zero_point=zero_point)

    result = tensor.dequantize(np.array([given], dtype))

    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, [real])


@pytest.mark.parametrize(
    ("dtype", "scale", "step"),
    [("int8", (0.25,), 0.25), ("float32", (0.25,), 0.25), ("int64", (), 1.0), ("bool", (), 1.0), ("float32", (), None)],
)
def test_one_step_of_a_tensor(dtype, scale, step):
    """Errors in LSB are counted in it; plain floats have none."""
    assert spec(dtype=dtype, scale=scale, zero_point=(0,) * len(scale)).lsb == step


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_refused(scale):
    """Converters write them and exit with 0; every number read with one would be wrong."""
    with pytest.raises(InvalidSource, match=r"tensor 'y': scale .*; expected a finite number above 0"):
        spec(scale=(scale,), zero_point=(0,))


def test_scales_without_zero_points_are_refused():
    """Half of a quantization is no quantization."""
    with pytest.raises(InvalidSource, match="tensor 'y': 1 scales and 0 zero points"):
        spec(scale=(0.5,))


def test_per_channel_outputs_are_refused():
    """TFLite has them for constants only; along which axis would be a guess."""
    with pytest.raises(InvalidSource, match="tensor 'y': 2 scales"):
        spec(scale=(0.5, 0.5), zero_point=(0, 0))


def test_nothing_can_be_changed_afterwards():
    """What a run was read with must be what it was made with."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec().name = "x"


HELD = {
    "inputs": [
        {"dtype": "int8", "name": "a", "scale": [0.5], "shape": [1, None], "zero_point": [3]},
        {"dtype": "float32", "name": "b", "shape": None},
    ],
    "key": "serving_default",
    "order": {"inputs": ["b", "a"], "outputs": ["y"]},
    "outputs": [{"dtype": "float32", "name": "y", "shape": [1, 2]}],
}


def test_a_files_signature_is_the_json_that_it_was_read_from():
    """To the last byte, with the file's own order; one without an order has none."""
    unordered = {key: value for key, value in HELD.items() if key != "order"}

    assert json.dumps(FileSignature.from_json(HELD).to_json()) == json.dumps(HELD)
    assert json.dumps(FileSignature.from_json(unordered).to_json()) == json.dumps(unordered)


def test_a_files_signature_without_its_order_is_as_any_other():
    assert FileSignature.from_json(HELD).plain == Signature.from_json(HELD)


def test_names_that_are_exchanged_are_so_in_the_files_order_too():
    held = FileSignature.from_json(HELD).called({"inputs": {"a": "b", "b": "a"}, "outputs": {"y": "scores"}})

    assert [(spec.name, spec.dtype) for spec in held.inputs] == [("a", "float32"), ("b", "int8")]
    assert held.order == {"inputs": ("a", "b"), "outputs": ("scores",)}
