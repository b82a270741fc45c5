"""TensorFlow's converter with the settings that every conversion needs; its refusals become one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from toolkit.engines import table_index
from toolkit.engines.tensorflow.dtypes import ADVICE
from toolkit.errors import InvalidSamples, Unconvertible
from toolkit.wire.request import Request
from toolkit.wire.shards import read_index, read_samples

_NO_KERNEL = re.compile(r"'tf\.([A-Za-z0-9_]+)' op is neither a custom op nor a flex op")
_NAMED = re.compile(r"tf\.([A-Za-z0-9_]+)\s*\(")
_TYPE = re.compile(r"tensor<(?:[\dx?]*x)?(f64|f16|bf16|ui64)[>,]")
_MLIR = {"f64": "float64", "f16": "float16", "bf16": "bfloat16", "ui64": "uint64"}
_FFT = re.compile(r"I?R?FFT([23]D|ND)?")
_INSTEAD = (
    (
        _FFT,
        (
            "TFLite has the real transform of one or two axes (tf.signal.rfft, rfft2d, stft) and no other: an inverse or complex one is "
            "a product with its matrix, tf.matmul, or is left to the application"
        ),
    ),
    (
        re.compile(r"TensorList\w+"),
        "a recurrence that stays a loop? make the layer with unroll=True, and give its number of steps: --shape NAME=1,STEPS,FEATURES",
    ),
)
_NEEDED = re.compile(r"(?:Flex|Custom) ops: (.+)")


def converter(request: Request) -> Any:
    """Return a `tf.lite.TFLiteConverter` for the canonical SavedModel inputs["model"]."""
    import tensorflow as tf

    made = tf.lite.TFLiteConverter.from_saved_model(str(request.inputs["model"]), signature_keys=["serving_default"])
    # The batch is 1 by construction; with this, loops over lists of tensors (LSTM, GRU) have static shapes too.
    made._experimental_default_to_single_batch_in_tensor_list_ops = True
    return made


class Representative:
    """The calibration set inputs["calibration"] in the form that the converter takes: each call gives all samples, one by one.

    `naming_sample` is the context for a conversion that uses it. Raises InvalidSamples for an empty set.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._folder = request.inputs["calibration"]
        self._total = read_index(self._folder)["count"]
        self._fed: tuple[int, dict[str, np.ndarray]] | None = None
        if self._total == 0:  # the converter would silently write a float model
            raise InvalidSamples("calibration: no sample, so no activation has a range")

    def __call__(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the samples."""
        for done, sample in enumerate(read_samples(self._folder)):
            self._request.progress(done, self._total)
            self._fed = done, sample
            yield sample
        self._fed = None

    @contextmanager
    def naming_sample(self) -> Iterator[None]:
        """Make an error about an index name the sample that was fed last; the converter gives no index, but the model in TensorFlow does."""
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
        with tf.device("CPU"):  # a GPU accepts any index, and gives zeros
            loaded.signatures["serving_default"](**{name: tf.constant(array) for name, array in sample.items()})


def converted(made: Any, scheme: str) -> bytes:
    """Return the flatbuffer; raise Unconvertible with the operators that TFLite lacks, if the converter names them.

    InvalidSamples if a sample of its `Representative` has an index outside its table.
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
    """Return the error that names the operators and their dtype, found in the converter's pages of MLIR; None for another error."""
    text = str(error)
    operators = sorted(
        {*_NO_KERNEL.findall(text), *(name for line in _NEEDED.findall(text) for name in re.findall(r"\w+", line))}
    )
    if "neither a custom op nor a flex op" not in text and "Some ops are not supported" not in text:
        return None
    operators = operators or sorted(set(_NAMED.findall(text)))
    named, hint = ", ".join(operators) or "an operator of this model", advice(operators)
    dtype = _lacking(text)
    if dtype is not None:
        named, hint = f"{named} of {dtype}", ADVICE[dtype]
    return Unconvertible(f"converting to {scheme}: TFLite has no kernel for {named}", hint)


def advice(operators: Iterable[str]) -> str:
    """Return the advice for TensorFlow operators without a TFLite kernel."""
    known = [said for pattern, said in _INSTEAD if any(pattern.fullmatch(name) for name in operators)]
    return "; ".join(known) or "leave that part out of the exported signature, or compute it with other operators"


def _lacking(text: str) -> str | None:
    """Return the dtype that makes operators fail, one that TFLite cannot compute in; None if there is none."""
    if "complex<f64>" in text:
        return "complex128"
    found = _TYPE.search(text)
    return None if found is None else _MLIR[found[1]]
