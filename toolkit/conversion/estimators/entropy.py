"""The threshold that loses the least information of the absolute values by clipping and quantizing (Kullback-Leibler divergence).

Migacz, 8-bit Inference with TensorRT (GTC 2017), slides 26 to 38: values beyond the threshold count in its last bin. The bins before it are
joined into one bin for each level, and spread again over the bins that were not empty. The threshold is (bins kept + 1/2) widths.
Three rules come from NVIDIA's own code (TensorRT, pytorch_quantization/calib/histogram.py): the first bin, which holds the zeros of a ReLU, gets the
count of the second; a tensor of one sign has twice as many levels; of thresholds with equal loss the largest is taken.

The slides try every threshold whose number of bins is at least that of the levels. With equal numbers no bins are joined, so only clipping counts,
and it counts little if the histogram is spiky or sparse: a tensor of few distinct values shrinks to one bin, which loses nothing. So the search
begins at 0.7 of the largest absolute value, as in PaddlePaddle (contrib/slim/quantization/post_training_quantization.py, `_get_kl_scaling_factor`)
and, for one sign, in Intel's Neural Compressor (`KL_Divergence.get_threshold`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from toolkit.wire.statistics import Statistics

NEEDS = "histogram"
_BETWEEN = 4  # bins between two tried thresholds; the source tries each
_AT_ONCE = 64  # thresholds, so that their data stay in a processor's cache


@dataclass(frozen=True)
class Parameters:
    """`levels` of absolute values, 2 to 512; 128 in the source, for int8. `start`: the least threshold, as a share of the maximum; slides: 0."""

    levels: float = 128
    start: float = 0.7

    def __post_init__(self) -> None:
        if not (2 <= self.levels <= 512 and self.levels == int(self.levels)):
            raise ValueError(f"levels {self.levels:g} is not a whole number from 2 to 512")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start {self.start:g} is not from 0 to 1")


def estimate(statistics: Statistics, parameters: Parameters) -> dict[str, tuple[float, float]]:
    """Return the range within the threshold on both sides of zero, never wider than the observed range."""
    assert statistics.counts is not None  # as NEEDS says
    assert statistics.widths is not None
    lows, highs = statistics.extremes[:, :, 0].min(axis=0), statistics.extremes[:, :, 1].max(axis=0)
    half = statistics.counts.shape[1] // 2
    found = {}
    for tensor, name in enumerate(statistics.names):
        low, high = lows[tensor], highs[tensor]
        absolute = statistics.counts[tensor, half:] + statistics.counts[tensor, :half][::-1]
        levels = int(parameters.levels) * (1 if low < 0 < high else 2)
        # All values need this number of bins; the counted values are a part of them and may need fewer.
        reached = int(max(-low, high) / statistics.widths[tensor]) + 1
        kept = _kept(np.append(absolute[1], absolute[1:reached]), levels, int(parameters.start * reached))
        threshold = kept * statistics.widths[tensor]
        below, above = max(low, -threshold) if low < 0 else low, min(high, threshold) if high > 0 else high
        found[name] = (float(below), float(above))
    return found


def _kept(counts: np.ndarray, levels: int, first: int) -> float:
    """Return the threshold in widths, at least `first`; all bins are kept if the number of non-empty bins is at most that of the levels."""
    if not counts[levels:].any():
        return len(counts)
    tried = np.array([*range(max(first, levels), len(counts), _BETWEEN), len(counts)])
    lost = divergences(counts, tried, levels).round(12)  # losses that differ only by rounding must be equal
    return float(tried[np.flatnonzero(lost == lost.min())[-1]]) + 0.5


def divergences(counts: np.ndarray, kept: np.ndarray, levels: int) -> np.ndarray:
    """Return for each number of `kept` bins (k,) the divergence in nats: float64 (k,), infinite where outliers fall into an empty bin.

    With p the counts of the first bins, outliers in the last of them, n their sum, and q the spread ones, m their sum, it is
    sum(p log p) / n - log n - sum(p log q) / n + log m, where sums over bins are differences of cumulated ones.
    """
    reached = np.cumsum(counts)
    inside, last = reached[kept - 1], counts[kept - 1]
    outliers = reached[-1] - inside
    own = np.concatenate([[0.0], np.cumsum(_plogp(counts))])[kept] - _plogp(last) + _plogp(last + outliers)
    totals, members = (np.append(0.0, np.cumsum(each)) for each in (counts, counts > 0))
    cross = np.empty(len(kept))
    for start in range(0, len(kept), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        edges = -(
            np.multiply.outer(kept[part], -np.arange(levels + 1)) // levels
        )  # bin j is in group j * levels // kept
        group, filled = np.diff(totals[edges]), np.diff(members[edges])
        logs = np.log(np.maximum(group, 1) / np.maximum(filled, 1))
        cross[part] = (group * logs).sum(axis=1) + outliers[part] * logs[:, -1]
    found = (own - cross) / reached[-1] + np.log(np.maximum(inside, 1) / reached[-1])
    found[(last == 0) & (outliers > 0)] = np.inf
    return found


def _plogp(counts: np.ndarray) -> np.ndarray:
    return counts * np.log(np.maximum(counts, 1))
