"""Judging samples that are nearly equal to another one: for a rate and its interval, only samples that differ count.

The draw leaves out exact copies. If a millionth is added to a copy, its bits differ and the draw keeps it. Copies here are closer than any
recompression: each number of one sample is within `distance` of the same number of the other, as a share of the spread of that number over the set
(its standard deviation, or the span of its middle half if that is smaller and not zero).
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding
from toolkit.samples.lints import Input, Judged, Real, Side, Values
from toolkit.samples.lints._thumbnails import thumbnail

LOOKS_AT = "judging"
CODES = ("repeated-samples",)


@dataclass(frozen=True)
class Limits:
    """`distance`: a sample within it is a copy of another. `share`: of the samples that may be copies."""

    distance: float
    share: float


def applies(one: Input) -> str | None:
    """Return why single numbers, whole numbers, and one of several inputs do not show that a sample is a copy; None for other inputs."""
    if not one.is_alone:
        return "samples of several inputs may differ in another one"
    if one.size < 2:
        return "a sample is a single number: two that are close are no copies"
    return None if one.dtype.startswith("float") else "whole numbers that differ are no copies"


def measure(values: Values, one: Input) -> Real:
    """Return the thumbnail, up to 256 values (k,)."""
    return thumbnail(values, one)


def judge(one: Input, verification: Side, limits: Limits) -> Judged:
    """Return an inconclusive finding where more samples are copies than allowed."""
    copies = _copies(_spread_alike(verification.rows), limits.distance)
    looked_at = len(verification.rows)
    if len(copies) <= limits.share * looked_at:
        return []
    index, first = next(iter(copies.items()))
    pair = verification.origins[index], verification.origins[first]
    others = looked_at - len(copies)
    message = f"{len(copies)} of {looked_at} samples are copies of another one, as {pair[0]} of {pair[1]}: {others} differ by more than a trace"
    fix = "judge with samples that differ, without repeated or augmented ones; a rate of copies is certain of nothing"
    numbers = {"copies": len(copies), "samples": looked_at, "pair": pair}
    return [Finding("repeated-samples", "inconclusive", message, fix, facts=numbers)]


def _spread_alike(rows: Real) -> Real:
    """Return the rows (n, k) with each number in units of its spread over them."""
    deviation = rows.std(axis=0)
    middle = np.subtract(*np.percentile(rows, [75, 25], axis=0))
    spread = np.where(middle > 0, np.minimum(middle, deviation), deviation)
    return np.asarray(rows / np.where(spread > 0, spread, 1.0))


def _copies(rows: Real, distance: float) -> dict[int, int]:
    """Return {index of a copy: index of its sample}; that sample is itself no copy, so a chain of small steps does not count as copies.

    If the numbers of two rows are within `distance` of each other, their sums are within k times as much. Only such rows are compared.
    """
    found: dict[int, int] = {}
    kept: list[tuple[float, int]] = []  # by their sums
    reach = distance * rows.shape[1]
    for index, total in enumerate(rows.sum(axis=1).tolist()):
        low, high = bisect.bisect_left(kept, (total - reach, -1)), bisect.bisect_right(kept, (total + reach, len(rows)))
        near = [number for _, number in kept[low:high]]
        close = np.abs(rows[near] - rows[index]).max(axis=1) <= distance if near else np.zeros(0, bool)
        if close.any():
            found[index] = near[int(close.argmax())]
        else:
            bisect.insort(kept, (total, index))
    return found
