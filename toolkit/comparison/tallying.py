"""One metric of one output, block by block: for each sample, for the whole set, as a rate, or by the metric's own tally."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from toolkit.comparison.bootstrap import Groups
from toolkit.comparison.metrics import Better, Metric, Pooled, Real, Tally, Whole


class BySample:
    """A metric that gives a number, or terms of a sum, for each sample."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.worst_sample: int | None = None
        self._worst = math.nan
        self._sum: Real | None = None
        self._groups = Groups()
        self._hits: list[np.ndarray] = []

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples; `start` is the index of the first."""
        values = self.metric.measure(reference, candidate)
        if self.metric.OVER != "sample":
            total = values.sum(axis=0)
            self._sum = total if self._sum is None else self._sum + total
        if self.metric.OVER == "rate":
            self._hits.append(values == 1)
        if self.metric.OVER == "set":
            self._groups.add(values)
            values = cast(Pooled, self.metric).finish(values)
        # argmax and argmin both stop at the first NaN, which is the worst sample.
        row = int(values.argmax() if self.metric.BETTER == "lower" else values.argmin())
        worst = float(values[row])
        if self.worst_sample is None or _is_worse(worst, self._worst, self.metric.BETTER):
            self.worst_sample, self._worst = start + row, worst
        if self.metric.OVER == "rate" and self._worst == _best(self.metric):
            self.worst_sample = None

    @property
    def groups(self) -> Real | None:
        """The sums of terms of groups of samples, for a metric of the whole set; else None."""
        return self._groups.sums if self.metric.OVER == "set" else None

    @property
    def hits(self) -> np.ndarray | None:
        """Whether each sample is a hit, bool (n,), for a rate; else None."""
        return np.concatenate(self._hits) if self._hits else None

    @property
    def whole(self) -> Tally | None:
        """None: such a metric has no tally of its own."""
        return None

    def value(self, samples: int) -> float:
        """Return the metric's value over all samples, in its own unit."""
        if self.metric.OVER == "sample":
            return self._worst
        if self._sum is None:
            return math.nan
        if self.metric.OVER == "set":
            return float(cast(Pooled, self.metric).finish(self._sum))
        return float(self._sum) / samples


class OfWhole:
    """A metric that sees all samples together."""

    groups: Real | None = None
    hits: np.ndarray | None = None

    def __init__(self, metric: Whole, shape: Sequence[int], parts: Sequence[int]) -> None:
        self.metric: Metric = metric
        takes_parts = bool(parts) and getattr(metric, "PARTS", False)
        self.whole: Tally = metric.tally(shape, parts=parts) if takes_parts else metric.tally(shape)

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples; `start` is the index of the first."""
        self.whole.add(start, reference, candidate)

    @property
    def worst_sample(self) -> int | None:
        """The sample that contributes most to the value."""
        return self.whole.worst_sample

    def value(self, samples: int) -> float:  # noqa: ARG002 (as BySample has it)
        """Return the metric's value over all samples, in its own unit."""
        return self.whole.value()


def tally_of(metric: Metric, shape: Sequence[int], parts: Sequence[int]) -> BySample | OfWhole:
    """Return what adds up samples of a shape for a metric; `parts` are the sizes of what was joined along the last axis, if anything was."""
    return OfWhole(cast(Whole, metric), shape, parts) if metric.OVER == "whole" else BySample(metric)


def _is_worse(value: float, worst: float, better: Better) -> bool:
    if math.isnan(worst):
        return False
    return not (value <= worst if better == "lower" else value >= worst)


def _best(metric: Metric) -> float:
    return metric.RANGE[0 if metric.BETTER == "lower" else 1]
