"""How far two runs are apart, as one number: the original's own noise, that of a stage, and that of a failed comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from toolkit.comparison import compare
from toolkit.comparison.compare import Comparison, Measured
from toolkit.comparison.measured import Number


def own_noise(noise: Mapping[str, Mapping[str, Number]]) -> dict[str, float]:
    """Return the largest noise of each output of the original over all measured kinds, in real units; NaN if one is not finite."""
    outputs = {output for values in noise.values() for output in values}
    return {output: _most([float(kind[output]) for kind in noise.values() if output in kind]) for output in outputs}


def _most(values: Sequence[float]) -> float:
    return max(values) if all(map(math.isfinite, values)) else math.nan


def noise_share(measured: Measured) -> float:
    """Return how far the outputs moved: the largest ratio of noise power to signal power of any output; infinity if unknown.

    For outputs of whole numbers, the share of values that differ is used. Constant outputs do not count.
    """
    worst = max((seen.unequal for seen in measured.seen.values() if seen.whole_numbers), default=0.0)
    for measurement in measured.measurements:
        if measurement.metric == "sqnr_db" and measured.seen[measurement.output].reference_varies:
            value = measurement.values["db"]
            worst = math.inf if math.isnan(value) else max(worst, 10 ** (-value / 10))
    return math.inf if measured.mismatches else worst


def off_by(measured: Measured, failed: Comparison) -> float:
    """Return how far two runs are apart by the metric of a failed comparison. Larger is worse; infinity for NaN and unmatched outputs."""
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
    """Return a noise-to-signal power ratio as a signal-to-noise ratio in dB: None for no noise, -inf for an infinite ratio."""
    if noise == 0:
        return None
    return -10 * math.log10(noise) if math.isfinite(noise) else -math.inf
