"""The tables in which TensorFlow keeps variables, read without TensorFlow: which variables a file holds, and where.

A checkpoint is `PREFIX.index`, a sorted table from a variable's name to its type, shape and place, and `PREFIX.data-00000-of-00001`, the values.
Format V1 was one file, a table whose first entry lists all variables. A table has blocks with a checksum each, and a footer with the place of the
block of blocks (tensorflow/core/lib/io/format.h, core/util/tensor_bundle, core/util/saved_tensor_slice.proto). TensorFlow restores nothing, without
an error, from a path that ends in `.index`, from a folder that was moved, and from None. Here each of these means one checkpoint, or is an error.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from toolkit.engines.tensorflow.sstable import MAGIC, Fields, checksum, fields, message, number, rows, varint
from toolkit.errors import InvalidSource

OBJECT_GRAPH = (
    "_CHECKPOINTABLE_OBJECT_GRAPH"  # among the variables of a tf.train.Checkpoint; tf.train.Saver writes none
)

_VERSION = 1  # kTensorBundleVersion and TF_CHECKPOINT_VERSION: the newest that TensorFlow 2.21 reads, and all that it ever wrote
_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_STATE = re.compile(r'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_COPY = "copy all files of the checkpoint: the .index, and each .data-... that belongs to it"
_NAMES = (  # of tensorflow/core/framework/types.proto, from 1 on
    "float32 float64 int32 uint8 int16 int8 string complex64 int64 bool qint8 quint8 qint32 bfloat16 qint16 quint16 "
    "uint16 complex128 float16 resource variant uint32 uint64 float8_e5m2 float8_e4m3fn"
)
_DTYPES = dict(enumerate(_NAMES.split(), start=1))


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One variable of a checkpoint: its type and shape, and the place of its value, in bytes of the file number `shard`."""

    dtype: str
    shape: list[int]
    shard: int
    offset: int
    size: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """The content of an index: how many files the values take, the format's version, the variables by name, and the least length of each file."""

    num_shards: int
    version: int
    entries: dict[str, TableEntry]
    lengths: dict[int, int]

    def role(self, shard: int) -> str:
        """Return how the name of a file of values ends."""
        return f"data-{shard:05d}-of-{self.num_shards:05d}"


def read_bundle(index: Path) -> Bundle:
    """Return what `PREFIX.index` says; InvalidSource where it is cut short, damaged, or of a newer format."""
    with _readable(index, "the index of a checkpoint") as file:
        held = dict(rows(file))
        header = fields(held.pop(b""))
        version = _version(index, fields(message(header, 3)))
        entries: dict[str, TableEntry] = {}
        lengths: dict[int, int] = {}
        for key, value in held.items():
            entry = _entry(fields(value))
            if not 0 <= entry.shard < number(header, 1) or min(entry.offset, entry.size, *entry.shape, 0) < 0:
                raise ValueError(f"an entry that cannot be: {entry}")
            lengths[entry.shard] = max(lengths.get(entry.shard, 0), entry.offset + entry.size)
            if not key.startswith(b"\0"):  # else a part of a partitioned variable, which has an entry of its own
                entries[key.decode()] = entry
        return Bundle(number(header, 1), version, entries, lengths)


def read_slices(path: Path) -> dict[str, tuple[str, list[int]]]:
    """Return dtype and shape of each variable of a V1 file; InvalidSource where it is cut short, damaged, or of a newer format."""
    with _readable(path, "a checkpoint of format V1") as file:
        key, value = next(rows(file))
        if key:
            raise ValueError("it does not begin with a list of variables")
        meta = fields(message(fields(value), 1))
        _version(path, fields(message(meta, 2)))
        tensors = [fields(tensor) for tensor in meta.get(1, []) if isinstance(tensor, bytes)]
        return {message(one, 1).decode(): (_dtype(number(one, 3)), _shape(message(one, 2))) for one in tensors}


def is_table(path: Path) -> bool:
    """Return whether a file ends as a table does: an index, or a whole checkpoint of format V1."""
    try:
        with open(path, "rb") as file:
            file.seek(-len(MAGIC), os.SEEK_END)
            return file.read() == MAGIC
    except OSError:
        return False


def holds_object_graph(index: Path) -> bool:
    """Return whether an index is of tf.train.Checkpoint; for a damaged one, whether it looks so (`locate_prefix` raises the error)."""
    try:
        return OBJECT_GRAPH in read_bundle(index).entries
    except InvalidSource:
        return index.is_file() and OBJECT_GRAPH.encode() in index.read_bytes()


def read_scalar(data: Path, entry: TableEntry) -> bytes | int:
    """Return the value of a scalar (a string or an integer) from its file; InvalidSource where the file is damaged."""
    with _readable(data, "the values of a checkpoint") as file:
        file.seek(entry.offset)
        raw = file.read(entry.size)
        if len(raw) != entry.size:
            raise ValueError("it was cut short")
        if entry.dtype == "string":  # its length, a checksum of that, and the text
            length, start = varint(raw, 0)
            sizes, text = struct.pack("<I", length), raw[start + 4 :]
            raw = sizes + raw[start : start + 4] + text
        if checksum(raw) != entry.checksum:
            raise ValueError("checksum mismatch")
        return text if entry.dtype == "string" else int.from_bytes(raw, "little", signed=entry.dtype[0] != "u")


def locate_prefix(path: Path, step: int | None = None) -> dict[str, Path]:
    """Return the files of a checkpoint by role, absolute: "index" and "data-00000-of-00001", ...; of format V1: "slices".

    `path` is the prefix, one of its files, or a folder. In a folder, the state file names the checkpoint (also after the folder was moved), else the
    highest step counts; `step` chooses another. InvalidSource where there is none, and where a part is missing, damaged, or too short.
    """
    prefix = find_prefix(Path(os.path.abspath(path)), step)
    index = prefix.with_name(f"{prefix.name}.index")
    if not index.is_file():
        if prefix.is_file() and is_table(prefix):
            return {"slices": prefix}
        there = ", ".join(part.name for part in _parts(prefix)) or "no part of it"
        raise InvalidSource(f"{path}: {index.name} is missing; here is {there}", _COPY)
    bundle = read_bundle(index)
    files = {"index": index}
    for shard, length in sorted(bundle.lengths.items()):
        data = prefix.with_name(f"{prefix.name}.{bundle.role(shard)}")
        if not data.is_file():
            raise InvalidSource(f"{path}: {data.name} is missing, where {index.name} has values", _COPY)
        if data.stat().st_size < length:
            raise InvalidSource(f"{data}: has {data.stat().st_size} bytes of {length}: it was cut short", _COPY)
        files[bundle.role(shard)] = data
    return files


def find_prefix(path: Path, step: int | None = None) -> Path:
    """Return the prefix that an absolute path means, complete or not: see `locate_prefix`."""
    if path.name == "checkpoint" and path.is_file() and not is_table(path):
        path = path.parent
    named = path.with_name(_PART.sub("", path.name)) if path.name else path
    beside = path.with_name(f"{path.name}.index").is_file() if path.name else False
    folder = path.is_dir() and not (beside and not _prefixes(path))
    if step is None:
        return _latest(path) if folder else named
    if not folder and (named != path or beside or path.is_file()):
        if _step(named) != step:
            raise InvalidSource(f"{path}: is not of step {step}; expected its folder with --step")
        return named
    prefixes = _prefixes(path) if folder else _prefixes(path.parent, f"{path.name}-")
    right = [prefix for prefix in prefixes if _step(prefix) == step]
    if len(right) != 1:
        steps = sorted({known for prefix in prefixes if (known := _step(prefix)) is not None})
        closest = sorted(sorted(steps, key=lambda known: abs(known - step))[:5])
        said = (
            f"has no checkpoint of step {step}; the closest of {len(steps)}: {', '.join(map(str, closest)) or 'none'}"
        )
        raise InvalidSource(f"{path}: {f'step {step} have {_listed(right)}; name one of them' if right else said}")
    return right[0]


def latest_named(folder: Path) -> str | None:
    """Return the name of the latest checkpoint in a folder's state file; None without such a file."""
    try:
        found = _STATE.search((folder / "checkpoint").read_text(errors="replace"))
        text, _ = codecs.escape_decode(
            (found[1] if found else "").encode()
        )  # TensorFlow writes other characters than ASCII as octal numbers
    except (OSError, ValueError):
        return None
    return re.split(r"[/\\]", text.decode(errors="replace"))[-1] or None


def _latest(folder: Path) -> Path:
    """Return the prefix with the name in the state file (the folder there may be another machine's), else the one of the highest step."""
    prefixes, named = _prefixes(folder), latest_named(folder)
    right = [prefix for prefix in prefixes if prefix.name == named]
    if right:
        return right[0]
    if not prefixes:
        lost = sorted({_PART.sub("", part.name) for part in folder.glob("*.data-?????-of-?????")})
        said = "no checkpoint is here; expected a file that ends in .index"
        if named is not None:
            said = f"its file 'checkpoint' names {named!r}, which is not here"
        raise InvalidSource(f"{folder}: {f'{lost[0]}.index is missing' if lost else said}", _COPY)
    if len(prefixes) > 1 and len({re.sub(r"-\d+$", "", prefix.name) for prefix in prefixes}) > 1:
        raise InvalidSource(
            f"{folder}: has {_listed(prefixes)}, and no file says which is the latest; name one of them"
        )
    return max(prefixes, key=lambda prefix: _step(prefix) or 0)


def _prefixes(folder: Path, start: str = "") -> list[Path]:
    """Return the checkpoints in a folder, of both formats, sorted by name."""
    found = set()
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.name.startswith(start) and file.is_file():
            if file.suffix == ".index":
                found.add(file.with_suffix(""))
            elif not _PART.search(file.name) and is_table(file):
                found.add(file)
    return sorted(found)


def _parts(prefix: Path) -> list[Path]:
    beside = prefix.parent.iterdir() if prefix.parent.is_dir() else ()
    return sorted(part for part in beside if _PART.search(part.name) and _PART.sub("", part.name) == prefix.name)


def _step(prefix: Path) -> int | None:
    found = re.search(r"-(\d+)$", prefix.name)
    return int(found[1]) if found else None


def _listed(prefixes: list[Path]) -> str:
    names = [prefix.name for prefix in prefixes]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


@contextlib.contextmanager
def _readable(path: Path, what: str) -> Iterator[BinaryIO]:
    """Open a file; errors of its parser become InvalidSource."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InvalidSource(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, IndexError, KeyError, StopIteration, OverflowError, struct.error) as error:
        said = str(error) if type(error) is ValueError else "it ends too early, or holds what cannot be"
        raise InvalidSource(f"{path}: is not {what}, or is damaged: {said}", "copy it again") from error


def _version(path: Path, of: Fields) -> int:
    """Return the version of the format that wrote the file; InvalidSource where this reader is too old for it (core/framework/versions.proto)."""
    if number(of, 2) > _VERSION or _VERSION in of.get(3, []):
        raise InvalidSource(
            f"{path}: is of format {number(of, 1)}, which asks for a reader of format {number(of, 2)}; this one is of {_VERSION}",
            "save it with an older TensorFlow, or name a newer one: --python source=/path/to/python",
        )
    return number(of, 1)


def _entry(of: Fields) -> TableEntry:
    """Return a BundleEntryProto."""
    shape = _shape(message(of, 2))
    return TableEntry(_dtype(number(of, 1)), shape, *(number(of, field) for field in (3, 4, 5, 6)))


def _dtype(numbered: int) -> str:
    """Return numpy's name of a DataType; references (2017) have the name of their value."""
    return _DTYPES.get(numbered % 100, f"type {numbered}")


def _shape(raw: bytes) -> list[int]:
    """Return the sizes of a TensorShapeProto."""
    return [number(fields(size), 1) for size in fields(raw).get(2, []) if isinstance(size, bytes)]
