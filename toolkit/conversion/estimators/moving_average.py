"""The extremes of each sample, averaged with exponentially falling weights: one outlier moves the range a little.

Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference (CVPR 2018, arXiv:1712.05877), section 3.1,
where it is taken over training steps with a weight near 1. A calibration set is shorter, so the weight is smaller. It depends on the set's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.wire.statistics import Statistics

NEEDS = "extremes"


@dataclass(frozen=True)
class Parameters:
    """`momentum`: the weight of all previous samples, in [0, 1); the average begins with the first sample."""

    momentum: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum {self.momentum:g} is not at least 0 and less than 1")


def estimate(statistics: Statistics, parameters: Parameters) -> dict[str, tuple[float, float]]:
    """Return the averages of minimum and maximum over the samples, in the order of the set."""
    average = statistics.extremes[0].copy()
    for sample in statistics.extremes[1:]:
        average += (1 - parameters.momentum) * (sample - average)
    return {name: (float(low), float(high)) for name, (low, high) in zip(statistics.names, average, strict=True)}
