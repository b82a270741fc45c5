"""Peak signal-to-noise ratio of each sample in dB: 10 log10(peak^2 / mean((c - r)^2))."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real, rows
from toolkit.comparison.metrics._scaling import by_largest

BETTER: Better = "higher"
ALWAYS = False
OVER = "sample"
UNITS = ("db",)
RANGE = (-np.inf, np.inf)
CENTRED = False
WHOLE_NUMBERS = False
PARAMETERS = {"peak": None}  # the output's largest less its smallest value: 1 or 255 for images


def refuse(parameters: Mapping[str, float]) -> str | None:
    """Return None for a peak above 0, else the reason."""
    peak = parameters["peak"]
    return None if 0 < peak < math.inf else f"peak {peak:g}; expected above 0, as 1 or 255 for images"


def applies(shape: Sequence[int], *, peak: float) -> str | None:
    """Return None: any output has a mean square error."""
    return None


def measure(reference: Real, candidate: Real, *, peak: float) -> Real:
    """Return the ratio for each sample, in dB: inf where they are equal, -inf for an infinite error, NaN if either holds a NaN.

    `peak` is a parameter and does not come from the data, so that two sets, or two releases, are measured alike. (ITU-T J.340, 2010.)
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        error = np.abs(rows(candidate) - rows(reference))
        largest = error.max(axis=1, keepdims=True)
        mean_square = np.square(by_largest(error, largest)).mean(
            axis=1
        )  # of errors relative to the largest: no overflow
        # Without an error both logarithms are -inf, and the ratio is inf.
        decibels = 20 * np.log10(peak) - 20 * np.log10(largest[:, 0]) - 10 * np.log10(mean_square)
    return np.where(np.isinf(largest[:, 0]), -np.inf, decibels)
