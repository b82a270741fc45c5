"""Every scheme on the embedded sample, from SavedModel to artifact: what was requested is what the file holds."""

from __future__ import annotations

import pytest

import toolkit
from toolkit import Original, Samples, registry
from toolkit.errors import UnknownName
from toolkit.profiles.recipe import KeepFloat, Recipe

QUANTIZED = [
    name for name in registry.names("conversion/schemes") if registry.load("conversion/schemes", name).QUANTIZERS
]


@pytest.fixture
def convert(sample, digits, executor, tmp_path):
    """Return a function that converts the sample by a recipe."""

    def run(recipe):
        return toolkit.convert(
            Original(sample), recipe, Samples(str(digits)), tmp_path / "model.tflite", executor=executor
        )

    return run


@pytest.fixture
def float_bytes(convert):
    return convert("float32").size_bytes


@pytest.mark.parametrize("scheme", QUANTIZED)
def test_every_scheme_makes_a_smaller_file_of_the_sample_without_a_finding(convert, float_bytes, scheme):
    """For static_wi8_ai16 that takes the fallback: litert-quantizer's file has an ADD that no interpreter can start."""
    artifact = convert(scheme)

    assert artifact.findings == ()
    assert artifact.size_bytes < float_bytes * 0.8
    assert artifact.path.stat().st_size == artifact.size_bytes


@pytest.mark.parametrize(
    ("scheme", "dtype"), [("static_wi8_ai8", "uint8"), ("static_wi8_ai8", "int8"), ("static_wi8_ai16", "int16")]
)
def test_an_application_feeds_and_gets_the_integers_that_it_asked_for(convert, scheme, dtype):
    artifact = convert(Recipe(scheme, inputs=dtype, outputs=dtype))

    assert [spec.dtype for spec in (*artifact.signature.inputs, *artifact.signature.outputs)] == [dtype, dtype]
    assert all(spec.scale for spec in artifact.signature.inputs)
    assert artifact.findings == ()


@pytest.mark.parametrize("quantizer", ["mlir", "litert_quantizer"])
def test_layers_are_kept_in_float_by_name_and_by_type(convert, quantizer):
    """The last two layers and nothing else: one DEQUANTIZE before them, none behind."""
    keep = KeepFloat(tensors=("*probabilities*", "StatefulPartitionedCall*"), operators=("FULLY_CONNECTED",))
    artifact = convert(Recipe("static_wi8_ai8", quantizer=quantizer, keep_float=keep))

    counts = {each["name"]: each["count"] for each in artifact.operators}
    assert counts["DEQUANTIZE"] == counts["QUANTIZE"] == 1
    assert artifact.findings == ()
    assert artifact.signature.outputs[0].scale == ()


def test_a_layer_that_is_not_there_cannot_be_kept(convert):
    with pytest.raises(UnknownName, match="did you mean 'FULLY_CONNECTED'"):
        convert(Recipe("static_wi8_ai8", keep_float=KeepFloat(operators=("FULY_CONNECTED",))))
