"""Blocks compressed by Snappy, in tables of old TensorFlow (https://github.com/google/snappy/blob/main/format_description.txt)."""

from __future__ import annotations

_MOST = 64  # a bound of expansion, never reached: the longest copy is 64 bytes, in 3
_LITERAL = 60  # from here on, the following bytes hold the length
_SHORT = 4  # the least length of a copy with one byte of offset


def uncompressed(raw: bytes) -> bytes:
    """Return the uncompressed bytes; ValueError where the bytes are not from Snappy, or declare an impossible length."""
    length, at = _length(raw)
    if length > _MOST * len(raw):
        raise ValueError(f"a block of {len(raw)} bytes that says it was {length}")
    out = bytearray()
    while at < len(raw):
        tag, at = raw[at], at + 1
        if tag & 3 == 0:
            size, at = _literal(raw, tag >> 2, at)
            if at + size > len(raw):
                raise ValueError("a compressed block ends within a text")
            out += raw[at : at + size]
            at += size
        else:
            size, back, at = _copy(raw, tag, at)
            if not 0 < back <= len(out):
                raise ValueError("a compressed block refers to what is before it")
            if len(out) + size > length:
                raise ValueError("a compressed block is longer than it says")
            piece = bytes(out[-back : len(out) - back + min(size, back)])
            out += (piece * (size // len(piece) + 1))[:size]  # a copy may reach into its own result, and then repeats
        if len(out) > length:
            raise ValueError("a compressed block is longer than it says")
    if len(out) != length:
        raise ValueError("a compressed block is shorter than it says")
    return bytes(out)


def _length(raw: bytes) -> tuple[int, int]:
    """Return the number at the start of a block (at most 32 bits in five bytes), and the place after it."""
    value = 0
    for at in range(5):
        byte = _number(raw, at, 1)
        value |= (byte & 0x7F) << 7 * at
        if byte < 0x80:
            return value, at + 1
    raise ValueError("a compressed block begins with a number without an end")


def _literal(raw: bytes, size: int, at: int) -> tuple[int, int]:
    if size < _LITERAL:
        return size + 1, at
    more = size - _LITERAL + 1
    return _number(raw, at, more) + 1, at + more


def _copy(raw: bytes, tag: int, at: int) -> tuple[int, int, int]:
    """Return how many bytes are repeated, from how far back, and the place after the element."""
    if tag & 3 == 1:
        return (tag >> 2 & 7) + _SHORT, (tag >> 5) << 8 | _number(raw, at, 1), at + 1
    width = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, _number(raw, at, width), at + width


def _number(raw: bytes, at: int, width: int) -> int:
    if at + width > len(raw):
        raise ValueError("a compressed block was cut short")
    return int.from_bytes(raw[at : at + width], "little")
