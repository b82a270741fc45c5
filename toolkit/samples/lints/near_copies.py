"""Near copies: samples that are the same picture or recording, scaled, recompressed or jittered. The draw leaves out exact copies.

The check compares thumbnails, box averages that noise and recompression hardly change. The unit of their distance is the distance between two
unrelated samples (the median over such pairs), or the distance of both from the middle of the set if that is smaller: quiet recordings are close to
each other without being copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from toolkit.findings import Finding, Severity
from toolkit.samples.lints import Input, Judged, Real, Side, Values
from toolkit.samples.lints._thumbnails import thumbnail

LOOKS_AT = "input"
CODES = ("near-duplicate-samples", "leaked-samples")
_FEWEST_VALUES = 64  # with fewer numbers, two samples may be close by chance
_FEWEST_PAIRS = 8
_BLOCK = 256


class Near(NamedTuple):
    """The nearest sample: the square of its distance, and its index."""

    squared: float
    place: int


@dataclass(frozen=True)
class Limits:
    """`distance`: a sample within it is a near copy. `share`: of calibration that may be copies. `leaked`: of verification; more stop the build."""

    distance: float
    share: float
    leaked: float


def applies(one: Input) -> str | None:
    """Return why the check cannot judge samples of a few numbers, or of whole numbers that count something; None for other inputs."""
    if one.sequences:
        return "samples of a sequence follow one another, and resemble each other"
    if one.size < _FEWEST_VALUES:
        return f"a sample has {one.size} values: of fewer than {_FEWEST_VALUES}, two that are close are no copies"
    return (
        None
        if one.dtype.startswith("float") or one.channels_axis is not None
        else "whole numbers may be names of things"
    )


def measure(values: Values, one: Input) -> Real:
    """Return the thumbnail, up to 256 values for an image or a signal: the mean of the channels, averaged in boxes."""
    return thumbnail(values, one)


def judge(one: Input, calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return warnings for near copies within calibration, and for copies of it in verification; an error if these are most of verification."""
    centre = np.median(calibration.rows, axis=0)  # a few loud samples would move the mean
    ours = calibration.rows - centre
    scale = _unrelated(ours)
    if scale == 0:
        return "too few samples, or most of them alike: what is a near copy cannot be told"
    alike = _alike(calibration, verification, limits)
    if alike:
        return alike
    theirs = verification.rows - centre
    return [
        *_within(calibration, _nearest(ours, ours, scale, own=True), limits),
        *_across(
            calibration,
            verification,
            _nearest(theirs, ours, min(scale, _unrelated(theirs) or scale), own=False),
            limits,
        ),
    ]


def _alike(calibration: Side, verification: Side, limits: Limits) -> list[Finding]:
    """A set of copies of one sample has no unrelated samples to compare with, but its samples differ far less than the values within a sample."""
    ours, theirs = _variety(calibration.rows), _variety(verification.rows)
    if not ours <= limits.distance:
        return []
    message = f"samples differ from each other by {ours:.1%} of the contrast within one; those of the verification set by {theirs:.1%}"
    fix = "take samples that differ, unless the application always sees the same"
    severity: Severity = "warning" if theirs > limits.distance else "info"
    facts = {"variety": ours, "verification_variety": theirs}
    return [Finding("near-duplicate-samples", severity, message, fix, facts=facts)]


def _variety(rows: Real) -> float:
    """Return the distance between unrelated samples, in units of the median deviation of a sample from its own mean; infinite if that is zero."""
    contrast = float(np.median(np.linalg.norm(rows - rows.mean(axis=1, keepdims=True), axis=1)))
    return _unrelated(rows) / contrast if contrast > 0 else np.inf


def _unrelated(rows: Real) -> float:
    """Return the median distance between samples that lie far apart in their set; 0 where that shows nothing."""
    apart = [np.linalg.norm(rows[step:] - rows[:-step], axis=1) for step in _steps(len(rows))]
    return float(np.median(np.concatenate(apart))) if sum(map(len, apart)) >= _FEWEST_PAIRS else 0.0


def _steps(count: int) -> set[int]:
    """Return several steps, so that a set that holds its samples twice, for example, is not only compared with itself."""
    return {count // parts for parts in (2, 3, 5)} - {0}


def _nearest(rows: Real, others: Real, scale: float, *, own: bool) -> list[Near]:
    """Return for each row the distance and the index of the nearest other row; in its own set only among the rows before it."""
    powers = np.einsum("ij,ij->i", others, others)
    found = []
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        sums = np.einsum("ij,ij->i", block, block)[:, None] + powers
        units = np.minimum(sums, scale**2)
        distances = np.full_like(sums, np.inf)
        np.divide(sums - 2 * block @ others.T, units, out=distances, where=units > 0)
        if own:
            distances[np.arange(len(others)) >= np.arange(start, start + len(block))[:, None]] = np.inf
        nearest = distances.argmin(axis=1)
        found += [Near(float(row[index]), int(index)) for row, index in zip(distances, nearest, strict=True)]
    return found


def _within(calibration: Side, nearest: list[Near], limits: Limits) -> list[Finding]:
    copies = [index for index, near in enumerate(nearest) if near.squared <= limits.distance**2]
    share = len(copies) / len(nearest)
    if share <= limits.share:
        return []
    pair = calibration.origins[copies[0]], calibration.origins[nearest[copies[0]].place]
    message = f"{len(copies)} of {len(nearest)} samples are near copies of another one, as {pair[0]} of {pair[1]}"
    fix = "take samples that differ: every tenth frame of a recording, one of each burst, originals without augmented copies"
    numbers = {"copies": len(copies), "samples": len(nearest), "pair": pair}
    return [Finding("near-duplicate-samples", "warning", message, fix, facts=numbers)]


def _across(calibration: Side, verification: Side, nearest: list[Near], limits: Limits) -> list[Finding]:
    leaked = [index for index, near in enumerate(nearest) if near.squared <= limits.distance**2]
    if not leaked:
        return []
    share = len(leaked) / len(nearest)
    pair = verification.origins[leaked[0]], calibration.origins[nearest[leaked[0]].place]
    message = f"{len(leaked)} of {len(nearest)} verification samples are near copies of one that calibrates, as {pair[0]} of {pair[1]}"
    fix = "take verification samples from other recordings, scenes or people, by --eval"
    numbers = {"copies": len(leaked), "samples": len(nearest), "pair": pair}
    return [Finding("leaked-samples", "error" if share > limits.leaked else "warning", message, fix, facts=numbers)]
