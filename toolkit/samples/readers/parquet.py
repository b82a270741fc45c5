"""Samples in parquet files, one per row, as Hugging Face's `datasets` writes them: a file, or a folder of one set's files.

An input takes the column of its name; the only input of a model takes the only column that is no label. Columns hold numbers, lists of numbers
(nested ones are arrays), or images: encoded bytes, or {bytes, path}. A folder with several splits (train-00000-of-00002.parquet, test-...) needs a
declared `split`. A row is read with its row group, the smallest unit that parquet can read; groups are kept up to 64 MB.
"""

from __future__ import annotations

import importlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from toolkit.errors import InvalidSamples, suggestion
from toolkit.findings import Finding
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample, inside, named
from toolkit.samples.readers._columns import label_by_name, label_of, not_bound, require_all
from toolkit.samples.readers._folders import listing, mostly
from toolkit.samples.readers._pictures import decode

CACHED = True
ENVIRONMENT = "parquet"
SUFFIXES = (".parquet",)
_KEPT_BYTES = 64 << 20
_LISTED = 8
_MOST_VALUES = 1 << 28  # of a row group in the columns that are read: 2 GB of 8-byte numbers, and two seconds
# huggingface/datasets, naming.py: SPLIT-00000-of-00001, after the name of the set and a dash if it has a name.
_PART = re.compile(r"(?:.*-)?(?P<split>\w+)-(?P<number>\d{5})-of-(?P<count>\d{5})")


@dataclass(frozen=True)
class Options:
    """`path`: a file, a pattern (`data/train-*.parquet`) or a folder; `split`: which of a folder's; `inputs`: columns.

    `labels`: a column; `classes`: the order of labels that are words.
    """

    path: str
    split: str | None = None
    inputs: dict[str, str] | None = None
    labels: str | None = None
    classes: tuple[str, ...] | None = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def recognize(data: str) -> tuple[Path, Options] | None:
    """Return options for a parquet file, and for a folder that holds mostly parquet files."""
    path = Path(data)
    return (path.parent, Options(path.name)) if path.suffix in SUFFIXES or mostly(data, SUFFIXES) else None


def files(options: Options) -> dict[str, str]:
    """Return the file, the pattern or the folder."""
    return {"path*": options.path}


def read(options: Options, files: Mapping[str, Path], asked: ReadRequest) -> Reading:
    """Return the samples, one per row, in the order of the files' names."""
    paths, findings = _parts(named(files, "path"), options.split)
    rows = _Rows(paths)
    chosen, labels, told = _bound(options, rows.columns, asked)
    rows.wanted = sorted({*chosen.values(), *([labels] if labels else [])})

    def at(index: int) -> Sample:
        row, origin = rows.at(index)
        values = {name: _values(row[column], f"{origin}: column {column!r}") for name, column in chosen.items()}
        return Sample(values, None if labels is None else _label(row[labels], labels, options, origin), origin)

    folder = files["path"].is_dir() if "path" in files else False
    place = f"{options.path}: " if folder else inside(PurePosixPath(options.path).parent.as_posix())
    return Reading(Indexed(rows.count, at), [*findings, *told], place)


def _parts(paths: list[Path], split: str | None) -> tuple[list[Path], list[Finding]]:
    """Return the named files, or those of one split of a folder, and findings about its other files; InvalidSamples if one is missing."""
    if not (len(paths) == 1 and paths[0].is_dir()):
        return paths, []
    held, findings = listing(paths[0], SUFFIXES, "parquet files")
    parts = {path: _PART.fullmatch(path.stem) for path in held}
    of = {path: part["split"] if part else path.stem for path, part in parts.items()}
    splits = sorted(set(of.values()))
    if split is not None and split not in splits:
        raise InvalidSamples(f"reader.split: no {split!r}; {suggestion(split, splits)}")
    if split is None and len(splits) > 1:
        raise InvalidSamples(
            f"holds the splits {', '.join(splits[:_LISTED])}{', ...' if len(splits) > _LISTED else ''}",
            f'declare which: [reader] split = "{splits[0]}"; or, for all of them, path = "{paths[0].name}/*.parquet"',
        )
    taken = [path for path in held if split in (None, of[path])]
    announced = {int(part["count"]) for path in taken if (part := parts[path])}
    if announced not in (set(), {len(taken)}):
        raise InvalidSamples(
            f"{len(taken)} files of the split {of[taken[0]]!r} are there, their names announce {max(announced)}",
            "download all of them; or name, by `path`, the folder of one configuration, or the files",
        )
    return taken, findings


class _Rows:
    """The rows of several files; it keeps the row groups that were read last."""

    def __init__(self, paths: Sequence[Path]) -> None:
        parquet = importlib.import_module("pyarrow.parquet")
        self._paths = list(paths)
        self._files = [_opened(parquet, path) for path in paths]
        self._groups = [
            (which, group) for which, file in enumerate(self._files) for group in range(file.num_row_groups)
        ]
        counts = [self._files[which].metadata.row_group(group).num_rows for which, group in self._groups]
        self._ends = np.cumsum([0, *counts], dtype=np.int64)
        self.count = int(self._ends[-1])
        self.columns = {field.name: field.type for field in self._files[0].schema_arrow}
        self.wanted: list[str] = []
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def at(self, index: int) -> tuple[dict[str, Any], str]:
        """Return a row's wanted columns by name, as pyarrow's scalars, and its name in messages."""
        place = int(np.searchsorted(self._ends, index, "right")) - 1
        which = self._groups[place][0]
        first = next(at for at, (file, _) in enumerate(self._groups) if file == which)
        origin = f"{self._paths[which].name}: row {index - int(self._ends[first])}"
        table, row = self._group(place, origin), index - int(self._ends[place])
        return {name: table.column(name)[row] for name in self.wanted}, origin

    def _group(self, place: int, origin: str) -> Any:
        if place not in self._kept:
            which, group = self._groups[place]
            self._require_small(which, group, origin)
            try:
                self._kept[place] = self._files[which].read_row_group(group, columns=self.wanted, use_threads=False)
            except (OSError, ValueError, KeyError) as error:  # pyarrow.ArrowInvalid is a ValueError
                raise _damaged(self._paths[which], error) from error
            missing = [name for name in self.wanted if name not in self._kept[place].column_names]
            if missing:
                raise InvalidSamples(f"{origin}: the file has no column {missing[0]!r}, others of the set have it")
        self._kept.move_to_end(place)
        while len(self._kept) > 1 and sum(table.nbytes for table in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        return self._kept[place]

    def _require_small(self, which: int, group: int, origin: str) -> None:
        """Raise InvalidSamples for a row group with too many values to read for one row; its size in the file does not show this."""
        told = self._files[which].metadata.row_group(group)
        columns = [told.column(number) for number in range(told.num_columns)]
        values = sum(each.num_values for each in columns if each.path_in_schema.partition(".")[0] in self.wanted)
        if values > _MOST_VALUES:
            raise InvalidSamples(
                f"{origin}: lies in a row group of {values:,} values, all of which are read for one; expected at most {_MOST_VALUES:,}",
                "write smaller ones: pyarrow.parquet.write_table(table, file, row_group_size=1000)",
            )


def _opened(parquet: Any, path: Path) -> Any:
    try:
        return parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> InvalidSamples:
    said = str(error).partition("\n")[0]
    return InvalidSamples(
        f"{path.name}: cannot be read, it is not a parquet file, or is damaged or cut short ({said})",
        "make or download the file again",
    )


def _bound(
    options: Options, columns: Mapping[str, Any], asked: ReadRequest
) -> tuple[dict[str, str], str | None, list[Finding]]:
    """Return each input's column, the labels' column, and the finding if that was found by its name."""
    names, findings = list(columns), list[Finding]()
    declared = options.inputs or {}
    labels = options.labels
    said = [(f"inputs.{name}", column) for name, column in declared.items()]
    require_all([*said, *([] if labels is None else [("labels", labels)])], names, "column")
    if labels is None:
        labels, findings = label_by_name(names, {*asked.names, *declared.values()}, "column")
    if declared:
        return dict(declared), labels, findings
    rest = {name: str(kind) for name, kind in columns.items() if name != labels}
    missing = [name for name in asked.names if name not in rest]
    if not missing:
        return {name: name for name in asked.names}, labels, findings
    if len(asked.names) == len(rest) == 1:
        return {asked.names[0]: next(iter(rest))}, labels, findings
    raise not_bound(missing, rest, "column")


def _values(scalar: Any, what: str) -> np.ndarray:
    """Return a number, a list of numbers, or an image, as an array."""
    if _is_list(scalar.type) and scalar.is_valid:
        return _listed(scalar.values, what)
    value = _present(scalar, what)
    if isinstance(value, Mapping):
        if value.get("bytes") is None:
            raise InvalidSamples(
                f"{what}: has no bytes, but the path {value.get('path')!r}",
                'embed the files into the set (datasets: push_to_hub does), or read them: kind = "images"',
            )
        value = value["bytes"]
    if isinstance(value, bytes):
        return decode(value, what)
    if np.asarray(value).dtype.kind not in "iufb":
        raise InvalidSamples(f"{what} is {scalar.type}; expected numbers, lists of them or an image")
    return np.array(value, scalar.type.to_pandas_dtype())


def _label(scalar: Any, name: str, options: Options, origin: str) -> Any:
    what = f"{origin}: column {name!r}"
    return label_of(_present(scalar, what), options.classes, what)


def _present(scalar: Any, what: str) -> Any:
    if not scalar.is_valid:
        raise InvalidSamples(f"{what} is missing (null); expected a value", "leave such rows out, or fill them in")
    return scalar.as_py()


def _is_list(kind: Any) -> bool:
    return hasattr(kind, "value_field")


def _listed(values: Any, what: str) -> np.ndarray:
    """Return a list, nested or not, as an array of its numbers' dtype; InvalidSamples if lists of one level differ in length."""
    if values.null_count:
        raise InvalidSamples(f"{what} has {values.null_count} missing (null) of {len(values)} values")
    if not _is_list(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    parts = [_listed(one.values, what) for one in values]
    if len({part.shape for part in parts}) > 1:
        raise InvalidSamples(
            f"{what} is not an array: its rows have the lengths {sorted({len(part) for part in parts})}"
        )
    return np.stack(parts)
