"""litert-quantizer: .tflite to .tflite without TensorFlow, by a recipe in its own format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.conversion.made_file import MadeFile
    from toolkit.wire.request import Request

FORMAT = "tflite"
ENGINE = "litert_quantizer"
TAKES = "artifact"
CALIBRATES = False
FALLBACK = False


def quantize(request: Request) -> MadeFile:
    """Write out/model.tflite.

    `told` holds `algorithm_key` and `op_config`, with the names of its recipes, whether the result must be `complete`, and the operators whose
    weights are `always_per_channel`, whatever granularity is requested. `scaled_by` is the key of an algorithm that scales the columns of matrices by
    the moments of what meets them; it is used for the matrices that have moments.
    Raises Unconvertible if the result must be complete and is not, so that a more capable quantizer is used, and if `scaled_by` has nothing to scale.
    Raises UnknownName for a name in `keep_float` that the model does not have.
    """
    from toolkit.conversion.quantizers import _litert_quantizer

    return _litert_quantizer.quantize(request)
