"""How far runs are apart, as one number: the noise of the original itself, of a stage, and of what failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from toolkit.comparison import compare
from toolkit.comparison.compare import Comparison, Measured
from toolkit.comparison.measured import Number


def own_noise(noise: Mapping[str, Mapping[str, Number]]) -> dict[str, float]:
    """Return the most that each output of the original differs by itself, of all the kinds that were measured, in real units.

    NaN where one of them is no finite number: there is no most of those.
    """
    outputs = {output for values in noise.values() for output in values}
    return {output: _most([float(kind[output]) for kind in noise.values() if output in kind]) for output in outputs}


def _most(values: Sequence[float]) -> float:
    return max(values) if all(map(math.isfinite, values)) else math.nan


def noise_share(measured: Measured) -> float:
    """Return how far outputs were moved: the largest ratio of noise to signal of any, as a power; what cannot be told is the most (infinity).

    Of whole numbers it is the share that is another; a constant output has no part in it.
    """
    worst = max((seen.unequal for seen in measured.seen.values() if seen.whole_numbers), default=0.0)
    for measurement in measured.measurements:
        if measurement.metric == "sqnr_db" and measured.seen[measurement.output].reference_varies:
            value = measurement.values["db"]
            worst = math.inf if math.isnan(value) else max(worst, 10 ** (-value / 10))
    return math.inf if measured.mismatches else worst


def off_by(measured: Measured, failed: Comparison) -> float:
    """Return how far two runs are apart by what a failed comparison is of, more for worse; infinity for NaN and for what cannot be compared."""
    if failed.output in measured.mismatches:
        return math.inf
    if failed.metric == compare.STRUCTURE:
        return -math.inf
    if failed.metric in compare.NO_METRICS:
        seen = measured.seen[failed.output]
        return -seen.distinct[1] if seen.reference_varies else seen.largest_error
    found = measured.measurement(failed.output, failed.metric)
    value = next(iter(found.values.values()))
    return math.inf if math.isnan(value) else value if found.better == "lower" else -value


def decibels(noise: float) -> float | None:
    """Return a noise-to-signal ratio, a power, in dB of signal to noise: None for no noise, -inf for nothing but noise."""
    if noise == 0:
        return None
    return -10 * math.log10(noise) if math.isfinite(noise) else -math.inf
