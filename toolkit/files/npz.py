"""The arrays in a numpy archive (.npz) of unknown origin, looked up before any is read. Format: NEP 1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from toolkit.files.archives import Archive, BadArchive
from toolkit.files.foreign import open_plain

LONGEST_HEADER = 1 << 20
"""Bytes of an array's header. NEP 1 has room for 4 GB; numpy itself writes less than 64 kB for arrays of numbers."""


class Readable(Protocol):
    """A stream that is read forwards."""

    def read(self, size: int, /) -> bytes:
        """Return as many bytes, fewer at the end."""


class Header(NamedTuple):
    """dtype and shape of an array in a file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """How many bytes its numbers take."""
        return math.prod(self.shape) * self.dtype.itemsize


def header(stream: Readable) -> Header:
    """Return dtype and shape of the array that begins here; ValueError where there is none, or its header is longer than `LONGEST_HEADER`."""
    start: Any = _Start(stream)
    version = np.lib.format.read_magic(start)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(start)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(start)
    else:
        raise ValueError(f"format version {version}: only structured arrays need it")
    return Header(dtype, shape)


def headers(archive: Archive) -> Mapping[str, Header]:
    """Return the arrays of an opened archive by name; BadArchive where a size differs from the header, ValueError where a part is no array."""
    found = {}
    for part in archive.names:
        told = header(_Unpacked(archive.blocks(part)))
        over = archive.size(part) - told.size_bytes
        if not (told.dtype.hasobject or 0 < over <= LONGEST_HEADER):
            raise BadArchive(
                f"has {part!r} in it, which unpacks to {archive.size(part):,} bytes; its header says {told.size_bytes:,} and a header"
            )
        found[part.removesuffix(".npy")] = told
    return found


def require_sound(path: Path) -> None:
    """Raise BadArchive or ValueError for an archive whose arrays are too large for memory: more than they say, or far more than packed."""
    with open_plain(path) as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
            raise ValueError("a single array without a name")
        archive = Archive(file)
        archive.require_proportionate()
        headers(archive)


class _Start:
    """The beginning of a stream, of which no more is read than a header may take."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self._left = stream, LONGEST_HEADER

    def read(self, size: int) -> bytes:
        """Return as many bytes, fewer at the end of the stream."""
        if size > self._left:
            raise ValueError(f"a header of more than {LONGEST_HEADER:,} bytes")
        self._left -= size
        return self._stream.read(size)


class _Unpacked:
    """The blocks of a part, as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._held = blocks, b""

    def read(self, size: int) -> bytes:
        """Return as many bytes, fewer at the end of the part."""
        while len(self._held) < size and (block := next(self._blocks, b"")):
            self._held += block
        given, self._held = self._held[:size], self._held[size:]
        return given
