"""Findings on activations whose range cuts off values seen in calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.findings import Finding, Severity
from toolkit.weights.account_findings import SHOWN, names_reported, short_name
from toolkit.weights.rows import (
    ActivationRow,
    ClippingResult,
)

if TYPE_CHECKING:
    from toolkit.profiles.weight_limits import Weights


def judge_clipping(found: ClippingResult, weights: Weights, stage: str) -> list[Finding]:
    """Return findings on the result of `clipping_job`: activations whose range cuts off more values seen in calibration than a limit allows."""
    limits = weights.limits()
    rows = sorted(
        ((row["share"], row) for row in found["activations"] if row["share"] is not None), key=lambda each: -each[0]
    )
    said = []
    judged: tuple[tuple[Severity, str, str | None], ...] = (
        ("error", "clipped_most", None),
        ("warning", "clipped", "clipped_most"),
    )
    for severity, name, least in judged:
        beyond = [(share, row) for share, row in rows if not share <= limits[name].limit]
        some = [row for share, row in beyond if least is None or share <= limits[least].limit]
        if some:
            shown = "; ".join(map(_cut_off, some[:SHOWN]))
            message = f"{len(some)} activations have ranges that cut off values of the calibration set: {shown}"
            names = [row["tensor"] for row in some]
            said.append(
                Finding(
                    "activations-clipped",
                    severity,
                    message,
                    names=names_reported(names),
                    stage=stage if severity == "error" else None,
                )
            )
    return said


def _cut_off(row: ActivationRow) -> str:
    (low, high), (least, most) = row["range"], row["seen"]
    beyond = f"{row['share']:.1%} of its values lie beyond [{low:.3g}, {high:.3g}]"
    return f"{row['operator']} {short_name(row['tensor'])!r}: {beyond} (seen [{least:.3g}, {most:.3g}])"
