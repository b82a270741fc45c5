"""RIFF WAVE files -> numbers: whole ones of 8, 16, 24 and 32 bits, and real ones of 32 and 64.

Formats: "Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft, 1991), chapter 3, and
WAVEFORMATEXTENSIBLE of Microsoft's mmreg.h. The standard library's `wave` reads no real numbers, and before Python 3.12
nothing extensible, which is what most programs write for 24 bits.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from toolkit.errors import InvalidSamples

_WHOLE, _REAL, _EXTENSIBLE = 1, 3, 0xFFFE
_OTHERS = {2: "Microsoft ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 80: "MPEG", 85: "MP3"}
_DTYPES = {(_WHOLE, 8): "u1", (_WHOLE, 16): "<i2", (_WHOLE, 32): "<i4", (_REAL, 32): "<f4", (_REAL, 64): "<f8"}
_TO_THE_END = 0xFFFFFFFF  # the size that programs leave there who write into a pipe, as ffmpeg does
_FIX = "convert it: ffmpeg -i OLD.wav -c:a pcm_s16le NEW.wav"


class Clip(NamedTuple):
    """`rate` in Hz; `values` (frames, channels): float32 or float64 where the file's are real, else int32 of `bits` bits."""

    rate: int
    values: np.ndarray
    bits: int


class _Format(NamedTuple):
    kind: int
    channels: int
    rate: int
    bits: int


def read_clip(path: Path, origin: str) -> Clip:
    """Return the sound of a file; InvalidSamples for one that is none, is damaged, or is packed in a way not read here."""
    try:
        with open(path, "rb") as file:
            form, raw = _chunks(file, origin)
    except struct.error as error:
        raise InvalidSamples(
            f"{origin}: is cut short or damaged ({error})", "make or download the file again"
        ) from error
    frame = form.channels * form.bits // 8
    values = _numbers(raw[: len(raw) // frame * frame], form).reshape(-1, form.channels)
    return Clip(form.rate, values, form.bits)


def _chunks(file: BinaryIO, origin: str) -> tuple[_Format, bytes]:
    """Return the format and the bytes of the sound; what else lies in the file (names, pictures) is passed over."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise InvalidSamples(f"{origin}: is no wav file (RIFF WAVE)", _FIX)
    form = None
    while True:
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"data" and form is not None:
            rest = file.read()
            raw = rest if size == _TO_THE_END else rest[:size]
            if size not in (len(raw), _TO_THE_END):
                raise InvalidSamples(
                    f"{origin}: is cut short: {size} bytes of sound are announced, {len(raw)} are there",
                    "make or download the file again",
                )
            return form, raw
        if name == b"fmt ":
            form = _format(file.read(size), origin)
            size %= 2
        else:
            size += size % 2
        file.seek(size, 1)


def _format(raw: bytes, origin: str) -> _Format:
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", raw[:16])
    if kind == _EXTENSIBLE:  # the first two bytes of the sub-format's GUID are the old number
        (kind,) = struct.unpack("<H", raw[24:26])
    if (kind, bits) not in _DTYPES and (kind, bits) != (_WHOLE, 24):
        name = {_WHOLE: "whole numbers", _REAL: "real numbers"}.get(kind, _OTHERS.get(kind, f"format {kind}"))
        raise InvalidSamples(
            f"{origin}: {name} of {bits} bits; whole ones of 8, 16, 24 or 32 or real ones would be right", _FIX
        )
    if not channels or not rate:
        raise InvalidSamples(f"{origin}: {channels} channels at {rate} Hz", "make or download the file again")
    return _Format(kind, channels, rate, bits)


def _numbers(raw: bytes, form: _Format) -> np.ndarray:
    if form.bits == 24:  # there is no such dtype: the three bytes go to the upper end of four
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        return wide.reshape(-1).view("<i4") >> 8
    values = np.frombuffer(raw, _DTYPES[form.kind, form.bits])
    if form.kind == _REAL:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return values.astype(np.int32) - (128 if form.bits == 8 else 0)  # 8 bits alone are without a sign
