"""The extremes of each sample, averaged with exponentially falling weights: one outlier moves the range a little.

Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference (CVPR 2018, arXiv:1712.05877), section 3.1,
where it is taken over training steps with a weight near 1; a calibration set is shorter, so the weight is less. It depends on the order of the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.wire.statistics import Statistics

NEEDS = "extremes"


@dataclass(frozen=True)
class Parameters:
    """`momentum`: the weight of all samples before, in [0, 1); the first sample begins."""

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
