"""Samples in TFRecord files of tf.Example, one per record; TensorFlow is not needed.

A schema says which feature is which input and how it is packed. Without a schema, an input takes the feature of its name unchanged; a feature of
bytes must be declared, since it may be an image or the numbers of an array. Files that are not compressed give any record directly; a compressed file
is read from its beginning.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np

from toolkit import printable
from toolkit.errors import InvalidSamples
from toolkit.findings import Finding
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample, inside, named
from toolkit.samples.readers._columns import label_by_name, label_of, not_bound, require_all
from toolkit.samples.readers._pictures import decode
from toolkit.samples.readers._records import Feature, features, is_packed, places, record_at, unpacked

_BARE = re.compile(r"[A-Za-z0-9_-]+")  # a key of TOML that needs no quotes
CACHED = True
ENVIRONMENT = "dataset"
SUFFIXES = (".tfrecord", ".tfrecords")


@dataclass(frozen=True)
class FeatureOfInput:
    """`feature`: its name; `encoding`: numbers as tf.Example lists them, bytes of an array ("raw"), or an image file.

    `dtype`: of "raw" bytes (little-endian; a big-endian one is ">i2"). `shape`: of one sample.
    """

    feature: str
    encoding: Literal["list", "raw", "image"] = "list"
    dtype: str | None = None
    shape: tuple[int, ...] | None = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if (self.encoding == "raw") != (self.dtype is not None):
            raise ValueError('dtype is what "raw" bytes need, and nothing else: encoding = "raw", dtype = "uint8"')
        if self.dtype is not None and not _is_of_numbers(self.dtype):
            raise ValueError(f'dtype {self.dtype!r}; expected a numeric one, as "uint8" or ">f4"')


def _is_of_numbers(dtype: str) -> bool:
    try:
        return np.dtype(dtype).kind in "iufb"
    except TypeError:
        return False


@dataclass(frozen=True)
class Options:
    """`path`: a file, or a pattern (`train-*.tfrecord`); `inputs`: a feature by model input; `labels`: a feature.

    Or `labels` by target: a feature, which may hold a word, or several features of equal length side by side, as the four of a box. `classes`: the
    order of labels that are words.
    """

    path: str
    inputs: dict[str, FeatureOfInput] | None = None
    labels: str | dict[str, str | tuple[str, ...]] | None = None
    classes: tuple[str, ...] | None = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def recognize(data: str) -> tuple[Path, Options] | None:
    """Return options for a .tfrecord file, compressed or not."""
    path = Path(data)
    stem = path.with_suffix("") if path.suffix in (".gz", ".zlib") else path
    return (path.parent, Options(path.name)) if stem.suffix in SUFFIXES else None


def files(options: Options) -> dict[str, str]:
    """Return the file, or the pattern."""
    return {"path*": options.path}


def read(options: Options, files: Mapping[str, Path], asked: ReadRequest) -> Reading:
    """Return the samples, one per record, in the order of the files' names."""
    paths = named(files, "path")
    folders = [path.name for path in paths if path.is_dir()]
    if folders:
        raise InvalidSamples(f"{folders[0]}: is a folder; expected a file, or a pattern (train-*.tfrecord)")
    place = inside(PurePosixPath(options.path).parent.as_posix())
    packed = [is_packed(path) for path in paths]
    if any(packed):
        records = ((content, f"{path.name}: record {index}") for path in paths for index, content in _records(path))
        first = next(records, None)
        if first is None:
            return Reading(iter(()))
        schema, findings = _schema(options, features(*first), asked)
        return Reading((schema.sample(*record) for record in itertools.chain([first], records)), findings, place)
    index = _Index(paths)
    if not index.count:
        return Reading(iter(()))
    schema, findings = _schema(options, features(*index.at(0)), asked)
    return Reading(Indexed(index.count, lambda number: schema.sample(*index.at(number))), findings, place)


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each record of a file, compressed or not."""
    if is_packed(path):
        yield from enumerate(unpacked(path))
        return
    index = _Index([path])
    for number in range(index.count):
        yield number, index.at(number)[0]


class _Index:
    """The places of the records of several files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._places = [places(path) for path in paths]
        self._ends = np.cumsum([len(found) for found in self._places])
        self.count = int(self._ends[-1]) if len(self._ends) else 0

    def at(self, number: int) -> tuple[bytes, str]:
        """Return a record, and its name in messages."""
        which = int(np.searchsorted(self._ends, number, "right"))
        own = number - (int(self._ends[which - 1]) if which else 0)
        where = f"{self._paths[which].name}: record {own}"
        with open(self._paths[which], "rb") as file:
            file.seek(int(self._places[which][own]))
            return record_at(file, where) or b"", where


@dataclass(frozen=True)
class _Schema:
    """The features of a record that make a sample."""

    inputs: dict[str, FeatureOfInput]
    labels: str | dict[str, tuple[str, ...]] | None
    classes: tuple[str, ...] | None

    def sample(self, record: bytes, where: str) -> Sample:
        """Return the sample in a record."""
        held = features(record, where)
        needed = [said.feature for said in self.inputs.values()] + _features_of(self.labels)
        absent = [name for name in needed if name not in held]
        if absent:
            raise InvalidSamples(f"{where}: has no feature {absent[0]!r}; it has {', '.join(sorted(held)) or 'none'}")
        values = {name: _values(held[said.feature], said, where) for name, said in self.inputs.items()}
        label: Any = None
        if isinstance(self.labels, dict):
            label = {
                target: _target([held[name] for name in names], f"{where}: label {target!r}")
                for target, names in self.labels.items()
            }
        elif self.labels is not None:
            label = _label(held[self.labels], self.classes, f"{where}: feature {self.labels!r}")
        return Sample(values, label, where)


def _schema(options: Options, first: dict[str, Feature], asked: ReadRequest) -> tuple[_Schema, list[Finding]]:
    """Return the declared or the found schema, and findings; the first record shows which features exist."""
    there = {name: _kind(feature) for name, feature in sorted(first.items())}
    inputs = {name: _as_declared(said) for name, said in (options.inputs or {}).items()}
    labels, findings = _by_target(options.labels), list[Finding]()
    if labels is None:
        taken = {*asked.names, *(said.feature for said in inputs.values())}
        labels, findings = label_by_name(there, taken, "feature")
    named = [(f"inputs.{name}.feature", said.feature) for name, said in inputs.items()]
    require_all([*named, *(("labels", name) for name in _features_of(labels))], list(there), "feature")
    return _Schema(inputs or _inputs_by_name(there, asked), labels, options.classes), findings


def _inputs_by_name(there: Mapping[str, str], asked: ReadRequest) -> dict[str, FeatureOfInput]:
    missing = [name for name in asked.names if there.get(name, "bytes").startswith("bytes")]
    if missing:
        error = not_bound(missing, there, "feature")
        error.hint = printable.lines(
            [
                "declare it:",
                f"    [reader.inputs.{key if _BARE.fullmatch(key := missing[0]) else printable.literal(key)}]",
                '    feature = "image/encoded"',
                '    encoding = "image"          # or "raw" with dtype and shape',
            ]
        )
        raise error
    return {name: FeatureOfInput(name) for name in asked.names}


def _as_declared(said: FeatureOfInput | Mapping[str, Any]) -> FeatureOfInput:
    return FeatureOfInput(**said) if isinstance(said, Mapping) else said  # JSON has no classes


def _kind(feature: Feature) -> str:
    if isinstance(feature, list):
        return f"bytes ({len(feature)})"
    return f"{feature.dtype} ({len(feature)})"


def _values(feature: Feature, said: FeatureOfInput, where: str) -> np.ndarray:
    """Return the array that a feature holds."""
    what = f"{where}: feature {said.feature!r}"
    if said.encoding == "list":
        if isinstance(feature, list):
            raise InvalidSamples(f'{what} is bytes; expected encoding = "image", or "raw" with a dtype')
        values = feature
    else:
        if not isinstance(feature, list) or len(feature) != 1:
            raise InvalidSamples(f'{what} is {_kind(feature)}; expected one text of bytes for "{said.encoding}"')
        if said.encoding == "image":
            return decode(feature[0], what)
        dtype = np.dtype(said.dtype)
        if len(feature[0]) % dtype.itemsize:
            raise InvalidSamples(f"{what} has {len(feature[0])} bytes, no whole number of {dtype}")
        values = np.frombuffer(feature[0], dtype.newbyteorder("<") if dtype.byteorder == "=" else dtype)
    if said.shape is None:
        return values
    try:
        return values.reshape(said.shape)
    except ValueError:
        raise InvalidSamples(f"{what} has {values.size} numbers, shape {list(said.shape)} is declared") from None


def _by_target(labels: str | dict[str, str | tuple[str, ...]] | None) -> str | dict[str, tuple[str, ...]] | None:
    if not isinstance(labels, dict):
        return labels
    return {target: (names,) if isinstance(names, str) else tuple(names) for target, names in labels.items()}


def _features_of(labels: str | dict[str, tuple[str, ...]] | None) -> list[str]:
    """Return the names of the features that make up the labels."""
    if isinstance(labels, dict):
        return [name for names in labels.values() for name in names]
    return [] if labels is None else [labels]


def _target(features: Sequence[Feature], where: str) -> Any:
    """Return a target's label: a text, numbers, or the numbers of several features side by side."""
    first = features[0]
    if len(features) == 1 and isinstance(first, list) and len(first) == 1:
        return first[0].decode("utf-8", "replace")
    numbers = [feature for feature in features if not isinstance(feature, list)]
    if len(numbers) < len(features):
        raise InvalidSamples(f"{where}: is bytes; expected one text, or numbers")
    lengths = sorted({len(feature) for feature in numbers})
    if len(lengths) > 1:
        raise InvalidSamples(f"{where}: its features hold {lengths} numbers; expected equal counts")
    return numbers[0] if len(numbers) == 1 else np.stack(numbers, axis=-1)


def _label(feature: Feature, classes: Sequence[str] | None, where: str) -> Any:
    """Return one number or word, or several numbers."""
    if len(feature) == 1:
        return label_of(feature[0] if isinstance(feature, list) else feature[0].item(), classes, where)
    if isinstance(feature, list):
        raise InvalidSamples(f"{where}: {len(feature)} words; expected one, or numbers")
    return feature
