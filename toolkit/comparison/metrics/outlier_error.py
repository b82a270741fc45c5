"""Largest absolute difference of a sample that stands out from all others: max |c - r|, and 0 where no sample stands out.

One answer that is wrong among many moves no ratio of powers. An error by itself is no such answer, for steep functions have large errors everywhere:
it stands out where it is many times what nearly all samples have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.comparison.metrics import Better, Lag, Real, Tally, rows

BETTER: Better = "lower"
ALWAYS = False
OVER = "whole"
UNITS = ("real", "range", "lsb")
RANGE = (0.0, np.inf)
CENTRED = False
WHOLE_NUMBERS = False
# How many times the error that a share of the samples (the quantile) does not exceed.
PARAMETERS = {"times": None, "quantile": None}


def refuse(parameters: Mapping[str, float]) -> str | None:
    """Return None for 1 times and more of a share between 0 and 1, else the reason."""
    if not 1 <= parameters["times"] < math.inf:
        return f"times {parameters['times']:g}; expected 1 or more"
    return (
        None
        if 0 < parameters["quantile"] < 1
        else f"quantile {parameters['quantile']:g}; expected a share between 0 and 1"
    )


def applies(shape: Sequence[int], *, times: float, quantile: float) -> str | None:
    """Return None: any output has a largest difference."""
    return None


def tally(shape: Sequence[int], *, times: float, quantile: float) -> Outlier:
    """Return what keeps the largest error of each sample, eight bytes; NaN where a sample holds one. There is no interval: it is an extreme."""
    return Outlier(times, quantile)


class Outlier:
    """The largest error of each sample so far."""

    def __init__(self, times: float, quantile: float) -> None:
        self._times, self._quantile = times, quantile
        self._blocks: list[Real] = []

    def add(self, start: int, reference: Real, candidate: Real) -> None:  # noqa: ARG002 (as every tally has it)
        """Take the next samples."""
        with np.errstate(invalid="ignore"):
            self._blocks.append(np.abs(rows(candidate) - rows(reference)).max(axis=1))

    def value(self) -> float:
        """Return the largest error, real units, where it stands out; else 0."""
        errors = self.errors
        if not len(errors) or np.isnan(errors).any():
            return math.nan
        largest = float(errors.max())
        return largest if largest > self._times * self._usual else 0.0

    def interval(self, confidence: float) -> None:
        """Return None: see `tally`."""

    @property
    def worst_sample(self) -> int | None:
        """The sample with the largest error, which is what argmax stops at too where one is NaN; None where none has any."""
        errors = self.errors
        return None if not len(errors) or errors.max() == 0 else int(errors.argmax())

    @property
    def detail(self) -> str:
        """How large the error of nearly all samples is."""
        return f"{self._quantile:.0%} of the samples have {self._usual:.3g} or less" if self.value() > 0 else ""

    def behind(self, own: Tally, unless: float) -> Lag:  # noqa: ARG002 (as every tally has it)
        """Return how many times own's largest error this one is; `unless` was asked before."""
        if not isinstance(own, Outlier):
            return Lag(math.nan, "")
        ours, theirs = float(self.errors.max()), float(own.errors.max())
        said = f"{ours:.3g} in one sample, {self._usual:.3g} in nearly all; the toolkit's own {theirs:.3g} at most"
        return Lag((ours / theirs if theirs > 0 else math.inf if ours > 0 else 1.0), said)

    @property
    def _usual(self) -> float:
        return float(
            np.quantile(self.errors, self._quantile, method="inverted_cdf")
        )  # one that was seen: no mean of infinities

    @property
    def errors(self) -> Real:
        """Those of the samples so far, (n,)."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0)
