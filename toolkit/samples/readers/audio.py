"""Sounds in WAV, FLAC and OGG files, one sample each: a folder in the order of the file names, or one file.

Subfolders are classes, as with images. Values are real with full scale at 1.0, so whole numbers become [-1, 1); or they are int16 as in the file. The
reader changes a sound only as the recipe declares: it refuses another rate, more channels and another length. Many models take spectra. Each library
computes them in its own way, so a function of the user's must give them (`kind = "python"`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from toolkit.errors import InvalidSamples
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample
from toolkit.samples.readers._folders import mostly, samples_of
from toolkit.samples.readers._sound import Clip, read_clip

CACHED = True
ENVIRONMENT = "dataset"
SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus")
_HALF_WIDTH = (
    10  # of the filter, in periods of the lower rate; it and the Kaiser window's beta: as in scipy.signal.resample_poly
)
_BETA = 5.0
_FARTHEST, _MOST_STEPS = 1000, 1_000_000  # limits for the ratio of two rates; sounds have 8,000 to 768,000 Hz


@dataclass(frozen=True)
class Options:
    """`path`: a folder or a file; `input`: the model's input, if it has several; `classes`: their order, if not sorted.

    `inputs`: a subfolder for each input; files of the same name belong together. `sample_rate` in Hz; if it is not declared, all sounds must have the
    rate of the first. `resample` converts other rates to it. `channels` of a sound that has several: their "mean", the "first", or "all", (length,
    channels). `length` in samples: `crop` declares which part of a longer sound stays, `pad` where a shorter one is filled with zeros.
    """

    path: str
    input: str | None = None
    inputs: dict[str, str] | None = None
    labels: Literal["folders", "none"] = "folders"
    classes: tuple[str, ...] | None = None
    sample_rate: int | None = None
    resample: bool = False
    channels: Literal["mean", "first", "all"] | None = None
    length: int | None = None
    crop: Literal["start", "center", "end"] | None = None
    pad: Literal["start", "center", "end"] | None = None
    dtype: Literal["float32", "int16"] = "float32"

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if self.sample_rate is None and self.resample:
            raise ValueError("resample needs sample_rate, which is missing")
        if self.length is None and (self.crop or self.pad):
            raise ValueError("crop and pad need length = (samples), which is missing")
        for name, value in (("sample_rate", self.sample_rate), ("length", self.length)):
            if value is not None and value < 1:
                raise ValueError(f"{name}: {value}; expected at least 1")


def recognize(data: str) -> tuple[Path, Options] | None:
    """Return options for a sound file, and for a folder that holds mostly sounds."""
    path = Path(data)
    return (path.parent, Options(path.name)) if path.suffix in SUFFIXES or mostly(data, SUFFIXES) else None


def files(options: Options) -> dict[str, str]:
    """Return the folder, or the file."""
    return {"path": options.path}


def read(options: Options, files: Mapping[str, Path], asked: ReadRequest) -> Reading:
    """Return the samples, one per file, sorted by path."""
    held = samples_of(files["path"], options, asked.names, SUFFIXES, "sounds")
    rate, whose = options.sample_rate, "the recipe declares"
    if rate is None:
        first = next(iter(held.by_input.values()))[0]
        rate, whose = read_clip(first, held.origins[0]).rate, f"{held.origins[0]} has"

    def values(path: Path) -> np.ndarray:
        origin = path.relative_to(held.root).as_posix()
        clip = read_clip(path, origin)
        if clip.rate != rate and not options.resample:
            raise InvalidSamples(
                f"{origin}: sampled at {clip.rate} Hz, {whose} {rate} Hz",
                f"convert it (ffmpeg -i OLD.wav -ar {rate} NEW.wav), or declare sample_rate = {rate} and resample = true "
                "under [reader]",
            )
        return _arranged(clip, rate, options, origin)

    def at(index: int) -> Sample:
        inputs = {name: values(paths[index]) for name, paths in held.by_input.items()}
        return Sample(inputs, held.labels[index] if held.labels else None, held.origins[index])

    return Reading(Indexed(len(held.origins), at), held.findings, held.place(options.path))


def _arranged(clip: Clip, rate: int, options: Options, origin: str) -> np.ndarray:
    """Return the sound with the declared channels, rate, length and dtype; the steps run in this order."""
    values = clip.values
    if values.shape[1] > 1 and options.channels is None:
        raise InvalidSamples(
            f"{origin}: has {values.shape[1]} channels", 'declare channels = "mean", "first" or "all" under [reader]'
        )
    real = values.dtype.kind == "f"
    if options.dtype == "int16":
        if real or clip.bits > 16:
            raise InvalidSamples(
                f"{origin}: {'real numbers' if real else f'{clip.bits} bits'} do not fit into int16",
                'dtype = "float32" under [reader] takes any',
            )
        values = values.astype(np.int16) << (16 - clip.bits)
    elif not real:
        values = values / np.float64(1 << (clip.bits - 1))
    whole = values
    if options.channels != "all":
        whole = values.mean(axis=1) if options.channels == "mean" else values[:, 0]
    if clip.rate != rate:
        _require_near(clip.rate, rate, origin)
        whole = resampled(whole, clip.rate, rate)
    fitted = _of_length(whole, options, origin)
    if options.dtype == "int16":
        return np.clip(np.rint(fitted), -(1 << 15), (1 << 15) - 1).astype(np.int16)
    return fitted.astype(np.float32)


def _require_near(old: int, new: int, origin: str) -> None:
    """Raise InvalidSamples for two rates that need a filter of millions of taps, or turn each second into hours."""
    steps = max(old, new) // math.gcd(old, new)
    if max(old, new) > _FARTHEST * min(old, new) or steps > _MOST_STEPS:
        raise InvalidSamples(
            f"{origin}: sampled at {old} Hz, to be resampled to {new} Hz; expected rates within a factor of {_FARTHEST:,}, "
            f"and in a ratio of numbers up to {_MOST_STEPS:,}",
            "make or download the file again, or convert it: ffmpeg -i OLD.wav -ar RATE NEW.wav",
        )


def resampled(values: np.ndarray, old: int, new: int) -> np.ndarray:
    """Return a sound (length, ...) at another rate: ceil(length * new / old) values, float64; zeros are assumed beyond its ends.

    It applies a low-pass filter at half the lower rate with a Kaiser window. The values are those of scipy.signal.resample_poly(values, up, down),
    except for rounding. Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983, chapter 4.
    """
    common = math.gcd(old, new)
    up, down = new // common, old // common
    half = _HALF_WIDTH * max(up, down)
    places = np.arange(-half, half + 1)
    taps = np.sinc(places / max(up, down)) * np.kaiser(2 * half + 1, _BETA)
    taps *= up / taps.sum()
    count = -(-len(values) * up // down)
    made = np.zeros((count, *values.shape[1:]))
    at = np.arange(count) * down  # the place of each value on the fine grid that both rates share
    for step in range(-(half // up) - 1, half // up + 2):
        source = at // up + step
        place = at - source * up + half
        held = (source >= 0) & (source < len(values)) & (place >= 0) & (place <= 2 * half)
        weights = taps[place[held]].reshape(-1, *(1,) * (values.ndim - 1))
        made[held] += weights * values[source[held]]
    return made


def _of_length(values: np.ndarray, options: Options, origin: str) -> np.ndarray:
    """Return the sound cut or filled to the declared length."""
    have, wanted = len(values), options.length
    if wanted is None or have == wanted:
        return values
    how = options.crop if have > wanted else options.pad
    if how is None:
        word = "crop" if have > wanted else "pad"
        raise InvalidSamples(
            f"{origin}: {have} samples long, {wanted} are declared",
            f'declare {word} = "end", "center" or "start" under [reader]'
            + (": which part stays" if word == "crop" else ": where the zeros go"),
        )
    over = abs(have - wanted)
    before = {"start": 0, "center": over // 2, "end": over}[how]
    if have > wanted:
        return values[before : before + wanted]
    before = over - before if how != "center" else before
    return np.pad(values, [(before, over - before), *[(0, 0)] * (values.ndim - 1)])
