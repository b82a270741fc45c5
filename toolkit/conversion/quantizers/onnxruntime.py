"""ONNX Runtime's quantizers of ONNX models, with ranges of the toolkit's own calibration in place of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.conversion.made_file import MadeFile
    from toolkit.wire.request import Request

FORMAT = "onnx"
ENGINE = "onnxruntime"
TAKES = "artifact"
CALIBRATES = False
FALLBACK = False


def quantize(request: Request) -> MadeFile:
    """Write out/model.onnx; `told` holds the `method`, a function below, and its settings.

    Raises Unconvertible for other inputs and outputs than float32, UnknownName for a name in `keep_float` that the model does not have.
    """
    from toolkit.conversion.quantizers import _onnxruntime

    return _onnxruntime.quantize(request)
