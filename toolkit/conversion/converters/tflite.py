"""TFLite files from TensorFlow's own converter (MLIR)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from toolkit.errors import InvalidSamples

if TYPE_CHECKING:
    from toolkit.conversion.made_file import FloatFile, RangesResult
    from toolkit.conversion.tflite.rewriting import RewrittenFile
    from toolkit.engines.description import Description
    from toolkit.engines.tflite.probe_models import Written
    from toolkit.wire.request import Request

SUFFIX = ".tflite"
ENGINE = "tensorflow"
HOST_RUNTIME = "litert"
REWRITES = ("int8", "int16", "uint8")


def is_one(head: bytes) -> bool:
    """Return whether a file begins like one of the format (tflite/schema/schema.fbs: file_identifier "TFL3")."""
    return head[4:8] == b"TFL3"


def convert(request: Request) -> FloatFile:
    """Write out/model.tflite, float32, with one signature, `serving_default`, and return its content and how its outputs end."""
    from toolkit.conversion.tflite.audit import held, start
    from toolkit.conversion.tflite.converter_setup import converted, converter
    from toolkit.engines.tflite.arithmetic import multiply_accumulates
    from toolkit.engines.tflite.endings import endings

    path = request.out / f"model{SUFFIX}"
    path.write_bytes(converted(converter(request), "float32"))
    found = held(path, "float32", {"inputs": "float32", "outputs": "float32"})
    if all(spec["shape"] is not None and None not in spec["shape"] for spec in found["signature"]["inputs"]):
        start(path, "float32")
    (ends,) = endings(path).values()
    return {**found, "multiply_accumulates": multiply_accumulates(path), "endings": ends}


def calibrate(request: Request) -> RangesResult:
    """Write out/ranges.json: the ranges that the converter's own calibration over inputs["calibration"] leaves in the flatbuffer.

    Names are those of the float artifact. InvalidSamples if a range is not finite.
    """
    import tensorflow as tf

    from toolkit.conversion.tflite.converter_setup import Representative, converted, converter
    from toolkit.conversion.tflite.ranges import held_ranges

    made = converter(request)
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    made.representative_dataset = Representative(request)
    made._experimental_calibrate_only = True
    ranges = held_ranges(converted(made, "static_wi8_ai8"))
    wrong = [name for name, range_ in ranges.items() if not all(map(math.isfinite, range_))]
    if wrong:
        raise InvalidSamples(
            f"calibration: a sample makes the activation {wrong[0]!r} NaN or infinite",
            "the estimator 'min_max' names the sample",
        )
    (request.out / "ranges.json").write_text(json.dumps({"tensors": ranges}))
    return {"tensors": len(ranges)}


def inspect(request: Request) -> Description:
    """Return the content of inputs["model"], a file of anybody's; InvalidSource for a damaged one."""
    from toolkit.engines.tflite import operators

    return operators.inspect(request)


def rewrite(request: Request) -> RewrittenFile:
    """Write a finished artifact with other edges: a fixed batch, float32 in place of integers; Unconvertible for what cannot be rewritten."""
    from toolkit.conversion.tflite import rewriting

    return rewriting.rewrite(request)


def probe_models(request: Request) -> Written:
    """Write out/models.zip, the models of one operator that runtimes are asked with, and return which is which.

    options["takes"] are the dtypes that the runtime can be fed with, None for any: integers become float32 by a QUANTIZE or DEQUANTIZE of their own.
    """
    from toolkit.conversion.tflite.rewriting import edges_moved
    from toolkit.engines.tflite import probe_models

    takes = request.options["takes"]
    return probe_models.write(request, lambda content: edges_moved(content, takes))


def about_dtypes(said: str) -> str | None:
    """Return in short why a runtime refuses the dtypes of a model, None for a message about something else."""
    from toolkit.engines.tflite import probe_answers

    return probe_answers.about_dtypes(said)


def lacks_operator(said: str) -> bool:
    """Return whether a runtime says that it lacks a builtin operator."""
    from toolkit.engines.tflite import probe_answers

    return probe_answers.lacks_operator(said)


def lacks_custom(said: str) -> bool:
    """Return whether a runtime says that it lacks a custom operator."""
    from toolkit.engines.tflite import probe_answers

    return probe_answers.lacks_custom(said)
