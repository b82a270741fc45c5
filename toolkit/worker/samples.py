"""Calibration and verification samples: read, prepared, checked against the model, and drawn so that none is in both.

Everything is bound to the model's inputs by name. A sample that does not fit is refused with its index and what would
be right, never bent to fit: the few conversions that lose nothing but digits are findings. Two samples are the same if
they are so after preparation, bit by bit (SHA-256).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from toolkit.errors import InvalidSamples, suggestion
from toolkit.readers import Asked, Indexed, Sample
from toolkit.readers.images import arrange
from toolkit.worker.request import Request
from toolkit.worker.shards import ShardWriter

DEFAULT_COUNTS = {"calibration": 200, "verification": 500}
_REPETITIONS = 10  # a stream that gave so many times what is needed, and still too few different ones, is given up
_DTYPES = tuple("bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())
_IMAGE_AXES = 3  # height, width, channels

Finding = dict[str, Any]
Spec = Mapping[str, Any]


class Drawn(NamedTuple):
    """A sample as the model takes it, and the SHA-256 of its content."""

    arrays: dict[str, np.ndarray]
    label: np.ndarray | None
    origin: str
    digest: str


def draw(request: Request) -> dict[str, Any]:
    """Write out/calibration and out/verification, and return how many samples are in each, and findings.

    Each is a folder of shards with hashes.json (the SHA-256 of each sample), origins.json (what messages call it) and,
    where there are labels, labels.npy. Options: `calibration` and `evaluation`, each a recipe as
    `toolkit.dataset.Recipe.request` gives it, or null. Inputs: `signature` (JSON; may be an option instead), and the
    recipes' files as `calibration.KEY` and `evaluation.KEY`. A recipe for calibration alone is split; one for
    evaluation alone gives no calibration samples.
    """
    recipes = {
        role: request.options[role] for role in ("calibration", "evaluation") if request.options[role] is not None
    }
    givers = {"calibration": "calibration", "verification": "evaluation" if "evaluation" in recipes else "calibration"}
    counts = {side: recipes[role]["sampling"][side] for side, role in givers.items() if role in recipes}
    findings: list[Finding] = []
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(_Side(name, request.out / name, count)) for name, count in counts.items()}
        for role, recipe in recipes.items():
            with _naming(recipe["name"]), tempfile.TemporaryDirectory() as scratch:
                source = _Set(role, request, Path(scratch))
                _fill(source, [sides[side] for side in sides if givers[side] == role], sides, request)
                findings += source.findings()
        has_labels = sides["verification"].labels != []
    calibration = {"count": len(sides["calibration"])} if "calibration" in sides else None
    return {
        "calibration": calibration,
        "verification": {"count": len(sides["verification"]), "labels": has_labels},
        "findings": findings,
    }


def everything(request: Request) -> dict[str, Any]:
    """Write out/verification with all samples of the set `evaluation`, in its own order: nothing is drawn, left out or refused for being alike."""
    recipe = request.options["evaluation"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_naming(recipe["name"]))
        side = stack.enter_context(_Side("verification", request.out / "verification", None))
        source = _Set("evaluation", request, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        for drawn in source.in_order():
            side.add(drawn)
        if not len(side):
            raise InvalidSamples("holds no sample")
    return {"calibration": None, "verification": {"count": len(side), "labels": side.labels != []}, "findings": []}


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except InvalidSamples as error:
        raise InvalidSamples(f"{name}: {error.problem}", error.hint) from error


class _Side:
    """One of the two sets to be written; as many samples as its recipe declares, or up to the default."""

    def __init__(self, name: str, folder: Path, declared: int | None) -> None:
        self.name = name
        self.declared = declared is not None
        self.wanted = DEFAULT_COUNTS[name] if declared is None else declared
        self.digests: list[str] = []
        self.labels: list[np.ndarray] = []
        self._origins: list[str] = []
        self._folder = folder
        self._shards = ShardWriter(folder)

    def __len__(self) -> int:
        return len(self.digests)

    def __enter__(self) -> _Side:
        self._shards.__enter__()
        return self

    def add(self, drawn: Drawn) -> None:
        if self.digests and (drawn.label is None) != (not self.labels):
            raise InvalidSamples(
                f"{drawn.origin}: some samples have labels and some have none; all or none would be right"
            )
        if drawn.label is not None:
            if self.labels and drawn.label.shape != self.labels[0].shape:
                raise InvalidSamples(
                    f"{drawn.origin}: label of shape {drawn.label.shape}, others have {self.labels[0].shape}"
                )
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
                np.save(self._folder / "labels.npy", np.stack(self.labels), allow_pickle=False)


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
    samples = source.different(taken, at_most=_REPETITIONS * sum(side.wanted for side in own))
    while (side := _next_side(own)) is not None and (drawn := next(samples, None)) is not None:
        side.add(drawn)
        request.progress(sum(map(len, sides.values())), total)
    source.refuse_constant()
    if any(not len(side) or (side.declared and len(side) < side.wanted) for side in own):
        wanted = " and ".join(f"{side.wanted if side.declared else 'at least 1'} for {side.name}" for side in own)
        shared = f", {source.shared} of them in the calibration set" if source.shared else ""
        raise InvalidSamples(
            f"too few samples: {wanted}, but there are {len(source.seen)} different ones among {source.read}{shared}",
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

    def different(self, taken: set[str], *, at_most: int) -> Iterator[Drawn]:
        """Yield each content once, and nothing that is in `taken`."""
        for sample in self._samples():
            drawn = self._checked(sample)
            self.read += 1
            new = drawn.digest not in self.seen
            self.seen.add(drawn.digest)
            if new and drawn.digest in taken:
                self.shared += 1
            elif new:
                yield drawn
            if not isinstance(self._reading.samples, Indexed) and self.read >= at_most:
                return

    def in_order(self) -> Iterator[Drawn]:
        """Yield all samples, in the order in which they lie there."""
        samples = self._reading.samples
        for sample in (
            (samples.at(index) for index in range(samples.count)) if isinstance(samples, Indexed) else samples
        ):
            yield self._checked(sample)

    def _samples(self) -> Iterator[Sample]:
        samples = self._reading.samples
        if not isinstance(samples, Indexed):
            yield from samples
            return
        # Sorting raw bits rather than Generator.permutation, whose results numpy may change between versions (NEP 19).
        bits = np.random.PCG64(self._seed).random_raw(samples.count) if samples.count else np.zeros(0, np.uint64)
        for index in np.argsort(bits, kind="stable"):
            yield samples.at(int(index))

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
        prepared = _prepared(values, self._steps[name], where)
        array = _of_dtype(prepared, spec["dtype"], where)
        if prepared.dtype != array.dtype and not np.can_cast(prepared.dtype, array.dtype):
            self._converted[name] = f"{prepared.dtype} to {array.dtype}"
        _refuse_not_finite(array, f"{where} as {array.dtype}, after [preprocess],")
        return np.asarray(_of_shape(array, spec["shape"], where), order="C")

    def refuse_constant(self) -> None:
        """Refuse a set that holds nothing, or whose samples do not differ where they should."""
        if not self.read:
            raise InvalidSamples("holds no sample")
        hint = "if the input is meant never to change, declare it in the recipe: constant = ["
        if self.read > 1 and len(self.seen) == 1:
            raise InvalidSamples(f"all {self.read} samples read are identical; different ones would be right")
        for name in self._specs:
            if name not in self._constant and name not in self._varying and self.read > 1:
                raise InvalidSamples(f"input {name!r} is the same in all {self.read} samples read", f'{hint}"{name}"]')
            if name not in self._constant and name not in self._textured:
                raise InvalidSamples(
                    f"input {name!r}: each of the {self.read} samples read is one single value all over",
                    f'{hint}"{name}"]',
                )

    def findings(self) -> list[Finding]:
        """Return what the reader, the preparation and the draw found out about the set."""
        found = list(self._reading.findings)
        repeated = self.read - len(self.seen)
        if repeated:
            message = f"{repeated} of {self.read} samples repeat another one and were left out"
            found.append(_finding("duplicate-samples", "warning", message, duplicates=repeated, read=self.read))
        if self.shared:
            message = f"{self.shared} of {self.read} samples are in the calibration set too, and do not judge"
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
            "\n".join(f"{where}: {name!r} is no input of the model; {suggestion(name, specs)}" for name in unknown)
        )


def _refuse_not_finite(array: np.ndarray, where: str) -> None:
    """NaN and infinity are never cleaned away."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        raise InvalidSamples(
            f"{where} holds {nan} NaN and {infinite} infinite of {array.size} values; finite ones would be right"
        )


def _prepared(values: np.ndarray, steps: Mapping[str, Any], where: str) -> np.ndarray:
    """Return the values after the declared steps; their order is that of `toolkit.dataset.Steps`."""
    try:
        if "size" in steps or "color" in steps:
            values = arrange(values, steps)
        if "dtype" in steps:
            values = _exactly(values, np.dtype(steps["dtype"]))
        if any(step in steps for step in ("scale", "mean", "std")):
            values = _scaled(values, steps)
        if steps.get("layout") == "nchw":
            values = np.moveaxis(values, -1, -3)
        return values.reshape(steps["shape"]) if "shape" in steps else values
    except ValueError as error:  # of numpy too: an axis that is not there, a shape of another size
        raise InvalidSamples(f"{where}: [preprocess]: {error}") from error


def _exactly(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return the values in a dtype; ValueError for whole numbers and truths that it cannot hold."""
    with np.errstate(over="ignore", invalid="ignore"):  # is seen below, or afterwards as infinity
        converted = values.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(converted, values):
        raise ValueError(f"{values[converted != values].ravel()[0]} is no {dtype}; dtype does not round")
    return converted


def _scaled(values: np.ndarray, steps: Mapping[str, Any]) -> np.ndarray:
    """Return (values * scale - mean) / std in the values' own dtype."""
    if values.dtype.kind != "f":
        raise ValueError(f'scale, mean and std need real numbers, not {values.dtype}; declare dtype = "float32" too')
    for step in ("mean", "std"):
        if len(steps.get(step, ())) > 1 and values.shape[-1:] != (len(steps[step]),):
            raise ValueError(
                f"{step} has {len(steps[step])} numbers, but the shape is {values.shape}; one number, or one each"
            )
    scaled = np.array(values)
    with np.errstate(over="ignore", invalid="ignore"):  # is seen afterwards, as infinity or NaN
        if "scale" in steps:
            scaled *= values.dtype.type(steps["scale"])
        for step, change in (("mean", np.subtract), ("std", np.divide)):
            if step in steps:
                numbers = np.array(steps[step], values.dtype)
                change(scaled, numbers if len(numbers) > 1 else numbers[0], out=scaled)
    return scaled


def _of_dtype(values: np.ndarray, dtype: str, where: str) -> np.ndarray:
    """Return the values as the model takes them, if that loses nothing but digits of real numbers.

    Real to real of any width, and whole to whole numbers that hold them; never whole numbers to real ones: 0..255 may
    mean 0..1, or not.
    """
    have, wanted = values.dtype, np.dtype(dtype)
    if have == wanted:
        return values
    if have.kind in "iu" and wanted.kind == "f":
        raise InvalidSamples(
            f"{where} is {have}, the model takes {wanted}",
            f'declare it in a recipe: [preprocess] dtype = "{wanted}", and the scale that the model was trained with '
            "(scale = 0.00392156862745098 makes 0..255 to 0..1, scale = 1.0 leaves it)",
        )
    both_real = have.kind == wanted.kind == "f"
    if not both_real and not (have.kind in "iu" and (have.kind == wanted.kind or np.can_cast(have, wanted))):
        raise InvalidSamples(
            f"{where} is {have}, the model takes {wanted}", f'declare it in a recipe: [preprocess] dtype = "{wanted}"'
        )
    try:
        return _exactly(values, wanted)
    except ValueError as error:
        raise InvalidSamples(f"{where} is {have}, the model takes {wanted}: {error}") from error


def _of_shape(array: np.ndarray, wanted: list[int | None] | None, where: str) -> np.ndarray:
    """Return what one call takes: the sample itself, or with a batch axis of 1 before it."""
    if wanted is None:
        return array
    batched = array[np.newaxis] if array.ndim == len(wanted) - 1 else array
    if batched.ndim == len(wanted) and all(
        size in (None, have) for size, have in zip(wanted, batched.shape, strict=True)
    ):
        return batched
    one = wanted[1:] if wanted and wanted[0] in (1, None) else wanted
    shown = "(" + ", ".join("any" if size is None else str(size) for size in one) + ("," if len(one) == 1 else "") + ")"
    raise InvalidSamples(
        f"{where} has shape {array.shape}, a sample of the model has {shown}", _shape_hint(array.shape, one)
    )


def _shape_hint(have: tuple[int, ...], wanted: list[int | None]) -> str:
    if math.prod(have) == math.prod(size or 0 for size in wanted):
        turned = len(have) == _IMAGE_AXES and [have[-1], *have[:-1]] == wanted
        return (
            'declare layout = "nchw" under [preprocess]' if turned else f"declare shape = {wanted} under [preprocess]"
        )
    if len(have) == len(wanted) == _IMAGE_AXES and None not in wanted:
        steps = [f"size = {wanted[:-1]}"] if [*have[:-1]] != wanted[:-1] else []
        steps += ['color = "gray"'] if (have[-1], wanted[-1]) == (3, 1) else []
        if steps:
            return f"if these are images, declare {' and '.join(steps)} under [preprocess]"
    return "the first axis of an array counts the samples; a sample itself has no batch axis, or one of 1"


def _label(sample: Sample) -> np.ndarray | None:
    if sample.label is None:
        return None
    label = np.asarray(sample.label)
    if label.dtype.name not in _DTYPES or not np.isfinite(label).all():
        raise InvalidSamples(
            f"{sample.origin}: label {sample.label!r}; a number (the class's index), or an array, would be right"
        )
    return label


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 over name, dtype, shape and bytes (little-endian) of all inputs, in hexadecimal."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
