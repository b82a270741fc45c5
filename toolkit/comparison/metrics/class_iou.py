"""The least intersection over union among classes: pixels, or steps, of all samples together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from toolkit.comparison.metrics import Better, Lag, Real, Tally, _decisions
from toolkit.comparison.metrics._decisions import several_decisions
from toolkit.comparison.metrics._overlaps import Overlaps, ends

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("ratio",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True
PARAMETERS: dict[str, float | str] = {**_decisions.PARAMETERS, "least": 1.0}


def refuse(parameters: Mapping[str, float | str]) -> str | None:
    """Return None, or why `of`, the threshold or the number of samples is wrong."""
    least = float(parameters["least"])
    if not (least >= 1 and least == int(least)):
        return f"least {least:g}; expected a whole number of samples, 1 or more"
    return _decisions.refuse(parameters)


def applies(shape: Sequence[int], *, of: str, threshold: float, least: float) -> str | None:
    """Return None where a sample holds several decisions, else the reason: a single decision has no region."""
    return several_decisions(shape, of)


def tally(shape: Sequence[int], *, of: str, threshold: float, least: float) -> LeastOverlap:
    """Return the tally of regions; its value is that of the class whose interval has the lowest upper end, NaN where a sample holds a NaN.

    Only classes count that `least` samples of the reference hold; without any, nothing can be said, and the value is 1. The interval is the
    bootstrap's over samples, at the level 1 - (1 - confidence) / classes (Bonferroni).
    """
    return LeastOverlap(of, threshold, int(least))


class LeastOverlap:
    """The regions so far."""

    def __init__(self, of: str, threshold: float, least: int) -> None:
        self._overlaps = Overlaps(of, threshold)
        self._least = least

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples."""
        self._overlaps.add(start, reference, candidate)

    def value(self) -> float:
        """Return the intersection over union of the class that decides."""
        if self._overlaps.is_broken or not self._overlaps.samples:
            return math.nan
        deciding = self._deciding()
        return 1.0 if deciding is None else self._overlaps.share(deciding)

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the lowest lower end and the lowest upper end of all classes."""
        found = self._ends(confidence).values()
        return (min(low for low, _ in found), min(high for _, high in found)) if found else None

    def behind(self, own: Tally, unless: float) -> Lag:  # noqa: ARG002 (as every tally has it)
        """Return the largest loss of overlap of a class against own's, among classes that `least` samples hold; a mean would hide one of many."""
        if not isinstance(own, LeastOverlap) or self._overlaps.is_broken or own._overlaps.is_broken:  # noqa: SLF001 - a field of its own class
            return Lag(math.nan, "")
        shares = {
            value: (self._overlaps.share(value), own.share(value)) for value in self._overlaps.classes(self._least)
        }
        if not shares:
            return Lag(0.0, self.detail)
        value = max(shares, key=lambda each: shares[each][1] - shares[each][0])
        ours, theirs = shares[value]
        said = (
            f"class {value:g}, in {self._overlaps.holding[value]} samples: {ours:.3g}, the toolkit's own {theirs:.3g}"
        )
        return Lag(max(0.0, theirs - ours), said)

    def share(self, value: float) -> float:
        """Return the intersection over union of a class."""
        return self._overlaps.share(value)

    @property
    def worst_sample(self) -> int | None:
        """The sample in which that class overlaps least."""
        deciding = self._deciding()
        return None if deciding is None else self._overlaps.worst_sample(deciding)

    @property
    def detail(self) -> str:
        """Which class it is, and how many samples hold it."""
        deciding = self._deciding()
        if deciding is None:
            return f"no class is in {self._least} samples or more"
        return f"class {deciding:g}, in {self._overlaps.holding[deciding]} samples"

    def _deciding(self) -> float | None:
        found = self._ends(0.95)
        if found:
            return min(found, key=lambda value: (found[value][1], found[value][0]))
        return min(self._overlaps.classes(self._least), key=self._overlaps.share, default=None)

    def _ends(self, confidence: float) -> Mapping[float, tuple[float, float]]:
        classes = self._overlaps.classes(self._least)
        if not classes or not self._overlaps.can_be_resampled:
            return {}
        level = 1 - (1 - confidence) / len(classes)
        drawn = self._overlaps.resampled(classes)
        return {value: ends(drawn[:, index], self._overlaps.share(value), level) for index, value in enumerate(classes)}
