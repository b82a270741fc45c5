"""Judges an account of weights by its limits: returns the constants that are another model's, as findings and as one line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from toolkit.findings import Finding
from toolkit.weights.account_findings import (
    REPORTED,
    acceptances,
    computed_besides,
    left_over,
    other_attributes,
    other_weights,
    share_matched,
    too_few_matched,
    unknown_factors,
)
from toolkit.weights.limits_kept import JudgedConstant, accepted_because, limit_exceeded, names_of
from toolkit.weights.rows import (
    AccountResult,
    ConstantRow,
    UnmatchedConstant,
)

if TYPE_CHECKING:
    from toolkit.profiles.weight_limits import Weights


class Unaccounted(TypedDict):
    """The reason for a missing account, as JSON."""

    accounted: Literal[False]
    why: str | None


class Accounted(TypedDict):
    """An account as JSON; see `Account`."""

    accounted: Literal[True]
    constants: int
    matrices: int
    matrices_matched: int
    share_matched: float
    wrong: list[JudgedConstant]
    accepted: list[JudgedConstant]
    worst: list[ConstantRow]
    unmatched: list[UnmatchedConstant]


@dataclass(frozen=True, slots=True)
class Account:
    """The judged account. If there is none, `accounted` is False and `why` is the reason. `wrong` are constants beyond a limit, worst first.

    `matched` of `matrices` is how many of the original's matrices and tables are in the artifact.
    """

    accounted: bool
    why: str | None = None
    constants: int = 0
    matrices: int = 0
    matched: int = 0
    share: float = math.nan
    wrong: tuple[JudgedConstant, ...] = ()
    accepted: tuple[JudgedConstant, ...] = ()
    worst: tuple[ConstantRow, ...] = ()
    unmatched: tuple[UnmatchedConstant, ...] = ()
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> Accounted | Unaccounted:
        """Return plain JSON; the findings are among the verdict's."""
        if not self.accounted:
            return {"accounted": False, "why": self.why}
        return {
            "accounted": True,
            "constants": self.constants,
            "matrices": self.matrices,
            "matrices_matched": self.matched,
            "share_matched": self.share,
            "wrong": list(self.wrong[:REPORTED]),
            "accepted": list(self.accepted),
            "worst": list(self.worst),
            "unmatched": list(self.unmatched),
        }

    def line(self) -> str:
        """Return the account in one line."""
        if not self.accounted:
            return f"not accounted for: {self.why}"
        text = f"{self.constants} constants compared with the float32 conversion's, {self.matched} of {self.matrices} matrices found"
        if self.wrong:
            return f"{text}: {len(self.wrong)} {'differs' if len(self.wrong) == 1 else 'differ'}"
        least = next((row for row in self.worst if row["role"] == "matrix"), None)
        return text + (
            f": all within their steps, {_decibels(least)} dB at the least" if least else ": all within their steps"
        )


def judge_account(found: AccountResult, weights: Weights, stage: str) -> Account:
    """Return the judged result of `account_job`, by a profile's limits; `stage` is the stage that made the artifact."""
    limits = weights.limits()
    rows = sorted(found["constants"], key=lambda row: -_error(row))
    off = [(row, reason) for row in rows if (reason := limit_exceeded(row, limits)) is not None]
    wrong: list[JudgedConstant] = []
    accepted: list[JudgedConstant] = []
    for row, reason in off:
        why = accepted_because(names_of(row), weights)
        (accepted if why else wrong).append({**row, "because": why or reason})
    besides = found["computed_besides"]
    share = min(share_matched(found["matrices"]), share_matched(found["matrices_of_artifact"]))
    findings = [
        *other_weights(wrong, len(rows), stage),
        *too_few_matched(found, limits["matched"], stage),
        *unknown_factors(found["constants"], limits),
        *computed_besides(besides, weights, stage),
        *left_over(found),
        *acceptances(found, [*(names_of(row) for row, _ in off), *((row["tensor"],) for row in besides)], weights),
        *other_attributes(found["attributes"], stage),
    ]
    return Account(
        accounted=True,
        constants=len(rows),
        matrices=found["matrices"]["count"],
        matched=found["matrices"]["matched"],
        share=share,
        wrong=tuple(wrong),
        accepted=tuple(accepted),
        worst=tuple(sorted(rows, key=_order)[:REPORTED]),
        unmatched=tuple(found["unmatched"][:REPORTED]),
        findings=tuple(findings),
    )


def _order(row: ConstantRow) -> float:
    """Return the sort key of a row, its dB; NaN comes first, then the constants that are off most."""
    value = float(row["sqnr_db"])
    return -math.inf if math.isnan(value) else value


def _error(row: ConstantRow) -> float:
    value = float(row["error"])
    return math.inf if math.isnan(value) else value


def _decibels(row: ConstantRow) -> str:
    return f"{float(row['sqnr_db']):.3g}"
