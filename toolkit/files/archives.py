"""Zip archives that somebody else may have written: all parts are checked before any is read, and no part is read further than it says.

Keras and numpy write plain archives: each part once, stored or deflated, one after the other, with the table of contents at the end. Any other is a
`BadArchive`: a part twice (which of both is read?), parts that lie over one another (a "zip bomb" of a few kB), names that lead out of a folder,
links, encryption, other ways of packing, contradicting sizes. Format: APPNOTE.TXT 6.3.10 of PKWARE, 4.3 to 4.5.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from toolkit.files.file_window import FileWindow
from toolkit.files.foreign import open_plain

MOST_PARTS = 10_000
"""Parts of one archive. A model has a handful, and one for each lookup layer; a set of samples has one for each input. Python reads a table of 10,000
in a tenth of a second."""

MOST_EXPANSION = 100
"""How many times its packed size a part may unpack to, where that is more than `FREE_BYTES`. Trained weights deflate to nine tenths, and to a
thirtieth where 99 of 100 are pruned; Keras 3.15 refuses the same (keras/src/saving/saving_lib.py, _ZIP_MEMBER_MAX_EXPANSION)."""

FREE_BYTES = 64 << 20
"""What a part may unpack to in any case: it takes a quarter of a second."""

MOST_DEFLATED = 1032
"""How many times its packed size a deflated part can unpack to at all: 258 bytes for two bits (zlib's technical notes)."""

_END = struct.Struct("<4s4H2LH")  # 4.3.16, end of central directory record
_END_64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7, local file header
_ENTRY_BYTES = 46  # 4.3.12, an entry of the central directory without name, extra field and comment
_LONGEST_ENTRY = 1024  # of such an entry with all of them
_ENCRYPTED = 1
_PACKINGS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
_BLOCK = 1 << 20


class BadArchive(ValueError):
    """An archive that is damaged, or that holds something else than it says. The text begins with a verb; the caller names the file."""


class Archive:
    """An opened archive whose parts were checked; `names` are theirs, in the order of the table of contents."""

    def __init__(self, file: BinaryIO) -> None:
        """Check all parts; BadArchive says what is wrong. The caller closes the file."""
        self._file = file
        self._parts = _checked(file)
        self.names: Sequence[str] = tuple(self._parts)

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def size(self, name: str) -> int:
        """Return the unpacked size of a part in bytes, as the archive says it."""
        return self._parts[name].info.file_size

    def packed_size(self, name: str) -> int:
        """Return the packed size of a part in bytes."""
        return self._parts[name].info.compress_size

    def is_stored(self, name: str) -> bool:
        """Return whether a part is not packed, so that any place of it can be read directly."""
        return self._parts[name].info.compress_type == zipfile.ZIP_STORED

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return a part, after its checksum was checked; BadArchive for a part of more bytes."""
        if self.size(name) > most_bytes:
            raise BadArchive(f"has {name!r} in it, of {self.size(name):,} bytes; expected at most {most_bytes:,}")
        return b"".join(self.blocks(name))

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a part in blocks; BadArchive at the first byte too many, and at the end for a byte too few or another checksum."""
        part = self._parts[name]
        checksum, size = 0, 0
        for block in _inflated(self._file, part) if not self.is_stored(name) else _copied(self._file, part):
            size += len(block)
            if size > part.info.file_size:
                raise BadArchive(
                    f"has {name!r} in it, which unpacks to more than the {part.info.file_size:,} bytes that it says"
                )
            checksum = zlib.crc32(block, checksum)
            yield block
        if size != part.info.file_size:
            raise BadArchive(f"has {name!r} in it, which unpacks to {size:,} bytes and says {part.info.file_size:,}")
        if checksum != part.info.CRC:
            raise BadArchive(f"is damaged: the checksum (CRC) of {name!r} in it is wrong")

    def window(self, name: str) -> io.BufferedReader:
        """Return a stored part as a file of its own, to be read at any place; its checksum is not checked."""
        part = self._parts[name]
        return io.BufferedReader(FileWindow(self._file, part.begin, part.info.compress_size))

    def require_intact(self) -> None:
        """Read every part once; BadArchive for one that is damaged."""
        for name in self.names:
            for _ in self.blocks(name):
                pass

    def require_proportionate(self) -> None:
        """Raise BadArchive where a part unpacks to far more than trained numbers do."""
        for name in self.names:
            if is_disproportionate(self.packed_size(name), self.size(name)):
                raise BadArchive(
                    f"has {name!r} in it, {self.packed_size(name):,} bytes that unpack to {self.size(name):,}; "
                    f"expected at most {MOST_EXPANSION} times as many, or {FREE_BYTES:,}"
                )


def is_disproportionate(packed: int, unpacked: int) -> bool:
    """Return whether a part unpacks to more bytes than a model's numbers do."""
    return unpacked > max(FREE_BYTES, packed * MOST_EXPANSION)


def names_in(path: Path) -> Sequence[str]:
    """Return the names of an archive's parts; () for a file that is no sound archive."""
    try:
        with open_plain(path) as file:
            return Archive(file).names
    except (BadArchive, OSError):
        return ()


class _Part:
    """A part's entry in the table of contents, and where its bytes begin."""

    def __init__(self, info: zipfile.ZipInfo, begin: int) -> None:
        self.info, self.begin = info, begin

    @property
    def end(self) -> int:
        return self.begin + self.info.compress_size


def _checked(file: BinaryIO) -> dict[str, _Part]:
    """Return all parts by name."""
    table = _require_table(file)
    try:
        opened = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, struct.error) as error:
        raise BadArchive(f"is damaged: {error}") from error
    infos = opened.infolist()
    seen: set[str] = set()
    for info in infos:
        _require_plain_part(info)
        name = info.filename.rstrip("/")
        if name in seen:
            raise BadArchive(f"has {name!r} in it more than once")
        seen.add(name)
    parts = [_Part(info, _begin(file, info)) for info in infos]
    _require_apart(parts, table)
    return {part.info.filename: part for part in parts if not part.info.is_dir()}


def _require_table(file: BinaryIO) -> int:
    """Return where the table of contents begins; BadArchive where it is not at the end, or is too large to be one: checked before Python reads it."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END.size))
    raw = file.read(_END.size)
    if len(raw) < _END.size or raw[:4] != b"PK\x05\x06":
        raise BadArchive(
            "is damaged: it does not end in a table of contents; it was cut off, or something was added after it"
        )
    _, disk, first, here, count, length, begin, comment = _END.unpack(raw)
    end = size - _END.size
    if comment or disk or first or here != count:
        raise BadArchive("is damaged: its table of contents has a comment, or goes on in another file")
    if 0xFFFF in (here, count) or 0xFFFFFFFF in (length, begin):
        count, length, begin, end = _end_64(file, end)
    if count > MOST_PARTS or length > count * (_ENTRY_BYTES + _LONGEST_ENTRY):
        raise BadArchive(
            f"has {count:,} parts, their list takes {length:,} bytes; expected at most {MOST_PARTS:,} parts"
        )
    if begin + length != end:
        raise BadArchive(
            "is damaged: its table of contents is not where it says; something was added before or after it"
        )
    return int(begin)


def _end_64(file: BinaryIO, end: int) -> tuple[int, int, int, int]:
    """Return count, length, begin and end of the table of contents of a large archive, as the record before its end says."""
    place = end - _LOCATOR.size - _END_64.size
    file.seek(max(0, place))
    raw = file.read(_END_64.size + _LOCATOR.size)
    if place < 0 or raw[:4] != b"PK\x06\x06" or raw[_END_64.size :][:4] != b"PK\x06\x07":
        raise BadArchive("is damaged: it says that it is a large archive (zip64), and has no record of one")
    _, _, _, _, disk, first, here, count, length, begin = _END_64.unpack(raw[: _END_64.size])
    _, _, where, disks = _LOCATOR.unpack(raw[_END_64.size :])
    if disk or first or here != count or where != place or disks > 1:
        raise BadArchive("is damaged: what it says of itself as a large archive (zip64) contradicts itself")
    return int(count), int(length), int(begin), place


def _require_plain_part(info: zipfile.ZipInfo) -> None:
    name = info.filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.orig_filename != name or not _stays_inside(name):
        raise BadArchive(f"has {info.orig_filename!r} in it, a name that leads out of the archive")
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise BadArchive(f"has {name!r} in it, which is a link or a device; expected files")
    if info.flag_bits & _ENCRYPTED:
        raise BadArchive(f"has {name!r} in it, which is encrypted")
    if info.compress_type not in _PACKINGS:
        raise BadArchive(f"has {name!r} in it, packed by method {info.compress_type}; expected stored or deflated")
    packed, unpacked = info.compress_size, info.file_size
    stored = info.compress_type == zipfile.ZIP_STORED
    if (stored and packed != unpacked) or (info.is_dir() and unpacked):
        raise BadArchive(f"has {name!r} in it, which is stored in {packed:,} bytes and says {unpacked:,}")
    if unpacked > packed * MOST_DEFLATED:
        raise BadArchive(
            f"has {name!r} in it, {packed:,} bytes that say they unpack to {unpacked:,}, which is impossible"
        )


def _stays_inside(name: str) -> bool:
    """Return whether a name is a path below the archive's own folder. `x:0` is such a name: arrays are named as TensorFlow names tensors."""
    parts = name.rstrip("/").split("/")
    return bool(name) and not re.search(r"[\\\0]", name) and not {"", ".", ".."} & set(parts)


def _begin(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return where a part's bytes begin; BadArchive where its own header is missing, or contradicts the table of contents."""
    file.seek(info.header_offset)
    raw = file.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or raw[:4] != b"PK\x03\x04":
        raise BadArchive(f"is damaged: {info.filename!r} is not where its table of contents says")
    _, _, flags, packing, _, _, _, packed, unpacked, name_length, extra_length = _LOCAL.unpack(raw)
    name = file.read(name_length).decode("utf-8" if flags & 0x800 else "cp437", errors="replace")
    large = 0xFFFFFFFF in (packed, unpacked)  # the sizes are in the extra field
    later = bool(flags & 8)  # the sizes follow the part
    if name != info.orig_filename or packing != info.compress_type or (flags ^ info.flag_bits) & _ENCRYPTED:
        raise BadArchive(f"is damaged: {info.filename!r} says something else of itself than its table of contents")
    if not large and not later and (packed, unpacked) != (info.compress_size, info.file_size):
        raise BadArchive(f"is damaged: {info.filename!r} says other sizes of itself than its table of contents")
    return info.header_offset + _LOCAL.size + name_length + extra_length


def _require_apart(parts: Sequence[_Part], table: int) -> None:
    """Raise BadArchive where parts lie over one another, or over the table of contents."""
    ordered = sorted(parts, key=lambda part: part.info.header_offset)
    for part, following in zip(ordered, [each.info.header_offset for each in ordered[1:]] + [table], strict=True):
        if part.end > following:
            raise BadArchive(f"has {part.info.filename!r} in it, which lies over what follows it")


def _copied(file: BinaryIO, part: _Part) -> Iterator[bytes]:
    at = part.begin
    while at < part.end:
        file.seek(at)
        block = file.read(min(_BLOCK, part.end - at))
        if not block:
            return
        at += len(block)
        yield block


def _inflated(file: BinaryIO, part: _Part) -> Iterator[bytes]:
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _copied(file, part):
            rest = packed
            while rest and not unpack.eof:
                yield unpack.decompress(rest, _BLOCK)
                rest = unpack.unconsumed_tail
        while not unpack.eof and (block := unpack.decompress(unpack.unconsumed_tail, _BLOCK)):
            yield block
    except zlib.error as error:
        raise BadArchive(f"is damaged: {part.info.filename!r} in it: {error}") from error
    if not unpack.eof:
        raise BadArchive(f"is damaged: {part.info.filename!r} in it has no end")
