"""Random-looking samples: neighbouring values are unrelated, as in `numpy.random.rand(1, 224, 224, 3)`.

White noise has an autocorrelation of zero at every lag except zero, so its spectrum is flat (Wiener-Khinchin). Photographs have 0.8 to 0.99 at lag
one, as their power falls with frequency (D. L. Ruderman, "The statistics of natural images", 1994). Tables and embeddings look random although they
are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding, Severity
from toolkit.samples.lints import Input, Judged, Real, Side, Values

LOOKS_AT = "input"
CODES = ("random-looking",)
_LAGS = (1, 2)
_SHORTEST = 8  # an axis of fewer values has too few neighbours
_WINDOW = 64  # values along each axis, from its middle: enough for a decision


@dataclass(frozen=True)
class Limits:
    """`noise`: the largest autocorrelation of white noise. `structure`: the smallest of a set that certainly is not noise."""

    noise: float
    structure: float


def _axes(one: Input) -> list[int]:
    return [axis for axis, size in enumerate(one.shape) if size >= _SHORTEST and axis != one.channels_axis]


def applies(one: Input) -> str | None:
    """Return why samples without an axis of neighbours cannot be distinguished from noise; None for other inputs."""
    return (
        None
        if _axes(one)
        else f"no axis has {_SHORTEST} or more values, along which neighbours could resemble each other"
    )


def measure(values: Values, one: Input) -> Real:
    """Return the autocorrelation along each axis at each lag, in [-1, 1]; NaN where a sample does not vary."""
    axes = _axes(one)
    window = values[tuple(_middle(size) if axis in axes else slice(None) for axis, size in enumerate(values.shape))]
    centred = window.astype(np.float64)
    centred -= centred.mean(axis=tuple(axes), keepdims=True)
    power = np.square(centred).mean()
    if power == 0:
        return np.full(len(axes) * len(_LAGS), np.nan)
    found = []
    for axis in axes:
        along = np.moveaxis(centred, axis, 0)
        found += [(along[lag:] * along[:-lag]).mean() / power for lag in _LAGS]
    return np.array(found)


def _middle(size: int) -> slice:
    start = max(0, (size - _WINDOW) // 2)
    return slice(start, start + _WINDOW)


def _strongest(side: Side) -> float:
    """Return the largest autocorrelation over axes and lags, taken over all samples; NaN if no sample varies."""
    told = side.rows[~np.isnan(side.rows).any(axis=1)]
    return float(np.abs(told.mean(axis=0)).max()) if len(told) else float("nan")


def judge(one: Input, calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return an error where calibration is noise and verification is not, and a warning for images that are noise in both."""
    ours, theirs = _strongest(calibration), _strongest(verification)
    if not ours <= limits.noise:
        return []
    contradicted = theirs >= limits.structure
    if not contradicted and one.channels_axis is None:
        return (
            "neighbouring values of both sets have nothing to do with each other, as is usual for tables and embeddings"
        )
    message = f"samples look like white noise: neighbouring values correlate by {ours:.3f}, those of the verification set by {theirs:.3f}"
    fix = "calibrate with real samples: random ones have the ranges of no application"
    severity: Severity = "error" if contradicted else "warning"
    facts = {"correlation": ours, "verification_correlation": theirs}
    return [Finding("random-looking", severity, message, fix, facts=facts)]
