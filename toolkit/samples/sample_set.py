"""One set of samples in use: read, prepared, checked against the model's inputs, with remarks about it.

Nothing stops at the first problem: what does not fit is gathered, of every sample that is looked at, and told at once.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toolkit import printable
from toolkit.errors import EdgeToolkitError, InvalidSamples, suggestion
from toolkit.samples.misfits import Misfits
from toolkit.samples.preprocess import of_dtype, of_shape, prepared
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample
from toolkit.wire import labels
from toolkit.wire.request import Request

MOST_REPEATED = 1000
"""Samples in a row, drawn at random, without a new one: were one in 200 of the others new, that would happen in 7 of 1,000 draws."""

MOST_SORTED = 10_000_000
"""Places of samples that are put in order at once: 160 MB, and a second."""

_DTYPES = tuple("bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())

Finding = dict[str, Any]
Spec = Mapping[str, Any]


class Drawn(NamedTuple):
    """A sample as the model takes it, what messages about its set and reports call it, and the SHA-256 of its content."""

    arrays: dict[str, np.ndarray]
    label: labels.Label | None
    origin: str
    name: str
    digest: str


Unit = list[Drawn]
"""What is drawn as one: a sample, or a sequence of them; nothing where one of them does not fit."""


class SampleSet:
    """One recipe at work: its samples in drawn order, prepared and checked, and what was noticed about them."""

    def __init__(self, role: str, request: Request, scratch: Path) -> None:
        recipe = request.options[role]
        self._name = recipe["name"]
        self._specs = _input_specs(request)
        self._steps = {
            name: {**recipe["preprocess"]["common"], **recipe["preprocess"]["inputs"].get(name, {})}
            for name in self._specs
        }
        self._constant = recipe["constant"]
        self.misfits = Misfits()
        self.looked_at = 0
        for key, names in (("preprocess", recipe["preprocess"]["inputs"]), ("constant", self._constant)):
            with self.misfits.gathering():
                _refuse_unknown(key, names, self._specs)
        self._seed = recipe["sampling"]["seed"]
        self._length = recipe["sampling"]["sequence"] or 1
        self.what = "samples" if self._length == 1 else f"sequences of {self._length} samples"
        reader = importlib.import_module(f"toolkit.samples.readers.{recipe['reader']['kind']}")
        files = {
            key.removeprefix(f"{role}."): path for key, path in request.inputs.items() if key.startswith(f"{role}.")
        }
        folder = Path(recipe["folder"]) if recipe["folder"] else None
        asked = ReadRequest(tuple(self._specs), scratch, folder)
        self._reading = Reading(iter(()))
        with self.misfits.gathering():
            self._reading = reader.read(reader.Options(**recipe["reader"]["options"]), files, asked)
        self.seen: set[str] = set()
        self.read = self.shared = 0
        self.is_given_up = False
        self._firsts: dict[str, np.ndarray] = {}
        self._varying: set[str] = set()
        self._textured: set[str] = set()
        self._converted: dict[str, str] = {}

    @property
    def is_stream(self) -> bool:
        """Whether samples can only be had one after the other, and nobody knows how many there are."""
        return not isinstance(self._reading.samples, Indexed)

    @property
    def count(self) -> int | None:
        """How many samples the set says that it holds; None where nobody knows."""
        samples = self._reading.samples
        return samples.count if isinstance(samples, Indexed) else None

    def different(self, taken: set[str], *, at_most: int) -> Iterator[Unit]:
        """Yield each content once, and nothing that is in `taken`; an empty unit for each that does not fit.

        Of a stream no more than `at_most` are read. A set is given up that repeats itself MOST_REPEATED times in a row, of however many it says.
        """
        repeated = 0
        for unit in self._units(self._drawn()):
            if not unit:
                yield unit
                continue
            self.read += 1
            digest = unit[0].digest if len(unit) == 1 else _digest_of([drawn.digest for drawn in unit])
            new = digest not in self.seen
            self.seen.add(digest)
            repeated = 0 if new else repeated + 1
            self.is_given_up = repeated >= MOST_REPEATED
            if new and all(drawn.digest in taken for drawn in unit):
                self.shared += 1
            elif new:
                yield unit
            if self.is_given_up or (self.is_stream and self.read >= at_most):
                return

    def in_order(self) -> Iterator[Unit]:
        """Yield all samples, in the order in which they lie there; an empty unit for each that does not fit."""
        samples = self._reading.samples
        yield from self._units(
            self._at(samples, range(samples.count)) if isinstance(samples, Indexed) else self._next()
        )

    def problems(self) -> list[EdgeToolkitError]:
        """Return what does not fit of this set, and how many of its samples were looked at; nothing where all fit."""
        return self.misfits.errors(self._name, self.looked_at, self.count)

    def _units(self, samples: Iterable[Sample | None]) -> Iterator[Unit]:
        """Yield the samples, checked, a sequence or a single one at a time; None is one that could not be read."""
        unit: list[Drawn | None] = []
        for sample in samples:
            self.looked_at += 1
            unit.append(None if sample is None else self._checked(sample))
            if unit[-1] is None:
                self.misfits.samples += 1
            if len(unit) == self._length:
                fitting = [drawn for drawn in unit if drawn is not None]
                yield fitting if len(fitting) == len(unit) else []
                unit = []
        with self.misfits.gathering():
            self._refuse_rest(len(unit))

    def _refuse_rest(self, count: int) -> None:
        if count:
            raise InvalidSamples(
                f"the last {count} samples do not make a whole sequence of {self._length}",
                "leave them out, or declare another sequence under [sampling]",
            )

    def _drawn(self) -> Iterator[Sample | None]:
        """Yield the samples, sequences in a drawn order where any can be had."""
        samples = self._reading.samples
        if not isinstance(samples, Indexed):
            yield from self._next()
            return
        count, rest = divmod(samples.count, self._length)
        with self.misfits.gathering():
            self._refuse_rest(rest)
        for place in drawn_order(count, self._seed):
            first = place * self._length
            yield from self._at(samples, range(first, first + self._length))

    def _at(self, samples: Indexed, places: Iterable[int]) -> Iterator[Sample | None]:
        """Yield the samples that lie there; None for one that cannot be read."""
        for place in places:
            sample = None
            with self.misfits.gathering():
                sample = samples.at(place)
            yield sample

    def _next(self) -> Iterator[Sample | None]:
        """Yield the samples of a stream, which one that cannot be read ends: None."""
        stream = iter(() if isinstance(self._reading.samples, Indexed) else self._reading.samples)
        try:
            yield from stream
        except InvalidSamples as error:
            self.misfits.add(error)
            yield None

    def _checked(self, sample: Sample) -> Drawn | None:
        """Return a sample as the model takes it; None where anything of it does not fit, all of which is kept."""
        arrays: dict[str, np.ndarray] = {}
        before = len(self.misfits)
        with self.misfits.gathering():
            _refuse_unknown(sample.origin, sample.inputs, self._specs)
        with self.misfits.gathering():
            self._refuse_missing(sample)
        for name in self._specs:
            if name in sample.inputs:
                with self.misfits.gathering():
                    arrays[name] = self._of_one_shape(name, sample)
        label = None
        with self.misfits.gathering():
            label = _label(sample)
        if len(self.misfits) > before:
            return None
        for name, array in arrays.items():
            if name not in self._varying and array.tobytes() != self._firsts[name].tobytes():
                self._varying.add(name)
            if name not in self._textured and (array.size <= 1 or array.min() != array.max()):
                self._textured.add(name)
        return Drawn(arrays, label, sample.origin, f"{self._reading.place}{sample.origin}", _digest(arrays))

    def _refuse_missing(self, sample: Sample) -> None:
        missing = [name for name in self._specs if name not in sample.inputs]
        if missing:
            raise InvalidSamples(
                f"{sample.origin}: no array for the model's inputs {missing}; it has {sorted(sample.inputs)}"
            )

    def _of_one_shape(self, name: str, sample: Sample) -> np.ndarray:
        """Return one input's array as the model takes it, of the shape that the first sample of the set has."""
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
            self._converted[name] = f"{ready.dtype} to {array.dtype}"
        _refuse_not_finite(array, f"{where} as {array.dtype}, after [preprocess],")
        return np.asarray(of_shape(array, spec["shape"], where), order="C")

    def look_for_constants(self) -> None:
        """Keep as a problem that the set holds nothing, or that its samples do not differ where they should."""
        if not self.read:
            self.misfits.add(InvalidSamples("holds no sample"))
        elif self.read > 1 and len(self.seen) == 1:
            problem = f"all {self.read} {self.what} read are identical; expected different ones"
            self.misfits.add(InvalidSamples(problem))
        else:
            for name in self._specs:
                if name not in self._constant:
                    self._look_for_constant(name)

    def _look_for_constant(self, name: str) -> None:
        hint = f'if the input is meant never to change, declare it in the recipe: constant = ["{name}"]'
        if name not in self._varying and self.read > 1:
            problem = f"input {name!r} is the same in all {self.read} {self.what} read"
            self.misfits.add(InvalidSamples(problem, hint))
        elif name not in self._textured:
            problem = f"input {name!r}: each of the {self.read} {self.what} read is one single value all over"
            self.misfits.add(InvalidSamples(problem, hint))

    def findings(self) -> list[Finding]:
        """Return what the reader, the preparation and the draw found out about the set."""
        found = list(self._reading.findings)
        repeated = self.read - len(self.seen)
        if repeated:
            message = f"{repeated} of {self.read} {self.what} repeat another one and were left out"
            if self.is_given_up:
                message += f"; no more were read after {MOST_REPEATED:,} in a row without a new one"
            found.append(_finding("duplicate-samples", "warning", message, duplicates=repeated, read=self.read))
        if self.shared:
            message = f"{self.shared} of {self.read} {self.what} are in the calibration set too, and do not judge"
            found.append(_finding("calibrated-samples", "warning", message, shared=self.shared, read=self.read))
        for name, what in self._converted.items():
            message = f"input {name!r}: converted from {what}; `dtype` under [preprocess] declares it"
            found.append(_finding("converted-dtype", "info", message, input=name, conversion=what))
        return [{**finding, "message": f"{self._name}: {finding['message']}"} for finding in found]


def _finding(code: str, severity: str, message: str, **numbers: Any) -> Finding:
    return {"code": code, "severity": severity, "message": message, **numbers}


def _input_specs(request: Request) -> dict[str, Spec]:
    """Return the model's inputs by name; InvalidSamples if one takes something else than numbers."""
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


def _refuse_unknown(where: str, names: Iterable[str], specs: Mapping[str, Spec]) -> None:
    unknown = [name for name in names if name not in specs]
    if unknown:
        raise InvalidSamples(
            printable.lines(
                f"{where}: {name!r} is no input of the model; {suggestion(name, specs)}" for name in unknown
            )
        )


def _refuse_not_finite(array: np.ndarray, where: str) -> None:
    """NaN and infinity are never cleaned away."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        raise InvalidSamples(
            f"{where} holds {nan} NaN and {infinite} infinite of {array.size} values; expected finite ones"
        )


def _label(sample: Sample) -> labels.Label | None:
    """Return a sample's label by target; one without a name is called `labels.UNNAMED`."""
    if sample.label is None:
        return None
    by_target = sample.label if isinstance(sample.label, Mapping) else {labels.UNNAMED: sample.label}
    return {str(target): _value(value, sample, named=value is not sample.label) for target, value in by_target.items()}


def _value(value: Any, sample: Sample, *, named: bool) -> np.ndarray | str:
    if isinstance(value, str) and named:  # without a name it is a class's, more often than what is to be said
        return str(value)
    array = np.asarray(value) if not isinstance(value, (list, tuple)) or len(value) else np.zeros(0)
    if array.dtype.name not in _DTYPES or not np.isfinite(array).all():
        raise InvalidSamples(
            f"{sample.origin}: label {value!r}; expected a number (the class's index), an array, or a table of these and texts by target"
        )
    return array


def _digest_of(digests: Sequence[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 over name, dtype, shape and bytes (little-endian) of all inputs, in hexadecimal."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def drawn_order(count: int, seed: int) -> Iterator[int]:
    """Yield each of the places 0 to count - 1 once, in the order that the seed draws, the same for ever.

    Up to MOST_SORTED they are sorted by raw bits rather than by Generator.permutation, whose results numpy may change between versions (NEP 19). Of
    more, each is drawn when it is asked for: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm P, which keeps only the places that were
    exchanged. The remainder of 64 bits favours no place by more than count / 2**64.
    """
    bits = np.random.PCG64(seed)
    if count <= MOST_SORTED:
        drawn = bits.random_raw(count) if count else np.zeros(0, np.uint64)
        yield from (int(place) for place in np.argsort(drawn, kind="stable"))
        return
    exchanged: dict[int, int] = {}
    for at in range(count):
        chosen = at + int(bits.random_raw()) % (count - at)
        yield exchanged.pop(chosen, chosen)
        if chosen != at:
            exchanged[chosen] = exchanged.pop(at, at)
