"""The converter's own calibration, for comparison: minima and maxima that its own kernels observe; it takes ten times as long."""

from __future__ import annotations

from dataclasses import dataclass

NEEDS = "converter"


@dataclass(frozen=True)
class Parameters:
    """None."""
