"""TensorFlow's converter, set up as every conversion here needs it, and its refusals in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from toolkit.errors import InvalidSamples, Unconvertible
from toolkit.worker import table_index
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


class Representative:
    """The calibration set inputs["calibration"], as the converter takes it: each call gives all samples, one by one.

    `naming_sample` is the context of a conversion that is fed by it. Raises InvalidSamples for an empty set.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        self._folder = request.inputs["calibration"]
        self._total = read_index(self._folder)["count"]
        self._fed: tuple[int, dict[str, np.ndarray]] | None = None
        if self._total == 0:  # the converter would write a float model and say nothing
            raise InvalidSamples("calibration: no sample, so no range of any activation is known")

    def __call__(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the samples."""
        for done, sample in enumerate(read_samples(self._folder)):
            self._request.progress(done, self._total)
            self._fed = done, sample
            yield sample
        self._fed = None

    @contextmanager
    def naming_sample(self) -> Iterator[None]:
        """Let an error about an index name the sample that was fed last; the converter tells no index, the model itself in TensorFlow does."""
        try:
            yield
        except Exception:
            if self._fed is not None:
                number, sample = self._fed
                with table_index.naming(self._folder, number, "calibration"):
                    self._call_model(sample)
                with table_index.naming(self._folder, number, "calibration"):
                    raise
            raise

    def _call_model(self, sample: dict[str, np.ndarray]) -> None:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(self._request.inputs["model"]))
        with tf.device("CPU"):  # a GPU takes any index, and gives zeros
            loaded.signatures["serving_default"](**{name: tf.constant(array) for name, array in sample.items()})


def converted(made: Any, scheme: str) -> bytes:
    """Return the flatbuffer; raise Unconvertible with the operators that TFLite lacks, where the converter says so.

    InvalidSamples for a sample of its `Representative` that holds an index outside of its table.
    """
    fed = made.representative_dataset
    with fed.naming_sample() if isinstance(fed, Representative) else nullcontext():
        try:
            return bytes(made.convert())
        except Exception as error:
            refusal = _refusal(scheme, error)
            if refusal is None:
                raise
            raise refusal from error


def _refusal(scheme: str, error: Exception) -> Unconvertible | None:
    """Name the operators, which the converter's message has somewhere in pages of MLIR; None for another error."""
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
    return None
