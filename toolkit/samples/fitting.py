"""Samples in the form that the model takes: prepared, checked against its inputs, and with the hash of their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from toolkit import printable
from toolkit.errors import InvalidSamples, suggestion
from toolkit.samples.misfits import Misfits
from toolkit.samples.preprocess import of_dtype, of_shape, prepared
from toolkit.samples.readers import Sample
from toolkit.samples.requested_set import StepsJson
from toolkit.wire import labels
from toolkit.wire.request import Request

_DTYPES = tuple("bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())
Spec = Mapping[str, Any]


class Drawn(NamedTuple):
    """A prepared sample: `origin` is its name in messages about its set, `name` its name in reports, `digest` the SHA-256 of its content."""

    arrays: dict[str, np.ndarray]
    label: labels.Label | None
    origin: str
    name: str
    digest: str


class Fitting:
    """Fits the samples of one set to the model: `specs` are its inputs by name, `steps` the declared preparation of each.

    `varying` are the inputs that differed between samples, `textured` those with more than one value in a sample, and `converted` has the old and the
    new dtype of converted inputs. All samples of a set have the same shape.
    """

    def __init__(self, specs: Mapping[str, Spec], steps: Mapping[str, StepsJson], misfits: Misfits) -> None:
        self._specs = specs
        self._steps = steps
        self._misfits = misfits
        self._firsts: dict[str, np.ndarray] = {}
        self.varying: set[str] = set()
        self.textured: set[str] = set()
        self.converted: dict[str, str] = {}

    def fit(self, sample: Sample, place: str) -> Drawn | None:
        """Return the prepared sample; None if any part of it does not fit. All its problems are added to the misfits.

        `place` stands before the sample's origin in its name in reports.
        """
        arrays: dict[str, np.ndarray] = {}
        before = len(self._misfits)
        with self._misfits.gathering():
            refuse_unknown(sample.origin, sample.inputs, self._specs)
        with self._misfits.gathering():
            self._refuse_missing(sample)
        for name in self._specs:
            if name in sample.inputs:
                with self._misfits.gathering():
                    arrays[name] = self._of_one_shape(name, sample)
        label = None
        with self._misfits.gathering():
            label = _label(sample)
        if len(self._misfits) > before:
            return None
        for name, array in arrays.items():
            if name not in self.varying and array.tobytes() != self._firsts[name].tobytes():
                self.varying.add(name)
            if name not in self.textured and (array.size <= 1 or array.min() != array.max()):
                self.textured.add(name)
        return Drawn(arrays, label, sample.origin, f"{place}{sample.origin}", _digest(arrays))

    def _refuse_missing(self, sample: Sample) -> None:
        missing = [name for name in self._specs if name not in sample.inputs]
        if missing:
            raise InvalidSamples(
                f"{sample.origin}: no array for the model's inputs {missing}; it has {sorted(sample.inputs)}"
            )

    def _of_one_shape(self, name: str, sample: Sample) -> np.ndarray:
        """Return one input's array in the form that the model takes; its shape must be that of the set's first sample."""
        array = self._fitted(name, sample.inputs[name], sample.origin)
        first = self._firsts.setdefault(name, array)
        if array.shape != first.shape:
            raise InvalidSamples(
                f"{sample.origin}: input {name!r} has shape {array.shape}, the first sample read {first.shape}; "
                "all of a set have one shape",
                "declare size = [height, width] under [preprocess] if these are images",
            )
        return array

    def _fitted(self, name: str, values: np.ndarray, origin: str) -> np.ndarray:
        where, spec = f"{origin}: input {name!r}", self._specs[name]
        if values.dtype.name not in _DTYPES:
            raise InvalidSamples(f"{where} is {values.dtype}; expected an array of numbers")
        _refuse_not_finite(values, where)
        ready = prepared(values, self._steps[name], where)
        array = of_dtype(ready, spec["dtype"], where, spec.get("integers"))
        if ready.dtype != array.dtype and not np.can_cast(ready.dtype, array.dtype):
            self.converted[name] = f"{ready.dtype} to {array.dtype}"
        _refuse_not_finite(array, f"{where} as {array.dtype}, after [preprocess],")
        return np.asarray(of_shape(array, spec["shape"], where), order="C")


def input_specs(request: Request) -> dict[str, Spec]:
    """Return the model's inputs by name; InvalidSamples if an input does not take numbers."""
    signature = request.options.get("signature") or json.loads(request.inputs["signature"].read_text())
    specs = {spec["name"]: spec for spec in signature["inputs"]}
    strange = {name: spec["dtype"] for name, spec in specs.items() if spec["dtype"] not in _DTYPES}
    if strange:
        known = ", ".join(_DTYPES)
        raise InvalidSamples(
            printable.lines(
                f"the model's input {name!r} takes {dtype}; samples are arrays of {known}"
                for name, dtype in strange.items()
            )
        )
    return specs


def refuse_unknown(where: str, names: Iterable[str], specs: Mapping[str, Spec]) -> None:
    """Raise InvalidSamples if one of the names is no input of the model."""
    unknown = [name for name in names if name not in specs]
    if unknown:
        raise InvalidSamples(
            printable.lines(
                f"{where}: {name!r} is no input of the model; {suggestion(name, specs)}" for name in unknown
            )
        )


def _refuse_not_finite(array: np.ndarray, where: str) -> None:
    """Raise InvalidSamples for NaN and infinity; they are never replaced."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        raise InvalidSamples(
            f"{where} holds {nan} NaN and {infinite} infinite of {array.size} values; expected finite ones"
        )


def _label(sample: Sample) -> labels.Label | None:
    """Return a sample's label by target; a target without a name is `labels.UNNAMED`."""
    if sample.label is None:
        return None
    by_target = sample.label if isinstance(sample.label, Mapping) else {labels.UNNAMED: sample.label}
    return {str(target): _value(value, sample, named=value is not sample.label) for target, value in by_target.items()}


def _value(value: Any, sample: Sample, *, named: bool) -> np.ndarray | str:
    if (
        isinstance(value, str) and named
    ):  # a text without a target is usually the name of a class, and not a text that the model should give
        return str(value)
    array = np.asarray(value) if not isinstance(value, (list, tuple)) or len(value) else np.zeros(0)
    if array.dtype.name not in _DTYPES or not np.isfinite(array).all():
        raise InvalidSamples(
            f"{sample.origin}: label {value!r}; expected a number (the class's index), an array, or a table of these and texts by target"
        )
    return array


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 over name, dtype, shape and bytes (little-endian) of all inputs, in hexadecimal."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
