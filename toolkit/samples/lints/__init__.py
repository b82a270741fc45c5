"""Checks of calibration sets, one file each. A check changes no sample and guesses nothing: it measures and compares with its limits.

A check is a module, standard library and numpy at its top, with

    LOOKS_AT    "input" (each input of the model by itself), "set" (the two sets as a whole), "ranges" (the statistics of activations),
                "judging" (each input, of the set that judges alone), "answers" (each output, as the original gives it for that set) or
                "preparations" (which judging samples the original gets right, as they are and prepared in other ways)
    CODES       the reason codes of its findings; docs/calibration.md has a line for each
    Limits      a frozen dataclass of floats: `calibration/lint.toml` must give each of them for this check, with a reason; one with a default may
                be missing

and, depending on LOOKS_AT,

    applies(one)                                             "input": None, or why the check says nothing about such an input
    measure(values, one) -> array (k,)                       "input": of one sample, shape as `one.shape`, float32 or float64, finite; k is the
                                                             same for all samples. Nothing else of a sample is kept
    judge(one, calibration, verification, limits)            "input": the findings, or a text that says why the check cannot judge
    judge(calibration, verification, limits)                 "set": likewise
    judge(statistics, limits)                                "ranges": likewise, of a `toolkit.wire.statistics.Statistics`
    applies(one), measure(values, one)                       "judging": as for "input"; "answers": as for "input", of an `Answer`, values float64
    judge(one, verification, limits)                         both: likewise; labels are those of the output
    judge(own, others, declared, limits)                     "preparations": likewise, (n,) and (k, n) of bool, and how to declare each of the k

`calibration` and `verification` are `Side`s. A finding is an "error" (it stops the build) only where the two sets, each given by the user, contradict
each other in a way that no choice of samples explains. A finding about one set alone is a "warning", because a healthy set may be unusual. For the
set that judges, a finding is "inconclusive" where the set cannot show whether an artifact is right, and an "error" where the original, its samples
and their labels contradict each other.
The caller puts the names of the set and of the input in front of a message.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.findings import Finding

Judged = list[Finding] | str
Real = NDArray[np.float64]
Values = NDArray[Any]

_MOST_CHANNELS = 4  # RGB and alpha; more channels are features, in no order


@dataclass(frozen=True)
class Input:
    """One input of the model: its name, one sample's shape without batch axis, and its dtype.

    `split`: both sets were drawn from one. `sequences`: samples follow one another, as frames do, for a model that keeps state. `is_alone`: the model
    has no other input by which samples could differ.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    split: bool = False
    sequences: bool = False
    is_alone: bool = True

    @functools.cached_property
    def size(self) -> int:
        """The number of values of a sample."""
        return int(np.prod(self.shape, dtype=np.int64))

    @functools.cached_property
    def channels_axis(self) -> int | None:
        """The axis of the channels if a sample is an image (three axes, up to four channels, last or first); else None."""
        if len(self.shape) != 3:
            return None
        for axis in (2, 0):
            height, width = np.delete(self.shape, axis)
            if self.shape[axis] <= _MOST_CHANNELS and min(height, width) > _MOST_CHANNELS:
                return axis
        return None


@dataclass(frozen=True)
class Answer:
    """One output of the original: its name, one sample's shape without batch axis, and its dtype.

    `whole`: its numbers are whole by nature (ids, classes, yes or no). `kind`: its declared meaning, "" if none is declared.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    whole: bool = False
    kind: str = ""

    @functools.cached_property
    def size(self) -> int:
        """The number of values of a sample."""
        return int(np.prod(self.shape, dtype=np.int64))

    @functools.cached_property
    def is_row(self) -> bool:
        """Whether it has only one axis, apart from axes of size 1."""
        return self.size == max(self.shape, default=1)


@dataclass(frozen=True)
class Side:
    """One of the two sets: its name in messages, its number of samples, the measured rows (n, k), and the labels and origins of the samples.

    `n` is smaller than `count` for a large set: only its first samples are measured (see `toolkit.samples.lint`).
    """

    name: str
    count: int
    rows: Real = field(default_factory=lambda: np.zeros((0, 0)))
    labels: NDArray[Any] | None = None
    origins: tuple[str, ...] = ()


def thinned(values: Values, most: int) -> Values:
    """Return about `most` of the entries along the first axis, at even steps; never a multiple of two or three, which would take only one channel."""
    step = max(1, -(-len(values) // most))
    while step > 1 and (step % 2 == 0 or step % 3 == 0):
        step += 1
    return values[::step]
