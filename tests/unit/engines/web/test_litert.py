"""What LiteRT.js takes: the check of a file's inputs and outputs, for whoever runs a file without a target that asks for fixed sizes."""

from __future__ import annotations

import pytest

from toolkit.engines.web import litert
from toolkit.errors import Unconvertible

FINE = {"name": "x", "dtype": "float32", "shape": [1, 8]}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"shape": [None, 8]}, r"is \[\?, 8\], and LiteRT.js takes fixed sizes"),
        ({"shape": None}, "is of any rank, and LiteRT.js takes fixed sizes"),
        ({"dtype": "int8"}, "is int8, and LiteRT.js has float32, int32, uint8"),
        ({"dtype": "int16"}, "is int16, and LiteRT.js has"),
    ],
)
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_what_a_page_does_not_take_is_named_before_it_is_started(side, changed, says):
    """Inputs and outputs, all of them at once."""
    signature = {"key": "serving_default", "inputs": [FINE], "outputs": [FINE]}
    litert._require_edges("a.tflite", signature)

    with pytest.raises(Unconvertible, match=rf"^a.tflite does not run in a page: {side[:-1]} 'x' {says}") as caught:
        litert._require_edges("a.tflite", {**signature, side: [{**FINE, **changed}]})

    assert "edge-toolkit build" in caught.value.hint
