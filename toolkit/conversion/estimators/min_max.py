"""The whole observed range: nothing is clipped, and one outlier widens every step.

Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference (CVPR 2018, arXiv:1712.05877), section 3;
TensorFlow's converter does this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.wire.statistics import Statistics

NEEDS = "extremes"


@dataclass(frozen=True)
class Parameters:
    """None."""


def estimate(statistics: Statistics, parameters: Parameters) -> dict[str, tuple[float, float]]:
    """Return (minimum, maximum) over all samples."""
    low, high = statistics.extremes[:, :, 0].min(axis=0), statistics.extremes[:, :, 1].max(axis=0)
    return dict(zip(statistics.names, zip(low.tolist(), high.tolist(), strict=True), strict=True))
