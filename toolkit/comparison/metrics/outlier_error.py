"""Largest absolute difference of a sample that stands out from all others: max |c - r|, and 0 where no sample stands out.

A single wrong answer among many changes no ratio of powers. A large error alone does not show a wrong answer, because steep functions have large
errors everywhere. A sample stands out where its error is many times that of nearly all samples.
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
# How many times the error that a share (`quantile`) of the samples does not exceed.
PARAMETERS = {"times": None, "quantile": None}


def refuse(parameters: Mapping[str, float]) -> str | None:
    """Return None for `times` of at least 1 and a quantile between 0 and 1, else the reason."""
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
    """Return a tally of the largest error of each sample, eight bytes each; NaN where a sample holds one. An extreme has no interval."""
    return Outlier(times, quantile)


class Outlier:
    """The largest error of each sample so far."""

    def __init__(self, times: float, quantile: float) -> None:
        self._times, self._quantile = times, quantile
        self._blocks: list[Real] = []

    def add(self, start: int, reference: Real, candidate: Real) -> None:  # noqa: ARG002 (as every tally has it)
        """Add the next samples."""
        with np.errstate(invalid="ignore"):
            self._blocks.append(np.abs(rows(candidate) - rows(reference)).max(axis=1))

    def value(self) -> float:
        """Return the largest error in real units if it stands out, else 0."""
        errors = self.errors
        if not len(errors) or np.isnan(errors).any():
            return math.nan
        largest = float(errors.max())
        return largest if largest > self._times * self._usual else 0.0

    def interval(self, confidence: float) -> None:
        """Return None: see `tally`."""

    @property
    def worst_sample(self) -> int | None:
        """The sample with the largest error, or the first with a NaN (argmax stops there too); None where no sample has an error."""
        errors = self.errors
        return None if not len(errors) or errors.max() == 0 else int(errors.argmax())

    @property
    def detail(self) -> str:
        """The error that nearly all samples do not exceed."""
        return f"{self._quantile:.0%} of the samples have {self._usual:.3g} or less" if self.value() > 0 else ""

    def behind(self, own: Tally, unless: float) -> Lag:  # noqa: ARG002 (as every tally has it)
        """Return the largest error as a multiple of own's; the caller has already checked `unless`."""
        if not isinstance(own, Outlier):
            return Lag(math.nan, "")
        ours, theirs = float(self.errors.max()), float(own.errors.max())
        said = f"{ours:.3g} in one sample, {self._usual:.3g} in nearly all; the toolkit's own {theirs:.3g} at most"
        return Lag((ours / theirs if theirs > 0 else math.inf if ours > 0 else 1.0), said)

    @property
    def _usual(self) -> float:
        return float(
            np.quantile(self.errors, self._quantile, method="inverted_cdf")
        )  # an observed error, as a mean of infinities is none

    @property
    def errors(self) -> Real:
        """The largest errors of the samples so far, (n,)."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0)
