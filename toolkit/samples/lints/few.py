"""Too few samples: the ranges of activations then depend on the choice of samples."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.findings import Finding
from toolkit.samples.lints import Judged, Side

LOOKS_AT = "set"
CODES = ("too-few-samples",)


@dataclass(frozen=True)
class Limits:
    """`samples`: the number that a calibration set should hold."""

    samples: float


def judge(calibration: Side, verification: Side, limits: Limits) -> Judged:
    """Return a warning for a small set; the check of ranges shows whether the ranges suffer from it."""
    if calibration.count >= limits.samples:
        return []
    message = f"{calibration.count} samples calibrate; expected {limits.samples:g} or more"
    fix = "give more samples, or a second set to judge with (--eval), so that this one is not split"
    facts = {"samples": calibration.count, "wanted": int(limits.samples)}
    return [Finding("too-few-samples", "warning", message, fix, facts=facts)]
