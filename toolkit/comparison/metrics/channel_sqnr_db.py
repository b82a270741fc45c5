"""Signal-to-quantization-noise ratio of each channel (the last axis) over all samples, in dB: that of the worst one.

In a ratio of the whole output, a loud channel hides the errors of a quiet one. A channel is left out if it hardly varies beside the loudest of its
part, because no quantization keeps it. It is also left out if few samples carry its variation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Lag, Real, Tally
from toolkit.comparison.metrics._power import decibels

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("db",)
RANGE = (-np.inf, np.inf)
CENTRED = True
WHOLE_NUMBERS = False
PARTS = True
# The least spread of a channel that counts, as a share of the largest; how many samples must carry it; and the largest number of channels.
PARAMETERS = {"floor": None, "samples": None, "most": np.inf}


def refuse(parameters: Mapping[str, float]) -> str | None:
    """Return None for a floor from 0 to 1 and a nonnegative number of samples, else the reason."""
    if not 0 <= parameters["floor"] <= 1:
        return f"floor {parameters['floor']:g}; expected a share from 0 to 1"
    if not 0 <= parameters["samples"] < math.inf:
        return f"samples {parameters['samples']:g}; expected 0 or more"
    return None if parameters["most"] >= 1 else f"most {parameters['most']:g}; expected 1 or more"


def applies(shape: Sequence[int], *, floor: float, samples: float, most: float) -> str | None:
    """Return None for at most `most` channels, else the reason."""
    width = shape[-1] if shape else 1
    return None if width <= most else f"{width} channels are more than {most:g}: none is read by itself"


def tally(shape: Sequence[int], parts: Sequence[int] = (), *, floor: float, samples: float, most: float) -> Channels:
    """Return the tally of the powers of each channel; its value is NaN where one holds a NaN, inf where no channel counts or none has noise.

    `parts` are the widths of what was joined along the last axis: the floor is a share of the largest spread in each part. There is no interval: the
    worst of many channels is an extreme, and the bootstrap of an extreme is wrong. The worst channel behind another artifact's is judged by its
    distance.
    """
    return Channels(tuple(parts) or (shape[-1] if shape else 1,), floor, samples)


class Channels:
    """Powers of signal and noise by channel, and the number of samples that carry the signal."""

    def __init__(self, parts: tuple[int, ...], floor: float, samples: float) -> None:
        self._parts, self._floor, self._samples = parts, floor, samples
        width = sum(parts)
        self.sums = np.zeros((width, 2))  # of signal and noise
        self._squares = np.zeros(width)
        self._worst = np.full(width, -1.0)
        self._worst_sample = np.zeros(width, int)

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples; the reference's mean of each channel is subtracted from both sides."""
        width = len(self.sums)
        with np.errstate(invalid="ignore", over="ignore"):
            signal = np.square(reference.reshape(len(reference), -1, width)).sum(axis=1)
            noise = np.square((candidate - reference).reshape(len(reference), -1, width)).sum(axis=1)
            self.sums += np.stack([signal.sum(axis=0), noise.sum(axis=0)], axis=1)
            self._squares += np.square(signal).sum(axis=0)
        rows = noise.argmax(axis=0)
        largest = noise[rows, np.arange(width)]
        more = ~(largest <= self._worst) & ~np.isnan(self._worst)
        self._worst[more], self._worst_sample[more] = largest[more], start + rows[more]

    def value(self) -> float:
        """Return the ratio of the worst channel that counts, in dB."""
        values = self.by_channel()
        if np.isnan(self.sums).any():
            return math.nan
        return float(values[self._place]) if self._counts.any() else math.inf

    def interval(self, confidence: float) -> None:
        """Return None: see `tally`."""

    @property
    def worst_sample(self) -> int | None:
        """The sample with the largest error in the worst channel."""
        return int(self._worst_sample[self._place]) if self._counts.any() and self._worst[self._place] > 0 else None

    @property
    def detail(self) -> str:
        """The worst channel, and how many channels count."""
        if len(self.sums) == 1:
            return ""
        if not self._counts.any():
            return f"none of {len(self.sums)} channels varies enough to be judged"
        return f"channel {self._place} of {len(self.sums)}"

    def by_channel(self) -> Real:
        """Return the ratio of each channel, (C,) in dB."""
        return decibels(self.sums)

    def behind(self, own: Tally, unless: float) -> Lag:
        """Return the largest distance in dB of a channel behind own's, and the channel; only channels that count and have less than `unless`."""
        if not isinstance(own, Channels) or len(own.sums) != len(self.sums):
            return Lag(math.nan, "the toolkit's own artifact has other channels")
        ours, theirs = self.by_channel(), own.by_channel()
        if np.isnan(ours).any():
            return Lag(math.nan, "")
        counted = self._counts & ~(ours >= unless)
        if not counted.any():
            return Lag(0.0, f"no channel has less than {unless:g} dB")
        with np.errstate(invalid="ignore"):  # channels that do not count may both have no noise
            apart = np.where(counted, theirs - ours, -np.inf)
        place = int(apart.argmax())
        said = f"channel {place} of {len(ours)}: {ours[place]:.3g} dB, the toolkit's own {theirs[place]:.3g} dB"
        return Lag(max(0.0, float(apart[place])), said)

    @property
    def _place(self) -> int:
        values = np.where(self._counts, self.by_channel(), np.inf)
        return int(np.nanargmin(values)) if not np.isnan(values).all() else 0

    @property
    def _counts(self) -> np.ndarray:
        """The channels that count, bool (C,)."""
        signal = self.sums[:, 0]
        loudest, start = np.zeros(len(signal)), 0
        for width in self._parts:
            loudest[start : start + width] = signal[start : start + width].max()
            start += width
        with np.errstate(divide="ignore", invalid="ignore"):
            carried_by = np.where(self._squares > 0, signal**2 / self._squares, 0)
        # Powers are squares of spreads. A NaN counts: it makes the value NaN.
        return (signal > 0) & ~(signal < self._floor**2 * loudest) & ~(carried_by < self._samples)
