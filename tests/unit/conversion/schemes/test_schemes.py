"""What schemes say, held against their names and against who makes them; and what a file holds against what was asked of it."""

from __future__ import annotations

import json
import re

import pytest

from toolkit import registry
from toolkit.conversion.tflite import audit as tflite_held
from toolkit.engines.tflite.operators import Operator, Tensor
from toolkit.errors import RequestError, UnknownName
from toolkit.profiles.recipe import Recipe

SCHEMES = registry.names("conversion/schemes")
QUANTIZED = [name for name in SCHEMES if registry.load("conversion/schemes", name).QUANTIZERS]
NAME = re.compile(r"(?P<how>static|dynamic|weight_only)_wi(?P<weights>\d+)(_a(?P<kind>i|fp)(?P<activations>\d+))?")
DTYPES = {("i", "8"): "int8", ("i", "16"): "int16", ("fp", "32"): "float32", (None, None): "float32"}


@pytest.mark.parametrize("name", [name for name in SCHEMES if "_wi" in name])
def test_a_scheme_is_what_its_name_says(name):
    scheme, said = registry.load("conversion/schemes", name), NAME.fullmatch(name)

    assert said is not None
    assert f"int{said['weights']}" == scheme.WEIGHTS
    assert DTYPES[said["kind"], said["activations"]] == scheme.ACTIVATIONS
    assert scheme.CALIBRATED is (said["how"] == "static")


@pytest.mark.parametrize("name", QUANTIZED)
def test_each_quantizer_of_a_scheme_exists_and_is_told_json(name):
    for quantizer, told in registry.load("conversion/schemes", name).QUANTIZERS.items():
        assert registry.load("conversion/quantizers", quantizer).FORMAT in registry.names("conversion/converters")
        assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("name", QUANTIZED)
def test_each_scheme_can_be_made_for_tflite(name):
    assert [variant.quantizer for variant in Recipe(name).variants("tflite")]


@pytest.mark.parametrize("name", [name for name in QUANTIZED if "_wi" in name])
def test_litert_quantizer_is_told_the_bits_of_the_scheme(name):
    scheme = registry.load("conversion/schemes", name)
    config = scheme.QUANTIZERS["litert_quantizer"]["op_config"]

    assert f"int{config['weight_tensor_config']['num_bits']}" == scheme.WEIGHTS
    if scheme.ACTIVATIONS == "float32":
        assert "activation_tensor_config" not in config
    else:
        assert f"int{config['activation_tensor_config']['num_bits']}" == scheme.ACTIVATIONS
    assert config["explicit_dequantize"] is name.startswith("weight_only")


@pytest.mark.parametrize("name", QUANTIZED)
def test_what_nothing_completes_is_not_refused_for_being_incomplete(name):
    """Only where another quantizer is asked in its place."""
    quantizers = registry.load("conversion/schemes", name).QUANTIZERS

    assert quantizers["litert_quantizer"]["complete"] is ("converter" in quantizers)


@pytest.mark.parametrize(
    ("scheme", "dtype"), [("static_wi8_ai8", "int16"), ("static_wi8_ai16", "int8"), ("float16", "int8")]
)
def test_a_dtype_that_a_scheme_cannot_have_is_refused_with_those_it_can(scheme, dtype):
    with pytest.raises(RequestError, match=f"{scheme}: inputs '{dtype}' is not available; known: float32"):
        Recipe(scheme, inputs=dtype).variants("tflite")


def tensor(name, dtype="float32", shape=(1, 8), scales=0, *, constant=False):
    return Tensor(name, dtype, shape, scales, constant)


def weights(name, dtype="int8", shape=(16, 3, 3, 8), scales=16):
    return tensor(name, dtype, shape, scales, constant=True)


def integer(name):
    return tensor(name, "int8", scales=1)


ENTRY = Operator("QUANTIZE", (tensor("x"),), (integer("x8"),))
CONVOLUTION = Operator("CONV_2D", (integer("x8"), weights("w")), (integer("block_1/conv"),))
EXIT = Operator("DEQUANTIZE", (integer("y8"),), (tensor("y"),))
LEFT = Operator("SOFTMAX", (tensor("y"),), (tensor("z"),))
FLOAT = Operator("CONV_2D", (tensor("x"), weights("w", "float32", scales=0)), (tensor("block_2/conv"),))


def keep(tensors=(), operators=()):
    return {"tensors": list(tensors), "operators": list(operators)}


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (keep(["block_?/conv"]), ["block_1/conv", "block_2/conv"]),
        (keep(["*2/*"]), ["block_2/conv"]),
        (keep(operators=["SOFTMAX"]), ["z"]),
        (keep(["z"], ["CONV_2D"]), ["block_1/conv", "z", "block_2/conv"]),
        (keep(), []),
    ],
)
def test_operators_are_kept_by_pattern_and_by_type(asked, kept):
    assert tflite_held.kept_tensors([ENTRY, CONVOLUTION, LEFT, FLOAT], asked) == kept


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (keep(["block_3/*"]), "closest of 3 is 'block_[12]/conv'"),
        (keep(["CONV_2D"]), "closest"),
        (keep(operators=["CONV2D"]), "did you mean 'CONV_2D'"),
        (keep(operators=["QUANTIZE"]), "known: CONV_2D, SOFTMAX"),
        (keep(["z", "x8"]), "'x8'"),
    ],
)
def test_what_fits_nothing_is_unknown_even_beside_what_fits(asked, says):
    """QUANTIZE is no layer, so it cannot be kept."""
    with pytest.raises(UnknownName) as caught:
        tflite_held.kept_tensors([ENTRY, CONVOLUTION, LEFT, FLOAT], asked)

    assert caught.match(says)


def found(of, scheme="static_wi8_ai8", granularity="per_channel", kept=()):
    return {each.code: each for each in tflite_held.differences(of, scheme, granularity, set(kept))}


def test_a_file_that_is_as_asked_has_no_finding():
    assert found([ENTRY, CONVOLUTION, EXIT]) == {}


def test_an_operator_that_stayed_float_is_named_with_its_output():
    finding = found([ENTRY, CONVOLUTION, LEFT])["float-operators"]

    assert "SOFTMAX (z)" in finding.message
    assert finding.severity == "warning"


def test_an_operator_that_was_to_stay_float_is_no_finding():
    assert found([ENTRY, CONVOLUTION, LEFT, FLOAT], kept=["z", "block_2/conv"]) == {}


def test_of_many_operators_ten_are_named_and_all_are_counted():
    many = [Operator("SOFTMAX", (tensor("y"),), (tensor(f"z{index}"),)) for index in range(12)]

    message = found(many)["float-operators"].message

    assert "12 operators" in message
    assert "z9" in message
    assert "z10" not in message
    assert message.endswith("and 2 more")


def test_float_is_what_a_scheme_of_float_activations_gives():
    assert found([LEFT], "dynamic_wi8_afp32") == {}


@pytest.mark.parametrize(
    "quantized",
    [
        [CONVOLUTION],
        [Operator("CONV_2D", (tensor("x"), weights("w")), (tensor("block_1/conv"),))],
        [
            Operator("DEQUANTIZE", (weights("w", "float16", scales=0),), (tensor("w32"),)),
            Operator("CONV_2D", (tensor("x"), tensor("w32")), (tensor("block_1/conv"),)),
        ],
    ],
)
def test_an_operator_that_was_to_stay_float_and_did_not_is_named(quantized):
    """Integers come out, or its weights are integers, or they were float16 before."""
    scheme = "float16" if len(quantized) == 2 else "dynamic_wi8_afp32"

    assert "CONV_2D (block_1/conv)" in found(quantized, scheme, kept=["block_1/conv"])["not-kept-float"].message


@pytest.mark.parametrize(
    ("scheme", "dtype", "reported"),
    [
        ("weight_only_wi8", "float32", True),
        ("weight_only_wi8", "int8", False),
        ("weight_only_wi4", "int8", True),
        ("weight_only_wi4", "int4", False),
        ("float16", "float32", True),
        ("float16", "float16", False),
    ],
)
def test_large_weights_of_another_dtype_are_named(scheme, dtype, reported):
    of = [Operator("DEQUANTIZE", (weights("kernel", dtype, (16, 64)),), (tensor("float"),))]

    assert ("weights-not-quantized" in found(of, scheme)) is reported


@pytest.mark.parametrize("shape", [(16, 63), (2048,)])
def test_small_weights_and_biases_may_stay_float(shape):
    of = [Operator("FULLY_CONNECTED", (tensor("x"), weights("w", "float32", shape, 0)), (tensor("y"),))]

    assert found(of, "dynamic_wi8_afp32") == {}


@pytest.mark.parametrize(
    ("name", "shape", "scales", "granularity", "reported"),
    [
        ("CONV_2D", (16, 3, 3, 8), 1, "per_channel", True),
        ("CONV_2D", (16, 3, 3, 8), 16, "per_channel", False),
        ("CONV_2D", (16, 3, 3, 8), 16, "per_tensor", True),
        ("CONV_2D", (1, 3, 3, 8), 1, "per_channel", False),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 8), 1, "per_channel", True),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 8), 8, "per_channel", False),
        ("FULLY_CONNECTED", (16, 8), 1, "per_channel", False),
    ],
)
def test_convolutions_have_as_many_scales_as_asked(name, shape, scales, granularity, reported):
    """A dense layer's kernels take one scale or many; which, is the quantizer's own choice."""
    of = [Operator(name, (integer("x"), weights("w", shape=shape, scales=scales)), (integer("y"),))]

    assert ("other-granularity" in found(of, granularity=granularity)) is reported
