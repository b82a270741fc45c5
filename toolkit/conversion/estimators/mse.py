"""The range with the smallest mean squared error of its integers: some values are clipped so that the others get finer steps.

Nagel et al., A White Paper on Neural Network Quantization (2021, arXiv:2106.08295), section 3.1, equation 12, by search over a grid of ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from toolkit.wire.statistics import Statistics

NEEDS = "histogram"
_AT_ONCE = 16  # ranges, so that their data stay in a processor's cache


@dataclass(frozen=True)
class Parameters:
    """`bits` of the integers, 2 to 16; `steps`: the number of ranges tried for each end, 2 to 1000, from 1/steps of its extreme to the whole."""

    bits: float = 8
    steps: float = 100

    def __post_init__(self) -> None:
        if not (2 <= self.bits <= 16 and self.bits == int(self.bits)):
            raise ValueError(f"bits {self.bits:g} is not a whole number from 2 to 16")
        if not (2 <= self.steps <= 1000 and self.steps == int(self.steps)):
            raise ValueError(f"steps {self.steps:g} is not a whole number from 2 to 1000")


def estimate(statistics: Statistics, parameters: Parameters) -> dict[str, tuple[float, float]]:
    """Return the range of least squared error for each tensor; each value of a bin counts as the middle of the bin.

    First both ends move together, then each separately. An end on the other side of zero stays at its extreme.
    """
    levels = 2 ** int(parameters.bits) - 1
    shares = np.arange(1, int(parameters.steps) + 1) / parameters.steps
    assert statistics.counts is not None  # as NEEDS says
    assert statistics.widths is not None
    lows, highs = statistics.extremes[:, :, 0].min(axis=0), statistics.extremes[:, :, 1].max(axis=0)
    middles = statistics.edges[:-1] + 0.5
    found = {}
    for tensor, name in enumerate(statistics.names):
        counts = statistics.counts[tensor]
        held = np.flatnonzero(counts)
        weighed = middles[held] * statistics.widths[tensor], counts[held].astype(np.float64)
        low, high = float(lows[tensor]), float(highs[tensor])
        below, above = _searched(weighed, shares, min(low, 0.0), max(high, 0.0), levels)
        found[name] = (below if low < 0 else low, above if high > 0 else high)
    return found


def _searched(
    weighed: tuple[np.ndarray, np.ndarray], shares: np.ndarray, low: float, high: float, levels: int
) -> tuple[float, float]:
    """Return the best range within [low, high], which holds 0."""
    if low == high:
        return low, high
    best = shares[errors(*weighed, low * shares, high * shares, levels).argmin()]
    below, above = low * best, high * best
    if low < 0 < high:
        above = high * shares[errors(*weighed, np.full_like(shares, below), high * shares, levels).argmin()]
        below = low * shares[errors(*weighed, low * shares, np.full_like(shares, above), levels).argmin()]
    return float(below), float(above)


def errors(values: np.ndarray, weights: np.ndarray, lows: np.ndarray, highs: np.ndarray, levels: int) -> np.ndarray:
    """Return the weighted squared error of quantizing the values (n,) to each range (k,): (k,); 0 is a level of each range."""
    steps = (highs - lows) / levels
    least = -np.rint(-lows / steps)
    found = np.empty(len(steps))
    for start in range(0, len(steps), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        exact = np.multiply.outer(1 / steps[part], values)
        off = np.rint(exact)
        np.maximum(off, least[part, np.newaxis], out=off)
        np.minimum(off, least[part, np.newaxis] + levels, out=off)
        off -= exact
        found[part] = np.square(off, out=off) @ weights
    return found * steps**2
