"""Compressed blocks of checkpoints that are more, or other, than they say: refused at once, and in little memory."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.engines.tensorflow.snappy import uncompressed

# What Snappy's own format description and its implementation (1.1.10) give.
KNOWN = [
    (b"\x00", b""),
    (b"\x05\x10hello", b"hello"),
    (b"\x09\x00a" + bytes([(8 - 4) << 2 | 1, 1]), b"a" * 9),  # a copy into what it writes
    (b"\x0a\x04ab" + bytes([(8 - 1) << 2 | 2, 2, 0]), b"ab" * 5),  # two bytes of offset
    (b"\x0a\x04ab" + bytes([(8 - 1) << 2 | 3, 2, 0, 0, 0]), b"ab" * 5),  # four
    (b"\x64" + bytes([60 << 2, 99]) + bytes(range(100)), bytes(range(100))),  # a length in the byte that follows
    (b"\xac\x02" + bytes([61 << 2]) + struct.pack("<H", 299) + bytes(300), bytes(300)),  # in two
]


@pytest.mark.parametrize(("raw", "content"), KNOWN)
def test_what_snappy_wrote_is_read(raw, content):
    """Texts with lengths of every width, copies with offsets of every width."""
    assert uncompressed(raw) == content


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "cut short"),
        (b"\xff\xff\xff\xff\xff\x01", "number without an end"),
        (b"\xff\xff\xff\xff\x0f\x00a", "says it was 4294967295"),
        (b"\x05\x10hel", "ends within a text"),
        (b"\x05" + bytes([63 << 2]) + b"\xff\xff\xff\xff" + b"hello", "ends within a text"),
        (b"\x04\x10hello", "longer than it says"),
        (b"\x06\x10hello", "shorter than it says"),
        (b"\x09\x00a\x11\x02", "refers to what is before it"),
        (b"\x09\x00a\x11\x00", "refers to what is before it"),
        (b"\x09\x00a\x11", "cut short"),
        (b"\x04\x00a" + bytes([63 << 2 | 2, 1, 0]), "longer than it says"),
        (b"\x09" + bytes([62 << 2]) + b"\x01", "cut short"),
    ],
)
def test_a_block_that_is_no_such_is_refused(raw, says):
    """Cut short, too long, or with references to nowhere."""
    with pytest.raises(ValueError, match=says):
        uncompressed(raw)


def test_a_bomb_is_no_larger_than_it_may_be():
    """Each copy of three bytes gives 64 at most, so that a file of a megabyte cannot become gigabytes."""
    copies = 20_000
    raw = bytes([63 << 2 | 2, 1, 0]) * copies
    length, prefix = 1 + 64 * copies, b""
    while length >= 0x80:
        prefix, length = prefix + bytes([length & 0x7F | 0x80]), length >> 7
    began = time.process_time()

    content = uncompressed(prefix + bytes([length]) + b"\x00a" + raw)

    assert content == b"a" * (1 + 64 * copies)
    assert time.process_time() - began < 5


@given(st.binary(max_size=200))
def test_whatever_comes_in_is_read_or_refused(raw):
    """With one kind of error, which who reads the table knows."""
    try:
        content = uncompressed(raw)
    except ValueError:
        return
    assert len(content) <= 64 * len(raw)


@given(st.binary(max_size=3000), st.integers(1, 70))
def test_what_is_written_as_texts_comes_back(content, piece):
    """The simplest of compressors: no copies."""
    length, raw = len(content), b""
    while length >= 0x80:
        raw, length = raw + bytes([length & 0x7F | 0x80]), length >> 7
    raw += bytes([length])
    for start in range(0, len(content), piece):
        part = content[start : start + piece]
        raw += (bytes([(len(part) - 1) << 2]) if len(part) <= 60 else bytes([60 << 2, len(part) - 1])) + part

    assert uncompressed(raw) == content
