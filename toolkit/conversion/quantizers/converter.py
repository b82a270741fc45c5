"""TensorFlow's converter from end to end: it converts and calibrates again for each variant, which takes minutes; the others take a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import Unconvertible

if TYPE_CHECKING:
    from toolkit.conversion.made_file import MadeFile
    from toolkit.wire.request import Request

FORMAT = "tflite"
ENGINE = "tensorflow"
TAKES = "saved_model"
CALIBRATES = True
FALLBACK = True


def quantize(request: Request) -> MadeFile:
    """Write out/model.tflite; `told` holds "supported_types" and "supported_ops", with the names of `tf.lite.TargetSpec`.

    Raises Unconvertible if an operator should stay in float, because the converter has no option for that.
    """
    import tensorflow as tf

    from toolkit.conversion.tflite.audit import held
    from toolkit.conversion.tflite.converter_setup import Representative, converted, converter

    options, told = request.options, request.options["told"]
    keep = [*options["keep_float"]["tensors"], *options["keep_float"]["operators"]]
    if keep:
        raise Unconvertible(
            f"converter: cannot keep {', '.join(keep)} in float; it quantizes all or nothing", "take another quantizer"
        )
    made = converter(request)
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    made._experimental_disable_per_channel = options["granularity"] == "per_tensor"
    if "supported_types" in told:
        made.target_spec.supported_types = [tf.dtypes.as_dtype(name) for name in told["supported_types"]]
    if "supported_ops" in told:
        made.target_spec.supported_ops = [tf.lite.OpsSet[name] for name in told["supported_ops"]]
        made.inference_input_type = tf.dtypes.as_dtype(options["inputs"])
        made.inference_output_type = tf.dtypes.as_dtype(options["outputs"])
    if "calibration" in request.inputs:
        made.representative_dataset = Representative(request)
    path = request.out / "model.tflite"
    path.write_bytes(converted(made, options["scheme"]))
    return held(path, options["scheme"], options)
