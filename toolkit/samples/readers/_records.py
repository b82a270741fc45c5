"""TFRecord files and the tf.Example in each record, read without TensorFlow.

A record is its length (uint64, little-endian), the length's checksum, the content, and the content's checksum. Both
checksums are masked CRC-32C (tensorflow/core/lib/io/record_writer.h). The content is a protocol buffer (tensorflow/core/example/
example.proto, feature.proto): Example{features=1}, Features{feature=1: map<string, Feature>},
Feature{bytes_list=1, float_list=2, int64_list=3}, each of them {value=1}.
"""

from __future__ import annotations

import array
import gzip
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from toolkit.engines.tensorflow.sstable import Fields, checksum, fields, message, varint
from toolkit.errors import InvalidSamples
from toolkit.files.archives import MOST_DEFLATED

_HEAD = struct.Struct("<QI")  # length and its checksum
_SEAL = struct.Struct("<I")  # the content's checksum
_MOST_RECORD = (1 << 31) - 1  # bytes of a message of protocol buffers (protobuf.dev, "Proto Limits")
_AGAIN = "make or download the file again"

Feature = np.ndarray | list[bytes]
"""float32 or int64 values, or texts: the types of tf.Example."""


def is_packed(path: Path) -> bool:
    """Return whether the whole file is compressed with gzip or zlib; InvalidSamples if it is no TFRecord file at all."""
    with open(path, "rb") as file:
        head = file.read(_HEAD.size)
    if len(head) == _HEAD.size and _sealed(head):
        return False
    if head[:2] == b"\x1f\x8b" or (len(head) > 1 and head[0] == 0x78 and (head[0] << 8 | head[1]) % 31 == 0):
        return True
    if not head:
        return False
    raise InvalidSamples(
        f"{path.name}: is not a TFRecord file: it begins with neither a record nor the mark of gzip or zlib", _AGAIN
    )


def places(path: Path) -> np.ndarray:
    """Return the offset in bytes, int64, of each record of a file that is not compressed; only lengths are read."""
    size = path.stat().st_size
    found, at = array.array("q"), 0
    with open(path, "rb") as file:
        while at < size:
            head = file.read(_HEAD.size)
            length = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else size
            after = at + _HEAD.size + length + _SEAL.size
            if after > size:
                found.append(at)
                _refuse(path, found)
            found.append(at)
            at = file.seek(after)
    return np.frombuffer(found, np.int64)


def _refuse(path: Path, found: Sequence[int]) -> None:
    """Raise InvalidSamples for the first record whose length is damaged, or else for the last one, which is cut short."""
    with open(path, "rb") as file:
        for index, at in enumerate(found):
            file.seek(at)
            head = file.read(_HEAD.size)
            if len(head) == _HEAD.size and not _sealed(head):
                raise InvalidSamples(
                    f"{path.name}: record {index}: is damaged: its length has another checksum", _AGAIN
                )
    raise InvalidSamples(f"{path.name}: record {len(found) - 1}: is cut short", _AGAIN)


def record_at(file: BinaryIO, where: str, most_bytes: int = _MOST_RECORD) -> bytes | None:
    """Return the record that begins here, with its checksums verified; None at the end of the file. InvalidSamples above `most_bytes`."""
    head = file.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        raise InvalidSamples(f"{where}: is cut short", _AGAIN)
    if not _sealed(head):
        raise InvalidSamples(f"{where}: is damaged: its length has another checksum", _AGAIN)
    length = _HEAD.unpack(head)[0]
    if length > most_bytes:
        raise InvalidSamples(f"{where}: says that it has {length:,} bytes; it can have at most {most_bytes:,}", _AGAIN)
    content, seal = file.read(length), file.read(_SEAL.size)
    if len(content) < length or len(seal) < _SEAL.size:
        raise InvalidSamples(f"{where}: is cut short", _AGAIN)
    if checksum(content) != _SEAL.unpack(seal)[0]:
        raise InvalidSamples(f"{where}: is damaged: its content has another checksum", _AGAIN)
    return content


def unpacked(path: Path) -> Iterator[bytes]:
    """Yield the records of a compressed file, in its order."""
    most = min(_MOST_RECORD, path.stat().st_size * MOST_DEFLATED)
    with open(path, "rb") as file:
        start = file.read(2)
        file.seek(0)
        stream: Any = gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else _Inflated(file)
        for index in range(1 << 62):
            where = f"{path.name}: record {index}"
            try:
                content = record_at(stream, where, most)
            except (OSError, EOFError, zlib.error) as error:
                raise InvalidSamples(f"{where}: is damaged or cut short ({error})", _AGAIN) from error
            if content is None:
                return
            yield content


class _Inflated:
    """A zlib stream as a file that is read forwards."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._unpack, self._held = file, zlib.decompressobj(), b""

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the end; EOFError if the stream ends too early."""
        parts, have = [self._held], len(self._held)
        while have < size and not self._unpack.eof:
            raw = self._unpack.unconsumed_tail or self._file.read(1 << 16)
            if not raw:
                raise EOFError("the compressed stream has no end")
            parts.append(self._unpack.decompress(raw, 1 << 20))
            have += len(parts[-1])
        whole = b"".join(parts)
        self._held = whole[size:]
        return whole[:size]


def features(record: bytes, where: str) -> dict[str, Feature]:
    """Return the features of a record's tf.Example by name."""
    try:
        entries = [fields(_bytes(entry)) for entry in fields(message(fields(record), 1)).get(1, [])]
        return {message(entry, 1).decode(): _feature(fields(message(entry, 2))) for entry in entries}
    except (ValueError, IndexError, KeyError, struct.error) as error:
        raise InvalidSamples(
            f"{where}: does not hold a tf.Example ({type(error).__name__}: {error})",
            'a function of yours can read anything else: kind = "python"',
        ) from error


def _feature(of: Fields) -> Feature:
    if 2 in of:
        parts = [_bytes(value) for value in fields(message(of, 2)).get(1, [])]  # packed, or one by one: 4 bytes each
        return np.frombuffer(b"".join(parts), "<f4").astype(np.float32)
    if 3 in of:
        return np.array([value for part in fields(message(of, 3)).get(1, []) for value in _whole(part)], np.int64)
    return [_bytes(value) for value in fields(message(of, 1)).get(1, [])]


def _whole(part: int | bytes) -> list[int]:
    """Return the numbers of a varint, or of packed ones (seven bits a byte); negative numbers are stored with 2**64 added."""
    if isinstance(part, int):
        values = [part]
    else:
        values, at = [], 0
        while at < len(part):
            value, at = varint(part, at)
            values.append(value)
    return [value - (1 << 64) if value >> 63 else value for value in values]


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")  # noqa: TRY004 (of the file, not of the code)
    return value


def _sealed(head: bytes) -> bool:
    length, seal = head[:8], _HEAD.unpack(head)[1]
    return checksum(length) == seal
