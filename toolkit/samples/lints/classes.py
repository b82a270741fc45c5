"""Classes that only the verification set has: calibration does not see the network's ranges for them.

If a class has a share p of the verification set, n samples hold none of it by chance in (1 - p) ** n of all cases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding, Severity
from toolkit.samples.lints import Judged, Side

LOOKS_AT = "set"
CODES = ("missing-classes",)
_LISTED = 12
_PER_CLASS = 2  # samples; with fewer on average, whole numbers are values and no classes


@dataclass(frozen=True)
class Limits:
    """`chance`: below this probability, a missing class is not a coincidence."""

    chance: float


def judge(calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return a warning for classes that calibration lacks although it is large enough to hold them, else an info for missing classes."""
    ours, theirs = calibration.labels, verification.labels
    if ours is None or theirs is None:
        return "one of the sets has no labels, or both have none"
    if not (_are_classes(ours) and _are_classes(theirs)):
        return "the labels are no classes: one whole number for each sample, several samples for each would be"
    classes, counts = np.unique(theirs, return_counts=True)
    absent = ~np.isin(classes, ours)
    if not absent.any():
        return []
    chance = (1 - counts[absent] / len(theirs)) ** len(ours)
    named = [int(name) for name in classes[absent]]
    listed = ", ".join(map(str, named[:_LISTED])) + (", …" if len(named) > _LISTED else "")
    share = float(counts[absent].sum() / len(theirs))
    message = (
        f"no sample of {len(named)} of {len(classes)} classes ({listed}), which are {share:.0%} of the verification set"
    )
    fix = "draw from all classes: shuffle before the first N are taken, or take some of each"
    severity: Severity = "warning" if chance.min() < limits.chance else "info"
    facts = {"classes": named, "share": share, "chance": float(chance.min())}
    return [Finding("missing-classes", severity, message, fix, facts=facts)]


def _are_classes(labels: np.ndarray) -> bool:
    return (
        labels.ndim == 1
        and bool((labels == np.round(labels)).all())
        and len(labels) >= _PER_CLASS * len(np.unique(labels))
    )
