"""Limits in multiples of a network's own noise, beside an absolute limit: the larger one is in force."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolkit.comparison.measured import Measured, Measurement

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound

UNIT = "noise"
NUDGED, KERNELS = (
    "last bit",
    "kernels",
)  # kinds of noise that come from the float artifact, not from the original in its own engine


def in_force(measured: Measured, bound: Bound, output: str, noise: Mapping[str, float]) -> Bound:
    """Return the bound, or the absolute one of its `unless` if that allows more or no noise was measured; other units: the bound itself.

    The error is then reported in the unit that decides, and a network with hardly any noise has the absolute limit.
    """
    if bound.unit != UNIT or bound.unless is None or (output, bound.metric) in measured.inapplicable:
        return bound
    measurement = measured.measurement(output, bound.metric)
    absolute = bound.model_copy(update={"unit": bound.unless_unit, "limit": bound.unless})
    if bound.unless_unit not in measurement.values:
        return bound
    if output not in noise:
        return absolute
    of_noise = in_multiples(measurement, noise) * bound.unless
    return bound if of_noise < measurement.values[bound.unless_unit] * bound.limit else absolute


def in_multiples(measurement: Measurement, noise: Mapping[str, float]) -> float:
    """Return a difference as a multiple of the output's own noise; for an output without noise, 0 for no difference and infinity for any.

    Noise that is not finite is treated as no noise: every artifact would be within infinite noise.
    """
    real, own = measurement.values["real"], noise[measurement.output]
    if 0 < own < math.inf:
        return real / own
    return 0.0 if real == 0 else math.inf
