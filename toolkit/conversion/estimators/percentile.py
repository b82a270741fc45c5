"""The range that holds a share of the values, with the rest cut off in equal parts at both ends.

Wu et al., Integer Quantization for Deep Learning Inference: Principles and Empirical Evaluation (2020, arXiv:2004.09602), section 5, for
absolute values; ranges here may be asymmetric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from toolkit.wire.statistics import Statistics

NEEDS = "histogram"


@dataclass(frozen=True)
class Parameters:
    """`percentile`: the share of values within the range, in percent, above 50."""

    percentile: float = 99.99

    def __post_init__(self) -> None:
        if not 50 < self.percentile <= 100:
            raise ValueError(f"percentile {self.percentile:g} is not above 50 and at most 100")


def estimate(statistics: Statistics, parameters: Parameters) -> dict[str, tuple[float, float]]:
    """Return the two quantiles of each tensor's histogram, with values spread evenly in a bin; never wider than the observed range."""
    tail = (100 - parameters.percentile) / 200
    assert statistics.counts is not None  # as NEEDS says
    assert statistics.widths is not None
    lows, highs = statistics.extremes[:, :, 0].min(axis=0), statistics.extremes[:, :, 1].max(axis=0)
    found = {}
    for tensor, name in enumerate(statistics.names):
        counts, edges = statistics.counts[tensor], statistics.edges * statistics.widths[tensor]
        below, above = _quantile(counts, edges, tail), -_quantile(counts[::-1], -edges[::-1], tail)
        found[name] = (
            float(np.clip(below, lows[tensor], highs[tensor])),
            float(np.clip(above, lows[tensor], highs[tensor])),
        )
    return found


def _quantile(counts: np.ndarray, edges: np.ndarray, share: float) -> float:
    """Return the quantile: this share of the counted values is below it. If it falls into an empty stretch, it is the upper end of that."""
    reached = np.cumsum(counts)
    wanted = share * reached[-1]
    bin_ = min(int(np.searchsorted(reached, wanted, side="right")), len(counts) - 1)
    part = (wanted - (reached[bin_] - counts[bin_])) / counts[bin_] if counts[bin_] else 0.0
    return float(edges[bin_] + part * (edges[bin_ + 1] - edges[bin_]))
