"""Ranges that are not yet stable: two random halves of the calibration set give different ranges.

With enough samples both halves see the same extremes. A seed draws the halves, so the finding is the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.findings import Finding
from toolkit.samples.lints import Judged, Real

if TYPE_CHECKING:
    from toolkit.wire.statistics import Statistics

LOOKS_AT = "ranges"
CODES = ("unstable-ranges", "unstable-outputs")
_SPLITS = 16
_LISTED = 3


@dataclass(frozen=True)
class Limits:
    """`spread`: how far the ends of a range may be apart in two halves, as a share of the range. `tensors`: the share of tensors that may exceed it.

    `outputs`: how much more noise the artifacts of the two halves may have between them than the best artifact has, as a ratio of powers
    (`toolkit.diagnosis.calibration_stability`).
    """

    spread: float
    tensors: float
    outputs: float


def halves(count: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the sample indices of two random halves; the same for a seed on every machine (raw bits: NEP 19)."""
    order = np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
    return order[: count // 2], order[count // 2 :]


def judge(statistics: Statistics, limits: Limits) -> Judged:
    """Return a warning with the tensors whose ranges differ most between halves."""
    extremes = statistics.extremes
    if len(extremes) < 4:
        return f"{len(extremes)} samples have no halves to compare"
    whole = np.stack([extremes[:, :, 0].min(axis=0), extremes[:, :, 1].max(axis=0)], axis=-1)
    width = whole[:, 1] - whole[:, 0]
    varies = width > 0
    if not varies.any():
        return "no tensor varies"
    spread = np.median([_apart(extremes, seed) for seed in range(_SPLITS)], axis=0)[varies] / width[varies]
    beyond = float((spread > limits.spread).mean())
    if beyond <= limits.tensors:
        return []
    names = np.array(statistics.names)[varies]
    worst = [(str(names[index]), float(spread[index])) for index in np.argsort(-spread, kind="stable")[:_LISTED]]
    told = ", ".join(f"{name.partition(';')[0]} by {share:.0%}" for name, share in worst)  # before `;`: fused tensors
    message = (
        f"the ranges of {beyond:.0%} of {len(spread)} tensors differ by more than {limits.spread:.0%} between random halves of"
        f" {len(extremes)} samples, most of all {told}"
    )
    fix = "give more samples; or take an estimator that outliers do not move: --estimator percentile or mse"
    facts = {"share": beyond, "tensors": len(spread), "worst": worst}
    return [Finding("unstable-ranges", "warning", message, fix, facts=facts)]


def _apart(extremes: Real, seed: int) -> Real:
    """Return (tensors) the distance between the ranges of two halves, at the end where it is larger."""
    first, second = (extremes[half] for half in halves(len(extremes), seed))
    lows = np.abs(first[:, :, 0].min(axis=0) - second[:, :, 0].min(axis=0))
    highs = np.abs(first[:, :, 1].max(axis=0) - second[:, :, 1].max(axis=0))
    return np.asarray(np.maximum(lows, highs))
