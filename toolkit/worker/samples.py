"""Calibration and verification samples: read, prepared, checked against the model, and drawn so that none is in both.

Everything is bound to the model's inputs by name. A sample that does not fit is refused with its index and what would
be right, never bent to fit: the few conversions that lose nothing but digits are findings. Two samples are the same if
they are so after preparation, bit by bit (SHA-256).

For a model that keeps state between calls a set may declare `sequence`: so many samples that follow one another in the
reader's order are drawn together, stay in their order, and the state begins anew with each sequence.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from toolkit import printable
from toolkit.errors import InvalidSamples, suggestion
from toolkit.readers import Asked, Indexed, Sample
from toolkit.worker import labels
from toolkit.worker.preparation import of_dtype, of_shape, prepared
from toolkit.worker.request import Request
from toolkit.worker.shards import ShardWriter

DEFAULT_COUNTS = {"calibration": 200, "verification": 500}
_REPETITIONS = 10  # a stream that gave so many times what is needed, and still too few different ones, is given up
_DTYPES = tuple("bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())

Finding = dict[str, Any]
Spec = Mapping[str, Any]


class Drawn(NamedTuple):
    """A sample as the model takes it, and the SHA-256 of its content."""

    arrays: dict[str, np.ndarray]
    label: labels.Label | None
    origin: str
    digest: str


Unit = list[Drawn]
"""What is drawn as one: a sample, or a sequence of them."""


def draw(request: Request) -> dict[str, Any]:
    """Write out/calibration and out/verification, and return how many samples are in each, and findings.

    Each is a folder of shards with hashes.json (the SHA-256 of each sample), origins.json (what messages call it), where
    there are labels what `toolkit.worker.labels` writes, and where the recipe declares sequences sequences.json ({"length": samples in each}).
    Options: `calibration` and `evaluation`, each a recipe as `toolkit.dataset.Recipe.request` gives it, or null. Inputs:
    `signature` (JSON; may be an option instead), and the recipes' files as `calibration.KEY` and `evaluation.KEY`. A
    recipe for calibration alone is split, unless `judges` is false, and nothing is left for verification; one for evaluation alone gives no
    calibration samples.
    """
    recipes = {
        role: request.options[role] for role in ("calibration", "evaluation") if request.options[role] is not None
    }
    givers = {"calibration": "calibration"}
    if request.options.get("judges", True):
        givers["verification"] = "evaluation" if "evaluation" in recipes else "calibration"
    samplings = {side: recipes[role]["sampling"] for side, role in givers.items() if role in recipes}
    findings: list[Finding] = []
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(_Side(name, request.out / name, said)) for name, said in samplings.items()}
        for role, recipe in recipes.items():
            with _naming(recipe["name"]), tempfile.TemporaryDirectory() as scratch:
                source = _Set(role, request, Path(scratch))
                _fill(source, [sides[side] for side in sides if givers[side] == role], sides, request)
                findings += source.findings()
    calibration, verification = sides.get("calibration"), sides.get("verification")
    return {
        "calibration": None if calibration is None else {"count": len(calibration)},
        "verification": None
        if verification is None
        else {"count": len(verification), "labels": verification.labels != []},
        "findings": findings,
    }


def everything(request: Request) -> dict[str, Any]:
    """Write out/verification with all samples of the set `evaluation`, in its own order: nothing is drawn, left out or refused for being alike.

    Of a stream, which may be endless, no more is taken than the recipe declares for verification, if it does.
    """
    recipe = request.options["evaluation"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_naming(recipe["name"]))
        side = stack.enter_context(_Side("verification", request.out / "verification", recipe["sampling"]))
        source = _Set("evaluation", request, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        for unit in source.in_order():
            side.add(unit)
            if source.is_stream and side.declared and len(side) >= side.wanted:
                break
        if not len(side):
            raise InvalidSamples("holds no sample")
    return {"calibration": None, "verification": {"count": len(side), "labels": side.labels != []}, "findings": []}


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except InvalidSamples as error:
        raise InvalidSamples(printable.together(f"{name}: ", error.problem), error.hint) from error


class _Side:
    """One of the two sets to be written; as many samples as its recipe's [sampling] declares, or up to the default."""

    def __init__(self, name: str, folder: Path, sampling: Mapping[str, Any]) -> None:
        self.name = name
        self.declared = sampling[name] is not None
        self.length = sampling["sequence"] or 1
        by_default = max(DEFAULT_COUNTS[name] // self.length, 1) * self.length
        self.wanted = sampling[name] if self.declared else by_default
        self.digests: list[str] = []
        self.labels: list[labels.Label] = []
        self._origins: list[str] = []
        self._folder = folder
        self._shards = ShardWriter(folder)

    def __len__(self) -> int:
        return len(self.digests)

    def __enter__(self) -> _Side:
        self._shards.__enter__()
        return self

    def add(self, unit: Unit) -> None:
        for drawn in unit:
            self._add(drawn)

    def _add(self, drawn: Drawn) -> None:
        if self.digests and (drawn.label is None) != (not self.labels):
            raise InvalidSamples(
                f"{drawn.origin}: some samples have labels and some have none; all or none would be right"
            )
        if drawn.label is not None:
            problem = labels.mismatch(self.labels[0], drawn.label) if self.labels else None
            if problem is not None:
                raise InvalidSamples(f"{drawn.origin}: {problem}")
            self.labels.append(drawn.label)
        self._shards.add(drawn.arrays)
        self.digests.append(drawn.digest)
        self._origins.append(drawn.origin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shards.__exit__(kind, error, trace)
        if kind is None:
            (self._folder / "hashes.json").write_text(json.dumps(self.digests))
            (self._folder / "origins.json").write_text(json.dumps(self._origins))
            if self.labels:
                labels.write(self._folder, self.labels)
            if self.length > 1:
                (self._folder / "sequences.json").write_text(json.dumps({"length": self.length}))


def _next_side(sides: list[_Side]) -> _Side | None:
    """Return the side that gets the next sample, None when all are full: by turns, in proportion to what is declared.

    A count that is not declared weighs as 1, so a declared one is soon met beside it, and without any it is half and
    half until the calibration set is full. None of it needs to know how many samples there are: a stream is split too.
    """
    hungry = [side for side in sides if len(side) < side.wanted]
    served = {side: len(side) / (side.wanted if side.declared else 1) for side in reversed(hungry)}
    return min(served, key=lambda side: served[side], default=None)  # of equals the last: verification


def _fill(source: _Set, own: list[_Side], sides: Mapping[str, _Side], request: Request) -> None:
    """Deal the samples of one recipe to the sides that take from it, without what the other side has."""
    taken = {digest for side in sides.values() if side not in own for digest in side.digests}
    total = sum(side.wanted for side in sides.values())
    units = source.different(taken, at_most=_REPETITIONS * sum(side.wanted // side.length for side in own))
    while (side := _next_side(own)) is not None and (unit := next(units, None)) is not None:
        side.add(unit)
        request.progress(sum(map(len, sides.values())), total)
    source.refuse_constant()
    if any(not len(side) or (side.declared and len(side) < side.wanted) for side in own):
        wanted = " and ".join(
            f"{side.wanted // side.length if side.declared else 'at least 1'} for {side.name}" for side in own
        )
        shared = f", {source.shared} of them in the calibration set" if source.shared else ""
        raise InvalidSamples(
            f"too few {source.what}: {wanted}, but there are {len(source.seen)} different ones among {source.read}{shared}",
            "give more, declare smaller counts under [sampling]"
            + (", or pass a set of its own with --eval" if len(own) > 1 else ""),
        )


class _Set:
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
        for key, names in (("preprocess", recipe["preprocess"]["inputs"]), ("constant", self._constant)):
            _refuse_unknown(key, names, self._specs)
        self._seed = recipe["sampling"]["seed"]
        self._length = recipe["sampling"]["sequence"] or 1
        self.what = "samples" if self._length == 1 else f"sequences of {self._length} samples"
        reader = importlib.import_module(f"toolkit.readers.{recipe['reader']['kind']}")
        files = {
            key.removeprefix(f"{role}."): path for key, path in request.inputs.items() if key.startswith(f"{role}.")
        }
        folder = Path(recipe["folder"]) if recipe["folder"] else None
        asked = Asked(tuple(self._specs), scratch, folder)
        self._reading = reader.read(reader.Options(**recipe["reader"]["options"]), files, asked)
        self.seen: set[str] = set()
        self.read = self.shared = 0
        self._firsts: dict[str, np.ndarray] = {}
        self._varying: set[str] = set()
        self._textured: set[str] = set()
        self._converted: dict[str, str] = {}

    @property
    def is_stream(self) -> bool:
        """Whether samples can only be had one after the other, and nobody knows how many there are."""
        return not isinstance(self._reading.samples, Indexed)

    def different(self, taken: set[str], *, at_most: int) -> Iterator[Unit]:
        """Yield each content once, and nothing that is in `taken`."""
        for unit in self._units(self._drawn()):
            self.read += 1
            digest = unit[0].digest if len(unit) == 1 else _digest_of([drawn.digest for drawn in unit])
            new = digest not in self.seen
            self.seen.add(digest)
            if new and all(drawn.digest in taken for drawn in unit):
                self.shared += 1
            elif new:
                yield unit
            if self.is_stream and self.read >= at_most:
                return

    def in_order(self) -> Iterator[Unit]:
        """Yield all samples, in the order in which they lie there."""
        samples = self._reading.samples
        indexed = isinstance(samples, Indexed)
        yield from self._units(map(samples.at, range(samples.count)) if indexed else samples)

    def _units(self, samples: Iterator[Sample]) -> Iterator[Unit]:
        """Yield the samples, checked, a sequence or a single one at a time."""
        unit: Unit = []
        for sample in samples:
            unit.append(self._checked(sample))
            if len(unit) == self._length:
                yield unit
                unit = []
        self._refuse_rest(len(unit))

    def _refuse_rest(self, count: int) -> None:
        if count:
            raise InvalidSamples(
                f"the last {count} samples are no whole sequence of {self._length}",
                "leave them out, or declare another sequence under [sampling]",
            )

    def _drawn(self) -> Iterator[Sample]:
        """Yield the samples, sequences in a drawn order where any can be had."""
        samples = self._reading.samples
        if not isinstance(samples, Indexed):
            yield from samples
            return
        count, rest = divmod(samples.count, self._length)
        self._refuse_rest(rest)
        # Sorting raw bits rather than Generator.permutation, whose results numpy may change between versions (NEP 19).
        bits = np.random.PCG64(self._seed).random_raw(count) if count else np.zeros(0, np.uint64)
        for first in np.argsort(bits, kind="stable") * self._length:
            yield from (samples.at(int(first) + step) for step in range(self._length))

    def _checked(self, sample: Sample) -> Drawn:
        _refuse_unknown(sample.origin, sample.inputs, self._specs)
        missing = [name for name in self._specs if name not in sample.inputs]
        if missing:
            raise InvalidSamples(
                f"{sample.origin}: no array for the model's inputs {missing}; it has {sorted(sample.inputs)}"
            )
        arrays = {name: self._fitted(name, sample.inputs[name], sample.origin) for name in self._specs}
        for name, array in arrays.items():
            first = self._firsts.setdefault(name, array)
            if array.shape != first.shape:
                raise InvalidSamples(
                    f"{sample.origin}: input {name!r} has shape {array.shape}, the first sample read {first.shape}; "
                    "all of a set have one shape",
                    "declare size = [height, width] under [preprocess] if these are images",
                )
            if name not in self._varying and array.tobytes() != first.tobytes():
                self._varying.add(name)
            if name not in self._textured and (array.size <= 1 or array.min() != array.max()):
                self._textured.add(name)
        return Drawn(arrays, _label(sample), sample.origin, _digest(arrays))

    def _fitted(self, name: str, values: np.ndarray, origin: str) -> np.ndarray:
        where, spec = f"{origin}: input {name!r}", self._specs[name]
        if values.dtype.name not in _DTYPES:
            raise InvalidSamples(f"{where} is {values.dtype}; an array of numbers would be right")
        _refuse_not_finite(values, where)
        ready = prepared(values, self._steps[name], where)
        array = of_dtype(ready, spec["dtype"], where, spec.get("integers"))
        if ready.dtype != array.dtype and not np.can_cast(ready.dtype, array.dtype):
            self._converted[name] = f"{ready.dtype} to {array.dtype}"
        _refuse_not_finite(array, f"{where} as {array.dtype}, after [preprocess],")
        return np.asarray(of_shape(array, spec["shape"], where), order="C")

    def refuse_constant(self) -> None:
        """Refuse a set that holds nothing, or whose samples do not differ where they should."""
        if not self.read:
            raise InvalidSamples("holds no sample")
        hint = "if the input is meant never to change, declare it in the recipe: constant = ["
        if self.read > 1 and len(self.seen) == 1:
            raise InvalidSamples(f"all {self.read} {self.what} read are identical; different ones would be right")
        for name in self._specs:
            if name not in self._constant and name not in self._varying and self.read > 1:
                raise InvalidSamples(
                    f"input {name!r} is the same in all {self.read} {self.what} read", f'{hint}"{name}"]'
                )
            if name not in self._constant and name not in self._textured:
                raise InvalidSamples(
                    f"input {name!r}: each of the {self.read} {self.what} read is one single value all over",
                    f'{hint}"{name}"]',
                )

    def findings(self) -> list[Finding]:
        """Return what the reader, the preparation and the draw found out about the set."""
        found = list(self._reading.findings)
        repeated = self.read - len(self.seen)
        if repeated:
            message = f"{repeated} of {self.read} {self.what} repeat another one and were left out"
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
    for name, spec in specs.items():
        if spec["dtype"] not in _DTYPES:
            raise InvalidSamples(
                f"the model's input {name!r} takes {spec['dtype']}; samples are arrays of {', '.join(_DTYPES)}"
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
            f"{where} holds {nan} NaN and {infinite} infinite of {array.size} values; finite ones would be right"
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
            f"{sample.origin}: label {value!r}; a number (the class's index), an array, or these and texts by target would be right"
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
