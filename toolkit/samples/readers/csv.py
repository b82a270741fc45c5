"""Samples in a table of text (RFC 4180: commas, quotes, a header), one per row; numbers with a point, as UTF-8.

Without a declaration in the recipe, an input takes the column of its name, or those of its name and a number (`x_0`, `x_1`), and the only input of a
model takes all columns except the labels. The table is never all in memory: one pass over the file finds the rows, then each is read alone.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np

from toolkit.errors import InvalidSamples
from toolkit.findings import Finding
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample
from toolkit.samples.readers._columns import label_by_name, label_of, matching, not_bound, require, require_all, told

CACHED = True
ENVIRONMENT = "dataset"
_BLOCK_BYTES = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")
_MARK = b"\xef\xbb\xbf"  # the byte order mark of UTF-8, which Excel writes
_PLACE = np.dtype([("offset", np.int64), ("size", np.int64), ("line", np.int64)])  # of a row in the file

_Dtype = Literal["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
_Columns = tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """`inputs`: for each model input a column, several columns as a vector, or a pattern (`pixel*`, in the order of its numbers).

    `labels`: a column; `classes`: the order of labels that are words. `columns` names the columns of a file without a header.
    `dtype` of the numbers, for all inputs or by input.
    """

    path: str
    inputs: dict[str, str | tuple[str, ...]] | None = None
    labels: str | None = None
    classes: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    delimiter: str = ","
    dtype: _Dtype | dict[str, _Dtype] = "float32"

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            raise ValueError(f'delimiter: {self.delimiter!r}; expected one character, as "," or ";"')


def recognize(data: str) -> tuple[Path, Options] | None:
    """Return options for a .csv file, or a .tsv with tabs between its columns."""
    path = Path(data)
    delimiter = {".csv": ",", ".tsv": "\t"}.get(path.suffix)
    return None if delimiter is None else (path.parent, Options(path.name, delimiter=delimiter))


def files(options: Options) -> dict[str, str]:
    """Return the file."""
    return {"path": options.path}


@dataclass(frozen=True)
class _Table:
    """A file of rows: the place of each (`index`, a file of `_PLACE`), and the names of its columns."""

    path: Path
    delimiter: str
    index: Path
    first: int
    columns: list[str]

    def __len__(self) -> int:
        return self.index.stat().st_size // _PLACE.itemsize - self.first

    def row(self, number: int) -> tuple[list[str], int]:
        """Return the fields of a row, and the number of its first line."""
        (place,) = np.fromfile(self.index, _PLACE, count=1, offset=(number + self.first) * _PLACE.itemsize)
        with open(self.path, "rb") as file:
            file.seek(int(place["offset"]))
            return _fields(file.read(int(place["size"])), self.delimiter, int(place["line"])), int(place["line"])


def read(options: Options, files: Mapping[str, Path], asked: ReadRequest) -> Reading:
    """Return the samples, one per row."""
    table = _opened(options, files["path"], asked.scratch)
    chosen, labels, findings = _bound(options, table.columns, asked)
    place_of = {column: place for place, column in enumerate(table.columns)}
    places = {name: [place_of[column] for column in columns] for name, columns in chosen.items()}
    dtypes = {name: _dtype(options, name) for name in chosen}
    label = None if labels is None else table.columns.index(labels)

    def at(index: int) -> Sample:
        fields, line = table.row(index)
        origin = f"sample {index} (line {line})"
        if len(fields) != len(table.columns):
            raise InvalidSamples(f"{origin}: has {len(fields)} columns, the table has {len(table.columns)}")
        inputs = {
            name: np.array(
                [_number(fields[column], table.columns[column], dtypes[name], origin) for column in columns],
                dtypes[name],
            )
            for name, columns in places.items()
        }
        truth = None if label is None else _label(fields[label], options.classes, f"{origin}: column {labels!r}")
        return Sample(inputs, truth, origin)

    return Reading(Indexed(len(table), at), findings, f"{options.path}: ")


def _dtype(options: Options, name: str) -> str:
    return options.dtype if isinstance(options.dtype, str) else options.dtype.get(name, "float32")


def _opened(options: Options, path: Path, scratch: Path) -> _Table:
    """Return the table with the places of its rows."""
    if path.is_dir():
        raise InvalidSamples(f"{path.name}: is a folder; expected a .csv file")
    index = scratch / "rows"
    with open(path, "rb") as file, open(index, "wb") as written:
        written.writelines(places.tobytes() for places in _places(file))
    table = _Table(path, options.delimiter, index, 0, [])
    if not len(table):
        raise InvalidSamples("holds no sample: the file is empty")
    first, _ = table.row(0)
    columns = list(options.columns or (name.strip() for name in first))
    twice = sorted(name for name, times in Counter(columns).items() if times > 1)
    if twice:
        raise InvalidSamples(f"the column {twice[0]!r} appears twice", "rename one of them")
    other = next((mark for mark in _DELIMITERS if len(columns) == 1 and mark in columns[0]), None)
    if other is not None:
        raise InvalidSamples(
            f"the only column is called {columns[0]!r}: no {options.delimiter!r} lies between columns",
            f"declare what does: [reader] delimiter = {json.dumps(other)}",
        )
    if options.columns is None and all(_is_number(name) for name in columns):
        raise InvalidSamples(
            f"the first line holds numbers only ({', '.join(columns[:3])}, ...): no header",
            'declare the names: [reader] columns = ["label", "x_0", "x_1"]',
        )
    return _Table(path, options.delimiter, index, 0 if options.columns else 1, columns)


def _places(file: BinaryIO) -> Iterator[np.ndarray]:
    """Yield the places of the rows, block by block; a line break between quotes does not end a row, and an empty line is no row."""
    base = start = len(_MARK) if file.read(len(_MARK)) == _MARK else 0
    file.seek(base)
    line, row_line, quotes, last = 1, 1, 0, 0
    while block := file.read(_BLOCK_BYTES):
        data = np.frombuffer(block, np.uint8)
        marks, breaks = np.flatnonzero(data == ord('"')), np.flatnonzero(data == ord("\n"))
        ending = (quotes + np.searchsorted(marks, breaks)) % 2 == 0
        ends = breaks[ending]
        places = np.zeros(len(ends), _PLACE)
        places["offset"] = np.concatenate([[start], base + ends + 1])[:-1]
        places["size"] = base + ends + 1 - places["offset"]
        places["line"] = np.concatenate([[row_line], line + 1 + np.flatnonzero(ending)])[:-1]
        returned = np.concatenate([[last], data])[ends] == ord("\r")
        yield places[places["size"] > 1 + returned]
        if len(ends):
            start, row_line = base + int(ends[-1]) + 1, line + 1 + int(np.flatnonzero(ending)[-1])
        base, line, quotes, last = base + len(block), line + len(breaks), quotes + len(marks), int(data[-1])
    if base > start:
        yield np.array([(start, base - start, row_line)], _PLACE)


def _fields(raw: bytes, delimiter: str, line: int) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(raw.decode(), newline=""), delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise InvalidSamples(f"line {line}: is not UTF-8 ({error.reason})", "save the table as UTF-8") from error
    except csv.Error as error:
        raise InvalidSamples(f"line {line}: {error}", "close the quote, or save the table again") from error
    return rows[0] if rows else []


def _bound(
    options: Options, columns: list[str], asked: ReadRequest
) -> tuple[dict[str, list[str]], str | None, list[Finding]]:
    """Return each input's columns, the labels' column, and the findings about choices that were made by convention."""
    findings: list[Finding] = []
    labels = options.labels
    said = [] if labels is None else [("labels", labels)]
    for name, declared in (options.inputs or {}).items():
        several = (declared,) if isinstance(declared, str) else declared
        said += [(f"inputs.{name}", column) for column in several if not _is_pattern(declared)]
    require_all(said, columns, "column")
    if labels is None:
        labels, findings = label_by_name(columns, {*asked.names, *_named(options)}, "column")
    rest = [column for column in columns if column != labels]
    known = set(rest)
    if options.inputs is not None:
        return {name: _declared(name, said, rest) for name, said in options.inputs.items()}, labels, findings
    found = {name: [name] if name in known else matching(f"{name}[_.0-9]*", rest) for name in asked.names}
    missing = [name for name, held in found.items() if not held]
    if missing and len(asked.names) == 1 and rest:
        message = f"all columns but the labels are the input {missing[0]!r}: {told(rest)}"
        finding = Finding("columns-by-place", "info", message, facts={"columns": rest})
        return {missing[0]: rest}, labels, [*findings, finding]
    if missing:
        raise not_bound(missing, dict.fromkeys(rest, ""), "column")
    return found, labels, findings


def _named(options: Options) -> list[str]:
    declared = (options.inputs or {}).values()
    return [name for said in declared for name in ((said,) if isinstance(said, str) else said)]


def _declared(name: str, said: str | _Columns, columns: list[str]) -> list[str]:
    key = f"inputs.{name}"
    if isinstance(said, str) and _is_pattern(said) and said not in columns:
        found = matching(said, columns)
        if not found:
            raise InvalidSamples(f"reader.{key}: no column fits {said!r}; columns: {told(columns)}")
        return found
    return [require(column, columns, key, "column") for column in ((said,) if isinstance(said, str) else said)]


def _is_pattern(said: str | _Columns) -> bool:
    return isinstance(said, str) and "*" in said


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, column: str, dtype: str, origin: str) -> float | int:
    """Return the number in a field; InvalidSamples if it is missing or no number of the dtype."""
    stripped = text.strip()
    if not stripped:
        raise InvalidSamples(
            f"{origin}: column {column!r} is empty; expected a number", "leave such rows out, or fill them in"
        )
    try:
        number = float(stripped) if dtype.startswith("float") else int(stripped)
        held = math.isfinite(number) if isinstance(number, float) else _holds(dtype, number)
        if held and "_" not in stripped:
            return number
    except ValueError:
        pass
    comma = ", with a point" if "," in stripped else ""
    raise InvalidSamples(f"{origin}: column {column!r} holds {text!r}; expected a number ({dtype}{comma})")


def _holds(dtype: str, number: int) -> bool:
    return int(np.iinfo(dtype).min) <= number <= int(np.iinfo(dtype).max)


def _label(text: str, classes: Sequence[str] | None, where: str) -> Any:
    if not text.strip():
        raise InvalidSamples(f"{where} is empty, so it has no label")
    if classes is None and _is_number(text):
        number = float(text)
        return int(number) if number.is_integer() else number
    return label_of(text.strip(), classes, where)
