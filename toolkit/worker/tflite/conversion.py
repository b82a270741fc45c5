"""TensorFlow's converter, set up as every conversion here needs it, and its refusals in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from toolkit.errors import InvalidSamples, Unconvertible
from toolkit.worker.shards import read_index, read_samples

_NO_KERNEL = re.compile(r"'tf\.([A-Za-z0-9_]+)' op is neither a custom op nor a flex op")
_NAMED = re.compile(r"tf\.([A-Za-z0-9_]+)\s*\(")
_NEEDED = re.compile(r"(?:Flex|Custom) ops: (.+)")


def converter(request: Any) -> Any:
    """Return a `tf.lite.TFLiteConverter` for the canonical SavedModel inputs["model"]."""
    import tensorflow as tf

    made = tf.lite.TFLiteConverter.from_saved_model(str(request.inputs["model"]), signature_keys=["serving_default"])
    # The batch is 1 by construction; with this, loops over lists of tensors (LSTM, GRU) have static shapes too.
    made._experimental_default_to_single_batch_in_tensor_list_ops = True
    return made


def converted(made: Any, scheme: str) -> bytes:
    """Return the flatbuffer; raise Unconvertible with the operators that TFLite lacks, where the converter says so."""
    try:
        return bytes(made.convert())
    except Exception as error:
        raise _refusal(scheme, error) from error


def representative(request: Any) -> Callable[[], Iterator[dict[str, np.ndarray]]]:
    """Return the calibration set inputs["calibration"] as the converter wants it; raise InvalidSamples for an empty one."""
    folder = request.inputs["calibration"]
    total = read_index(folder)["count"]
    if total == 0:  # the converter would write a float model and say nothing
        raise InvalidSamples("calibration: no sample, so no range of any activation is known")

    def feed() -> Iterator[dict[str, np.ndarray]]:
        for done, sample in enumerate(read_samples(folder)):
            request.progress(done, total)
            yield sample

    return feed


def _refusal(scheme: str, error: Exception) -> Exception:
    """Name the operators, which the converter's message has somewhere in pages of MLIR; another error is left as it is."""
    text = str(error)
    operators = sorted(
        {*_NO_KERNEL.findall(text), *(name for line in _NEEDED.findall(text) for name in re.findall(r"\w+", line))}
    )
    if "neither a custom op nor a flex op" in text or "Some ops are not supported" in text:
        operators = operators or sorted(set(_NAMED.findall(text)))
        return Unconvertible(
            f"converting to {scheme}: TFLite has no kernel for {', '.join(operators) or 'an operator of this model'}",
            "leave that part out of the exported signature, or compute it with other operators",
        )
    return error
