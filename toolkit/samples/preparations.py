"""The usual ways to prepare 8-bit images for a model, and the changes that convert samples from one way to another.

A model does not contain its preparation, so nothing in it shows that a recipe's numbers are wrong. The labels show which usual preparation makes the
original right most often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from toolkit.samples.normalization import PRESETS, Preset
from toolkit.samples.requested_set import StepsJson

_COLORS = 3
_OFF = 0.02  # of a pixel's step: the error of float16 images from 0 to 1 is smaller, and half of a step is 0.5
_ONE, _WHITE = 1, 255  # images that hold only 0 and 1 are black and white, from 0 to 1
_UNCHANGED = Preset(1.0, (0.0,), (1.0,), "x")
# Mode "caffe" of keras.applications.imagenet_utils.preprocess_input: blue, green, red.
_CAFFE = Preset(1.0, (103.939, 116.779, 123.68), (1.0,), "x - mean of ImageNet")


@dataclass(frozen=True, slots=True)
class Preparation:
    """Numbers for (x * scale - mean) / std of x in 0..255, whether blue comes first, and their declaration under [preprocess]."""

    declared: str
    numbers: Preset
    blue_first: bool = False


class ChangeJson(TypedDict):
    """A `Change` as JSON, for `toolkit.source.reference.run_changed`."""

    reverse: bool
    factor: list[float]
    offset: list[float]


@dataclass(frozen=True, slots=True)
class Change:
    """Converts prepared samples to another preparation: reverse the channels or not, then multiply each by `factor` and add `offset`."""

    to: Preparation
    reverse: bool
    factor: tuple[float, ...]
    offset: tuple[float, ...]

    def options(self) -> ChangeJson:
        """Return the change as options of a job: see `toolkit.source.reference.run_changed`."""
        return {"reverse": self.reverse, "factor": list(self.factor), "offset": list(self.offset)}


def changes(values: NDArray[np.floating], steps: StepsJson) -> list[Change]:
    """Return the changes that convert images (n, height, width, channels) to each other usual preparation; [] if they are not 8-bit images.

    `steps` are the recipe's steps for them. Images that were saved after their preparation are recognized by their numbers.
    """
    declared = _declared(steps)
    channels = values.shape[-1]
    own = next((one for one in (declared, *_usual(channels)) if _are_pixels(values, one)), None)
    if own is None:
        return []
    exchanged = [_with_blue(own, first=not own.blue_first)] if own is declared and channels == _COLORS else []
    found: dict[tuple[bool, tuple[float, ...], tuple[float, ...]], Change] = {}
    for way in (*_usual(channels), *exchanged):
        to = replace(way, declared=f'color = "rgb", {way.declared}') if own.blue_first > way.blue_first else way
        change = _change(own, to, channels)
        same = not change.reverse and np.allclose(change.factor, 1) and np.allclose(change.offset, 0, atol=1e-3)
        if not same:
            found.setdefault((change.reverse, change.factor, change.offset), change)
    return list(found.values())


def _declared(steps: StepsJson) -> Preparation:
    numbers = Preset(
        float(steps.get("scale", 1.0)), tuple(steps.get("mean", (0.0,))), tuple(steps.get("std", (1.0,))), ""
    )
    return Preparation("the same numbers", numbers, steps.get("color") == "bgr")


def _with_blue(own: Preparation, *, first: bool) -> Preparation:
    said = 'color = "bgr", the same numbers' if first else "the same numbers"
    return replace(own, declared=said, blue_first=first)


def _usual(channels: int) -> Iterator[Preparation]:
    plain = [Preparation(f'preset = "{name}"', PRESETS[name]) for name in ("0..1", "-1..1")]
    plain.append(Preparation('dtype = "float32" and no scale, mean or std', _UNCHANGED))
    yield from plain
    if channels == _COLORS:
        yield Preparation('preset = "imagenet"', PRESETS["imagenet"])
        for one in plain:
            yield replace(one, declared=f'color = "bgr", {one.declared}', blue_first=True)
        yield Preparation(f'color = "bgr", dtype = "float32" and mean = {list(_CAFFE.mean)}', _CAFFE, blue_first=True)


def _each(numbers: tuple[float, ...], channels: int) -> NDArray[np.float64]:
    return np.broadcast_to(np.array(numbers, np.float64), (channels,))


def _are_pixels(values: NDArray[np.floating], one: Preparation) -> bool:
    """Return whether all values become whole numbers from 0 to 255 when the preparation is undone."""
    channels = values.shape[-1]
    if channels not in (1, _COLORS) or {len(one.numbers.mean), len(one.numbers.std)} - {1, channels}:
        return False
    mean, std = _each(one.numbers.mean, channels), _each(one.numbers.std, channels)
    pixels = (values * std + mean) / (one.numbers.scale or 1.0)
    near = np.rint(pixels)
    return bool((np.abs(pixels - near) <= _OFF).all() and near.min() >= 0 and _ONE < near.max() <= _WHITE)


def _change(own: Preparation, to: Preparation, channels: int) -> Change:
    """Return the change that undoes one preparation and applies another."""
    reverse = own.blue_first != to.blue_first
    undo_factor = _each(own.numbers.std, channels) / (own.numbers.scale or 1.0)
    undo_offset = _each(own.numbers.mean, channels) / (own.numbers.scale or 1.0)
    if reverse:
        undo_factor, undo_offset = undo_factor[::-1], undo_offset[::-1]
    mean, std = _each(to.numbers.mean, channels), _each(to.numbers.std, channels)
    factor = undo_factor * to.numbers.scale / std
    offset = (undo_offset * to.numbers.scale - mean) / std
    return Change(to, reverse, tuple(map(float, factor)), tuple(map(float, offset)))
