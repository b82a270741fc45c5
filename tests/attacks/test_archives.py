"""Zip archives, numpy's files, sounds, records and pictures that are more, or other, than they say: refused before they are read."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib

import numpy as np
import pytest

from toolkit.comparison import saved_runs
from toolkit.engines.tensorflow.sstable import checksum
from toolkit.errors import InvalidSamples, RequestError
from toolkit.files.archives import MOST_PARTS, Archive, BadArchive
from toolkit.samples.readers import _records, audio
from toolkit.samples.readers.images import _indices


def written(packing=zipfile.ZIP_STORED, **parts):
    """Return the bytes of an archive with these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def opened(content):
    """Return an archive of these bytes, looked at."""
    return Archive(io.BytesIO(content))


GOOD = {"x:0": b"tensor", "a": b"alpha" * 1000, "b": b"", "c": np.random.default_rng(0).bytes(3_000_000)}


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_is_sound_is_read_whole(packing):
    """Byte by byte, by name, as it was written; at any place where it is stored."""
    archive = opened(written(packing, **GOOD))

    assert {name: archive.read(name, 1 << 24) for name in archive.names} == GOOD
    archive.require_intact()
    if packing == zipfile.ZIP_STORED:
        window = archive.window("c")
        window.seek(1_000_000)
        assert window.read(5) == GOOD["c"][1_000_000:1_000_005]
        assert window.seek(0, io.SEEK_END) == len(GOOD["c"])


def test_an_archive_of_more_than_4_gb_says_its_sizes_elsewhere(tmp_path):
    """zip64, as numpy writes each array with, and the table of contents where there are many."""
    np.savez_compressed(tmp_path / "a.npz", **{f"x{number}": np.arange(number) for number in range(300)})

    with open(tmp_path / "a.npz", "rb") as file:
        assert len(Archive(file).names) == 300


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a//x", "a\\..\\x", "./x"])
def test_names_that_lead_out_are_refused(name):
    """On any system, whoever unpacks it."""
    with pytest.raises(BadArchive, match="leads out"):
        opened(written(**{name: b"x"}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content[:-1], "does not end in a table"),
        (lambda content: content + b"more", "does not end in a table"),
        (lambda content: b"more" + content, "not where it says"),
        (lambda content: content.replace(b"a" + b"alpha", b"z" + b"alpha", 1), "something else of itself"),
        (lambda content: content[: len(content) // 2], "does not end in a table"),
        (lambda content: content.replace(b"alphaalpha", b"alphaAlpha", 1), "checksum"),
        (lambda content: content[:-2] + b"\x05\x00" + b"12345", "does not end in a table"),
    ],
)
def test_what_was_changed_is_refused(change, says):
    """Cut, lengthened, shifted, or of another content."""
    with pytest.raises(BadArchive, match=says):
        opened(change(written(**GOOD))).require_intact()


def test_a_part_that_lies_about_its_size_is_stopped_there():
    """The first byte too many ends it, and not the last one of six gigabytes."""
    content = bytearray(written(zipfile.ZIP_DEFLATED, a=bytes(50_000_000)))
    entry = content.rfind(b"PK\x01\x02")
    for place in (22, entry + 24):
        content[place : place + 4] = struct.pack("<I", 1000)
    blocks = opened(content).blocks("a")

    with pytest.raises(BadArchive, match="more than the 1,000 bytes"):
        next(blocks)


def test_many_parts_are_counted_before_they_are_read():
    """Python would read the whole table of contents first."""
    content = written(**{str(number): b"" for number in range(MOST_PARTS + 1)})

    with pytest.raises(BadArchive, match="expected at most 10,000 parts"):
        opened(content)


def test_parts_that_lie_over_one_another_are_refused():
    """42 kB that unpack to petabytes: a hundred entries that share their bytes."""
    content = written(zipfile.ZIP_DEFLATED, a=bytes(1000), b=bytes(1000))
    second = content.rfind(b"PK\x01\x02")
    shared = bytearray(content)
    shared[second + 42 : second + 46] = bytes(4)  # the place of the second is that of the first

    with pytest.raises(BadArchive):
        opened(shared)


def test_a_saved_run_that_unpacks_to_far_more_is_refused(tmp_path):
    """It is held in memory as a whole, by the program itself."""
    path = tmp_path / "run.npz"
    np.savez_compressed(path, scores=np.zeros((100, 200_000)))

    with pytest.raises(RequestError, match="unpack to 160,000,"):
        saved_runs.read(path)


def test_a_saved_run_whose_header_claims_more_is_refused(tmp_path):
    """Numpy would ask for a terabyte first."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({1 << 38},), }}".ljust(117) + "\n"
    claimed = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(64)
    (tmp_path / "run.npz").write_bytes(written(**{"scores.npy": claimed}))

    with pytest.raises(RequestError, match="its header says 1,099,511,627,776"):
        saved_runs.read(tmp_path / "run.npz")


def masked(value):
    """Return a checksum as TFRecord files have it."""
    return struct.pack("<I", checksum(value))


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_packed_record_cannot_say_that_it_is_endless(tmp_path, pack):
    """Its length has the right checksum; nothing of that length is waited for."""
    length = struct.pack("<Q", 1 << 40)
    path = tmp_path / "evil.tfrecord"
    path.write_bytes(pack(length + masked(length) + bytes(100_000)))

    with pytest.raises(InvalidSamples, match="says that it has 1,099,511,627,776 bytes"):
        list(_records.unpacked(path))


@pytest.mark.parametrize(("old", "new"), [(1, 16_000), (0xFFFFFFF1, 16_000), (16_001_003, 16_000), (48_000, 1)])
def test_sounds_at_impossible_rates_are_refused(old, new):
    """One hertz, or four thousand million, makes a filter or a sound without end."""
    with pytest.raises(InvalidSamples, match="expected rates within"):
        audio._require_near(old, new, "evil.wav")


@pytest.mark.parametrize(
    ("old", "new"), [(44_100, 16_000), (48_000, 8_000), (16_000, 22_050), (192_000, 44_100), (44_101, 16_000)]
)
def test_sounds_at_the_rates_of_sounds_are_not(old, new):
    """Those of recorders and of networks."""
    audio._require_near(old, new, "good.wav")


def test_a_mask_of_too_many_pixels_is_refused(tmp_path):
    """A picture of a few kB that takes gigabytes, as the pictures themselves are."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", 60_000, 60_000, 8, 0, 0, 0, 0)
    (tmp_path / "mask.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )

    with pytest.raises(InvalidSamples, match="decompression bomb"):
        _indices(tmp_path / "mask.png")
