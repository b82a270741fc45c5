"""Mean over classes of the intersection over union of their regions: pixels, or steps, of all samples together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Real
from toolkit.comparison.metrics._decisions import PARAMETERS, refuse, several_decisions
from toolkit.comparison.metrics._overlaps import Overlaps, ends

__all__ = ["PARAMETERS", "refuse"]

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("ratio",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape: Sequence[int], *, of: str, threshold: float) -> str | None:
    """Return None where a sample holds several decisions, else the reason: a single decision has no region."""
    return several_decisions(shape, of)


def tally(shape: Sequence[int], *, of: str, threshold: float) -> MeanOverlap:
    """Return the tally of regions; its value is the mean over the reference's classes, NaN where a sample holds a NaN.

    Everingham and others, The Pascal visual object classes challenge (IJCV 88, 2010), 4.3. The interval is the bootstrap's over samples.
    """
    return MeanOverlap(of, threshold)


class MeanOverlap:
    """The regions so far."""

    def __init__(self, of: str, threshold: float) -> None:
        self._overlaps = Overlaps(of, threshold)

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples."""
        self._overlaps.add(start, reference, candidate)

    def value(self) -> float:
        """Return the mean."""
        if self._overlaps.is_broken or not self._overlaps.samples:
            return math.nan
        shares = [self._overlaps.share(value) for value in self._overlaps.classes()]
        return math.fsum(shares) / len(shares)

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the percentiles of resamples."""
        if not self._overlaps.can_be_resampled:
            return None
        drawn = self._overlaps.resampled(self._overlaps.classes())
        held = np.isfinite(drawn)
        return ends(np.where(held, drawn, 0.0).sum(axis=1) / held.sum(axis=1), self.value(), confidence)

    @property
    def worst_sample(self) -> int | None:
        """The sample in which the worst class overlaps least."""
        return self._overlaps.worst_sample(self._worst())

    @property
    def detail(self) -> str:
        """The worst class."""
        worst = self._worst()
        return f"least of class {worst:g}: {self._overlaps.share(worst):.3g}"

    def _worst(self) -> float:
        return min(self._overlaps.classes(), key=self._overlaps.share)
