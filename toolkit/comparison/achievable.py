"""Compares a value with the value of the toolkit's own artifact, made from the same original with the same scheme."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from toolkit.comparison.comparison import Comparison
from toolkit.comparison.metrics import Behind, Lag
from toolkit.comparison.paired_difference import exact_p

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound
    from toolkit.comparison.measured import Measurement

UNIT = "achievable"


def compared(measurement: Measurement, own: Measurement, bound: Bound) -> Comparison:
    """Return how far a value is behind own, against the bound's limit.

    For dB the distance is the number of dB below own. Where lower is better it is the ratio of both. For a rate it is the p-value of McNemar's exact
    one-sided test that fewer samples agree. For other values it is the difference. A value as good as the bound's `unless` has the distance 0.
    """
    lag = _behind(measurement, own, bound)
    return Comparison(
        stage=bound.stage,
        output=measurement.output,
        metric=bound.metric,
        value=lag.value,
        limit=bound.limit,
        unit=bound.unit,
        better="higher" if measurement.is_rate else "lower",
        because=bound.because,
        samples=measurement.samples,
        worst_sample=measurement.worst_sample,
        detail=lag.where,
        weak=too_few(bound, measurement.samples) or lag.weak,
    )


def too_few(bound: Bound, samples: int) -> str:
    """Return the sentence that these are too few samples for the bound to fail, or "" where they are enough."""
    if samples >= bound.least_samples:
        return ""
    return f"{samples} samples; it can fail from {bound.least_samples} on"


def _behind(measurement: Measurement, own: Measurement, bound: Bound) -> Lag:
    metric_unit = next(iter(measurement.values))
    ours, theirs = own.values[metric_unit], measurement.values[metric_unit]
    shown = f"{theirs:.4g} {metric_unit}, the toolkit's own {ours:.4g}"
    if measurement.hits is not None and own.hits is not None:
        better, worse = (own.hits, measurement.hits) if measurement.better == "higher" else (measurement.hits, own.hits)
        lost, won = int((better & ~worse).sum()), int((worse & ~better).sum())
        return Lag(exact_p(lost, won) / 2 if lost > won else 1.0, f"{shown}: {lost} samples lost against it, {won} won")
    if bound.unless is not None and _as_good(measurement.values[bound.unless_unit], bound.unless, measurement.better):
        return Lag(0.0, shown)
    if bound.unless is not None and hasattr(measurement.whole, "behind") and own.whole is not None:
        lag = cast(Behind, measurement.whole).behind(own.whole, bound.unless)
        return lag._replace(where=lag.where or shown)
    if measurement.better == "higher":
        return Lag(0.0 if ours == theirs else ours - theirs, shown)  # also 0 where both are infinite
    if ours > 0:
        return Lag(theirs / ours, shown)
    return Lag(1.0 if theirs == 0 else math.inf if theirs > 0 else math.nan, shown)


def _as_good(value: float, unless: float, better: str) -> bool:
    return value >= unless if better == "higher" else value <= unless
