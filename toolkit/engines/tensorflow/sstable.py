"""The sorted tables and protocol buffers of checkpoints, read from bytes without TensorFlow.

A table has blocks of keys and values with a checksum each, and a footer with the place of the block of blocks (tensorflow/core/lib/io/format.h).
Damage raises ValueError, IndexError, KeyError or struct.error; callers add the file's name.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from math import isqrt
from typing import BinaryIO

import numpy as np

from toolkit.engines.tensorflow.snappy import uncompressed

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)

_FOOTER = 48  # bytes: two handles of at most 20, and the magic
_TRAILER = struct.Struct("<BI")  # of a block: its compression, and its checksum
_SNAPPY = 1  # tensorflow/core/lib/io/format.h: CompressionType; TensorFlow 2 writes none, older ones may
_POLYNOMIAL = 0x82F63B78  # of CRC-32C, reflected
_ONES = bytes.fromhex("54641f64")  # these bytes turn a register of 0 into all ones, the start that CRC-32C needs

Fields = dict[int, list[int | bytes]]


def rows(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table, in its order."""
    end = file.seek(0, os.SEEK_END) - _FOOTER
    if end < 0:
        raise ValueError("it is too short")
    file.seek(end)
    footer = file.read(_FOOTER)
    if not footer.endswith(MAGIC):
        raise ValueError("it does not end as a table does: it was cut short, or something was added")
    _, at = varint(footer, 0)
    _, at = varint(footer, at)
    past = 0
    for _, handle in _pairs(_block(file, end, *_handle(footer[at:]))):
        offset, size = _handle(handle)
        if offset < past:
            raise ValueError("two blocks overlap")
        past = offset + size
        yield from _pairs(_block(file, end, offset, size))


def _handle(raw: bytes) -> tuple[int, int]:
    offset, at = varint(raw, 0)
    return offset, varint(raw, at)[0]


def _block(file: BinaryIO, end: int, offset: int, size: int) -> bytes:
    """Return the content of a block; ValueError where its checksum is wrong."""
    if offset + size + _TRAILER.size > end:
        raise ValueError("a block reaches past its end: it was cut short")
    file.seek(offset)
    raw = file.read(size + _TRAILER.size)
    compression, sealed = _TRAILER.unpack(raw[size:])
    if checksum(raw[: size + 1]) != sealed:
        raise ValueError("the checksum of a block is another")
    if compression not in (0, _SNAPPY):
        raise ValueError(f"a block is compressed in a way ({compression}) that TensorFlow does not write")
    return uncompressed(raw[:size]) if compression else raw[:size]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block; a key is stored without the start that it shares with the key before it."""
    (restarts,) = struct.unpack("<I", block[-4:])
    end, at, key = len(block) - 4 * (restarts + 1), 0, b""
    while at < end:
        shared, at = varint(block, at)
        rest, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or at + rest + size > end:
            raise ValueError("an entry reaches past its block")
        key = key[:shared] + block[at : at + rest]
        yield key, block[at + rest : at + rest + size]
        at += rest + size


def varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number (seven bits in each byte) and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = raw[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise ValueError("a number without an end")


def fields(raw: bytes) -> Fields:
    """Return the fields of a protocol buffer by number, each with all its values, as stored."""
    found: Fields = {}
    at = 0
    while at < len(raw):
        tag, at = varint(raw, at)
        value: int | bytes
        if tag & 7 == 0:
            value, at = varint(raw, at)
        else:
            size, at = varint(raw, at) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], at)
            value, at = raw[at : at + size], at + size
            if at > len(raw):
                raise ValueError("a message reaches past its end")
        found.setdefault(tag >> 3, []).append(value)
    return found


def number(of: Fields, field: int) -> int:
    """Return the last value of a field of whole numbers, which counts in protocol buffers; 0 where it is missing."""
    value = of.get(field, [0])[-1]
    if isinstance(value, bytes):
        return int.from_bytes(value, "little")
    return value - (1 << 64) if value >> 63 else value


def message(of: Fields, field: int) -> bytes:
    """Return the last value of a field of messages or text; empty where it is missing."""
    value = of.get(field, [b""])[-1]
    if isinstance(value, int):
        raise ValueError("a number where a message should be")  # noqa: TRY004 (of the file, not of the code)
    return value


def checksum(raw: bytes) -> int:
    """Return the CRC-32C of some bytes, masked as in these files (crc32c.h: the checksum of a checksum would be weak).

    The bytes form a square, whose rows are computed together; then each row's remainder is moved past the rows after it. A loop over bytes in Python
    would take seconds for a V1 file with a large variable in its first block.
    """
    data = np.frombuffer(_ONES + raw, np.uint8)
    columns = isqrt(len(data)) + 1
    rows = -(-len(data) // columns)
    square = np.zeros(
        (rows + 32, columns), np.uint8
    )  # the last 32 rows compute the effect of a row of zeros on each bit
    square[:rows].reshape(-1)[rows * columns - len(data) :] = data  # zeros in front leave no remainder
    state = np.concatenate([np.zeros(rows, np.uint32), np.uint32(1) << np.arange(32, dtype=np.uint32)])
    for column in np.ascontiguousarray(square.T):
        state = _REMAINDERS[(state ^ column) & 0xFF] ^ (state >> 8)
    moved, rest = state[rows:].tolist(), 0
    for row in state[:rows].tolist():
        rest = row ^ _product(moved, rest)
    rest ^= 0xFFFF_FFFF
    return ((rest >> 15 | rest << 17) + 0xA282EAD8) & 0xFFFF_FFFF


def _product(columns: list[int], bits: int) -> int:
    total = 0
    for column in columns:
        if bits & 1:
            total ^= column
        bits >>= 1
    return total


def _remainders() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_REMAINDERS = _remainders()
