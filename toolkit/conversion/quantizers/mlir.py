"""TensorFlow's quantizer alone (MLIR), on the float .tflite with known ranges: the last step of its converter, in a moment.

With the converter's own ranges it gives the same integers as the converter. For int16 activations it gives zero points other than 0, which no kernel
takes, so no scheme uses it for these.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from toolkit.errors import Unconvertible, causes

if TYPE_CHECKING:
    from toolkit.conversion.made_file import MadeFile
    from toolkit.wire.request import Request

FORMAT = "tflite"
ENGINE = "tensorflow"
TAKES = "artifact"
CALIBRATES = False
FALLBACK = False


def quantize(request: Request) -> MadeFile:
    """Write out/model.tflite: weights int8, activations int8, a DEQUANTIZE where an operator has no kernel for them; `told` is empty.

    Raises Unconvertible for a tensor without a range, UnknownName for a name in `keep_float` that the model does not have.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    from toolkit.conversion.tflite.audit import held, kept_tensors
    from toolkit.conversion.tflite.ranges import with_ranges
    from toolkit.engines.tflite.operators import operators

    options, model = request.options, request.inputs["model"]
    kept = kept_tensors(operators(model), options["keep_float"])
    ranges = json.loads(request.inputs["ranges"].read_text())["tensors"]
    content = with_ranges(model, ranges, kept)
    try:
        made = mlir_quantize(
            content,
            disable_per_channel=options["granularity"] == "per_tensor",
            input_data_type=tf.dtypes.as_dtype(options["inputs"]),
            output_data_type=tf.dtypes.as_dtype(options["outputs"]),
            denylisted_nodes=kept,  # the names of their outputs: the importer uses these as the operators' locations
        )
    except RuntimeError as error:  # MLIR's own messages go to standard error, which is the job's log
        raise Unconvertible(
            f"mlir: refuses {options['scheme']} for this model ({causes(error)}; see the log)"
        ) from error
    path = request.out / "model.tflite"
    path.write_bytes(made)
    return held(path, options["scheme"], options, model)
