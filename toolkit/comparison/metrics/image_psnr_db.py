"""Peak signal-to-noise ratio of all samples together in dB; the peak is the reference's range: 10 log10(peak^2 / mean((c - r)^2))."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toolkit.comparison.bootstrap import Groups, bootstrap_of_sums
from toolkit.comparison.metrics import Better, Real, rows

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("db",)
RANGE = (-np.inf, np.inf)
CENTRED = False
WHOLE_NUMBERS = False
_SEED = 0


def applies(shape: Sequence[int]) -> str | None:
    """Return None: any output has a mean square error."""
    return None


def tally(shape: Sequence[int]) -> Psnr:
    """Return the tally of square errors: inf without an error, -inf for an error where the reference is constant, NaN where a sample holds a NaN.

    The peak is the largest less the smallest value of the reference in all samples (for a given peak use `psnr_db:peak=255`). The interval is the
    bootstrap's over samples.
    """
    return Psnr()


class Psnr:
    """The errors so far."""

    def __init__(self) -> None:
        self._groups = Groups()
        self._sum, self._samples = 0.0, 0
        self._low, self._high = math.inf, -math.inf
        self._worst = (-math.inf, 0)

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples."""
        with np.errstate(invalid="ignore", over="ignore"):
            squares = np.square(rows(candidate) - rows(reference)).mean(axis=1)
        self._groups.add(np.stack([squares, np.ones_like(squares)], axis=1))
        self._sum += float(squares.sum())
        self._samples += len(squares)
        self._low = min(self._low, float(reference.min()))
        self._high = max(self._high, float(reference.max()))
        row = int(squares.argmax())
        self._worst = max(self._worst, (float(squares[row]), -(start + row)))

    def value(self) -> float:
        """Return the ratio."""
        if not self._samples:
            return math.nan
        return float(self._decibels(np.array([self._sum, self._samples])))

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the bootstrap's interval; None for one sample, and where errors are not finite."""
        groups, value = self._groups.sums, self.value()
        if len(groups) < 2 or not np.isfinite(groups).all():
            return None
        low, high = bootstrap_of_sums(groups, self._decibels, confidence, _SEED)
        return min(low, value), max(high, value)

    @property
    def worst_sample(self) -> int | None:
        """The sample with the largest mean square error."""
        return -self._worst[1] if self._samples else None

    @property
    def detail(self) -> str:
        """The peak."""
        return f"peak {self._high - self._low:.4g}" if self._samples else ""

    def _decibels(self, sums: Real) -> Real:
        mean, peak = sums[..., 0] / sums[..., 1], self._high - self._low
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 20 * np.log10(peak) - 10 * np.log10(mean)
        return np.where(mean == 0, np.inf, found)
