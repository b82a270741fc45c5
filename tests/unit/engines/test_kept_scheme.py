"""The scheme that a file keeps, whatever was asked for."""

from __future__ import annotations

import pytest

from toolkit.engines.kept_scheme import kept_scheme


@pytest.mark.parametrize(
    ("asked", "weights", "activations", "operators", "kept"),
    [
        ("static_wi8_ai8", {"int8", "int32"}, {"int8"}, (), "static_wi8_ai8"),
        ("static_wi8_ai8", {"float32"}, {"int8", "float32"}, (), "static_wi8_ai8"),
        ("static_wi8_ai8", {"int8", "float32"}, {"float32"}, (), "dynamic_wi8_afp32"),
        ("static_wi8_ai8", {"float32"}, {"float32"}, (), "float32"),
        ("static_wi8_ai16", {"int8"}, {"int16"}, (), "static_wi8_ai16"),
        ("static_wi8_ai16", {"int8"}, {"int8"}, (), "static_wi8_ai8"),
        ("dynamic_wi8_afp32", {"float32"}, {"float32"}, (), "float32"),
        ("dynamic_wi8_afp32", {"float32", "int8"}, {"float32"}, (), "dynamic_wi8_afp32"),
        ("dynamic_wi8_afp32", {"uint8"}, {"float32"}, (), "dynamic_wi8_afp32"),
        ("weight_only_wi8", {"int8"}, {"float32"}, ("DEQUANTIZE",), "weight_only_wi8"),
        ("weight_only_wi4", {"int8"}, {"float32"}, ("DEQUANTIZE",), "weight_only_wi8"),
        ("float32", {"int16", "int64"}, {"int16"}, (), "static_wi8_ai16"),
        ("dynamic_wi8_afp32", {"float32", "int32"}, {"int8"}, (), "static_wi8_ai8"),
        ("float16", {"float32"}, {"float32"}, (), "float32"),
        ("float16", {"float16", "float32"}, {"float32"}, (), "float16"),
    ],
)
def test_the_scheme_of_a_file_is_what_it_keeps(asked, weights, activations, operators, kept):
    """Whatever it was made by."""
    assert kept_scheme(asked, weights, activations, operators) == kept
