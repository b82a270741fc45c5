"""WAV, FLAC and OGG files -> numbers, with libsndfile (the package soundfile).

libsndfile reads a truncated WAV or OGG file as a shorter sound, without an error. So this module checks the ends of both:
"Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft, 1991), chapter 3; RF64 (EBU Tech 3306, 2009); Ogg (RFC 3533).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from toolkit.errors import InvalidSamples

if TYPE_CHECKING:
    from soundfile import SoundFile

_FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")  # libsndfile's names; not MP3, which does not say where it ends
_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "PCM_24": 24,
    "PCM_32": 32,
}  # all other formats of whole numbers have 16, also ADPCM, A-law and mu-law after decoding
_REAL = {"FLOAT": "float32", "DOUBLE": "float64", "VORBIS": "float32", "OPUS": "float32"}
_BLOCK = 1 << 20  # frames that are read at once: the total in the header of a damaged file may be wrong
_TO_THE_END = (
    0xFFFFFFFF  # the size that programs such as ffmpeg leave there when they write into a pipe; RF64 has it elsewhere
)
_LARGEST_PAGE = 27 + 255 + 255 * 255  # bytes of an Ogg page
_FIX = "convert it: ffmpeg -i OLD -c:a pcm_s16le NEW.wav"
_AGAIN = "make or download the file again"


class Clip(NamedTuple):
    """`rate` in Hz; `values` (frames, channels): float32 or float64 if the file's values are real, else int32 of `bits` bits."""

    rate: int
    values: np.ndarray
    bits: int


def read_clip(path: Path, origin: str) -> Clip:
    """Return the sound of a file; InvalidSamples if it is no sound, is damaged or cut short, or has a format that is not supported."""
    import soundfile

    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            if file.format not in _FORMATS:
                raise InvalidSamples(f"{origin}: is {file.format_info}; expected WAV, FLAC or OGG", _FIX)
            clip = Clip(file.samplerate, _values(file), _BITS.get(file.subtype, 16))
            frames, kind = file.frames, file.format
    except soundfile.LibsndfileError as error:
        raise InvalidSamples(
            f"{origin}: does not decode as WAV, FLAC or OGG ({error.error_string.strip()})",
            f"{_AGAIN}; if it is of another format, {_FIX}",
        ) from error
    with open(path, "rb") as raw:
        if kind == "OGG":
            _require_last_page(raw, origin)
        elif kind != "FLAC":
            _require_all_bytes(raw, origin)
    if len(clip.values) != frames:
        raise InvalidSamples(
            f"{origin}: is cut short: {frames} samples are announced, {len(clip.values)} are there", _AGAIN
        )
    return clip


def _values(file: SoundFile) -> np.ndarray:
    """Return all frames, (frames, channels)."""
    dtype = _REAL.get(file.subtype, "int32")
    blocks = [np.zeros((0, file.channels), dtype)]
    while len(block := file.read(_BLOCK, dtype=dtype, always_2d=True)):
        blocks.append(block)
    values = np.concatenate(blocks)
    return values if file.subtype in _REAL else values >> (32 - _BITS.get(file.subtype, 16))


def _require_all_bytes(file: BinaryIO, origin: str) -> None:
    """Raise InvalidSamples for a WAV file that holds fewer bytes of sound than it declares."""
    file.seek(12)
    long = None
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        if name == b"data":
            announced = long if size == _TO_THE_END else size
            there = os.fstat(file.fileno()).st_size - start
            if announced is not None and there < announced:
                raise InvalidSamples(
                    f"{origin}: is cut short: {announced} bytes of sound are announced, {there} are there", _AGAIN
                )
            return
        if name == b"ds64":
            long = struct.unpack("<8xQ", file.read(16))[0]
        file.seek(start + size + size % 2)


def _require_last_page(file: BinaryIO, origin: str) -> None:
    """Raise InvalidSamples for an OGG file whose last page is not whole, or is not marked as the last of its stream."""
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - 2 * _LARGEST_PAGE))
    end = file.read()
    page = end[end.rfind(b"OggS") :]
    lengths = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if not (lengths and page[5] & 4 and len(page) >= 27 + len(lengths) + sum(lengths)):
        raise InvalidSamples(f"{origin}: is cut short: the page that ends an OGG stream is not there", _AGAIN)
