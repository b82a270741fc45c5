"""Judges an account of weights by its limits: which constants are another model's, as findings and as one line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from toolkit.findings import Finding, Severity
from toolkit.weights.rows import (
    AccountResult,
    ActivationRow,
    AttributeRow,
    ClippingResult,
    ConstantRow,
    MatrixCounts,
    UnmatchedConstant,
)

if TYPE_CHECKING:
    from toolkit.profiles.weight_limits import Limit, Weights

OTHER_WEIGHTS = "other-weights"
OTHER_OPERATORS = "other-operators"
_NEXT = "Convert this original again, or accept what is meant: [weights] in a profile, docs/weights.md"
_SHOWN = 3  # constants that a message names
_REPORTED = 10  # constants that a report has rows of
_WIDTH = 60  # characters of a tensor's name, the last ones


class JudgedConstant(ConstantRow):
    """A constant that a limit or an acceptance is about, and which."""

    because: str


class Unaccounted(TypedDict):
    """The account of an artifact that there is none of, and why, as JSON."""

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
    """What was found. `accounted` is False where there is no account, and `why` says so; `wrong` are constants beyond a limit, worst first.

    `matched` of `matrices` is the share of the original's matrices and tables that are in the artifact.
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
            "wrong": list(self.wrong[:_REPORTED]),
            "accepted": list(self.accepted),
            "worst": list(self.worst),
            "unmatched": list(self.unmatched),
        }

    def line(self) -> str:
        """Return it in a line."""
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
    """Return what a job of `account_job` found, by a profile's limits; `stage` is that which made the artifact."""
    limits = weights.limits()
    rows = sorted(found["constants"], key=lambda row: -_error(row))
    off = [(row, reason) for row in rows if (reason := _beyond(row, limits)) is not None]
    wrong: list[JudgedConstant] = []
    accepted: list[JudgedConstant] = []
    for row, reason in off:
        why = _accepted(_names_of(row), weights)
        (accepted if why else wrong).append({**row, "because": why or reason})
    besides = found["computed_besides"]
    share = min(_share(found["matrices"]), _share(found["matrices_of_artifact"]))
    findings = [
        *_other_weights(wrong, len(rows), stage),
        *_too_few(found, limits["matched"], stage),
        *_besides(besides, weights, stage),
        *_left_over(found),
        *_acceptances(found, [*(_names_of(row) for row, _ in off), *((row["tensor"],) for row in besides)], weights),
        *_attributes(found["attributes"], stage),
    ]
    return Account(
        accounted=True,
        constants=len(rows),
        matrices=found["matrices"]["count"],
        matched=found["matrices"]["matched"],
        share=share,
        wrong=tuple(wrong),
        accepted=tuple(accepted),
        worst=tuple(sorted(rows, key=_order)[:_REPORTED]),
        unmatched=tuple(found["unmatched"][:_REPORTED]),
        findings=tuple(findings),
    )


def judge_clipping(found: ClippingResult, weights: Weights, stage: str) -> list[Finding]:
    """Return what is said of a job of `clipping_job`: activations whose range cuts off what calibration showed, a share of it beyond a limit."""
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
            shown = "; ".join(map(_cut_off, some[:_SHOWN]))
            message = f"{len(some)} activations have ranges that cut off values of the calibration set: {shown}"
            names = [row["tensor"] for row in some]
            said.append(
                Finding(
                    "activations-clipped",
                    severity,
                    message,
                    names=_reported(names),
                    stage=stage if severity == "error" else None,
                )
            )
    return said


def _cut_off(row: ActivationRow) -> str:
    (low, high), (least, most) = row["range"], row["seen"]
    beyond = f"{row['share']:.1%} of its values lie beyond [{low:.3g}, {high:.3g}]"
    return f"{row['operator']} {_short(row['tensor'])!r}: {beyond} (seen [{least:.3g}, {most:.3g}])"


def _beyond(row: ConstantRow, limits: Mapping[str, Limit]) -> str | None:
    """Return which limit a constant is beyond, in words; None where it keeps all. What is NaN keeps none."""
    error, role = float(row["error"]), row["role"]
    if role == "whole":
        return None if error <= 0 else "is not equal"
    if role in ("bias", "scalar"):
        return None if error <= limits[role].limit else f"is {_percent(error)} off, {limits[role].limit:g} at most"
    if row["steps"] is None or row["within"] is None or row["clipped"] is None:
        return (
            None
            if error <= limits["float32"].limit
            else f"is {_percent(error)} off, {limits['float32'].limit:g} at most"
        )
    return _beyond_steps(row, float(row["steps"]), float(row["within"]), float(row["clipped"]), limits)


def _beyond_steps(
    row: ConstantRow, steps: float, within: float, clipped: float, limits: Mapping[str, Limit]
) -> str | None:
    """As `_beyond`, of a constant with steps: how far the worst value is off, how many are, and whether the steps are small enough."""
    of_kind = {"float16": "float16_steps"}.get(row["dtype"], "steps")
    if not steps <= limits[of_kind].limit:
        return f"a value is {steps:.3g} steps off, {limits[of_kind].limit:g} at most"
    if row["shares_a_range"]:  # by a scale that is not its own
        most = limits["table_clipped"].limit
        return None if clipped <= most else f"{_percent(clipped)} of its values are cut off, {_percent(most)} at most"
    if row["dtype"] != "float16" and not within >= limits["within"].limit:
        return f"{_percent(1 - within)} of its values are more than half a step off"
    least = limits[{"int4": "int4_db", "float16": "float16_db"}.get(row["dtype"], "weights_db")].limit
    return None if float(row["sqnr_db"]) >= least else f"{float(row['sqnr_db']):.3g} dB, {least:g} at least"


def _other_weights(wrong: Sequence[JudgedConstant], count: int, stage: str) -> Iterator[Finding]:
    if not wrong:
        return
    said: dict[str, list[JudgedConstant]] = {}
    for row in wrong:
        said.setdefault(row["what"] or row["because"], []).append(row)
    shown = [f"{_names(rows)}: {what}" for what, rows in list(said.items())[:_SHOWN]]
    left = len(said) - _SHOWN
    message = f"{len(wrong)} of {count} constants {'is' if len(wrong) == 1 else 'are'} not the float32 conversion's: {'; '.join(shown)}"
    message += (f"; and {left} more" if left > 0 else "") + f". {_NEXT}"
    yield Finding(OTHER_WEIGHTS, "error", message, names=_reported([row["tensor"] for row in wrong]), stage=stage)


def _too_few(found: AccountResult, limit: Limit, stage: str) -> Iterator[Finding]:
    for counts, left, whose, where in (
        (found["matrices"], found["unmatched"], "the original's", "the artifact"),
        (found["matrices_of_artifact"], found["extra"], "the artifact's", "the original"),
    ):
        share = _share(counts)
        if not share >= limit.limit:
            count, matched = counts["count"], counts["matched"]
            names = [row["tensor"] for row in left if row["role"] == "matrix"]
            message = (
                f"{matched} of {whose} {count} matrices and tables are in {where} ({share:.0%}, {limit.limit:.0%} at least): "
                f"it is another model, or its operators were fused in another way, so {count - matched} cannot be accounted for"
                f" ({', '.join(map(_short, names[:_SHOWN]))}). {_NEXT}"
            )
            yield Finding(OTHER_WEIGHTS, "error", message, names=_reported(names), stage=stage)


def _besides(besides: Sequence[UnmatchedConstant], weights: Weights, stage: str) -> Iterator[Finding]:
    """Yield what is said of operators that compute with constants of their own, and stand for nothing of the original's."""
    some = [row for row in besides if _accepted((row["tensor"],), weights) is None]
    if some:
        shown = "; ".join(map(_named, some[:_SHOWN])) + ("; ..." if len(some) > _SHOWN else "")
        message = (
            f"the artifact computes something more: {len(some)} constants of operators that the original does not have, "
            f"where all of the original's were found ({shown}). {_NEXT}"
        )
        yield Finding(OTHER_OPERATORS, "error", message, names=_reported([row["tensor"] for row in some]), stage=stage)


def _left_over(found: AccountResult) -> Iterator[Finding]:
    """Yield what is said of constants that only one side has: none of them is held against anything."""
    for rows, message in (
        (found["unmatched"], "of the original's constants {count} were not found in the artifact ({why})"),
        (found["extra"], "the artifact has {count} constants that the original does not have ({why})"),
    ):
        left = [row for row in rows if row["role"] != "whole"]
        if left:
            why = "; ".join(f"{_named(row)}: {row['why']}" for row in left[:_SHOWN]) + (
                "; ..." if len(left) > _SHOWN else ""
            )
            names = [row["tensor"] for row in left]
            yield Finding(
                "weights-unmatched", "warning", message.format(count=len(left), why=why), names=_reported(names)
            )


def _acceptances(found: AccountResult, off: Sequence[tuple[str, ...]], weights: Weights) -> Iterator[Finding]:
    """Yield what became of each acceptance: what it accepts, or that there is nothing to accept."""
    for each in weights.accepted:
        names = [called[0] for called in off if each.fits(*called)]
        fine = [row for row in found["constants"] if each.fits(*_names_of(row))]
        if names:
            message = f"accepted, although {len(names)} constants differ: {each.tensor!r} ({each.because})"
        elif fine:
            message = f"weights accepted: {each.tensor!r} is not needed: it is equal to the original's"
        else:
            message = f"weights accepted: {each.tensor!r} is not a constant of this artifact; nothing was accepted"
        yield Finding("weights-accepted", "info", message, names=_reported(names))


def _attributes(attributes: Sequence[AttributeRow], stage: str) -> Iterator[Finding]:
    """Yield what operators were told otherwise: an error where it computes something else for certain."""
    for certain in (True, False):
        some = [each for each in attributes if each["certain"] is certain]
        if some:
            shown = "; ".join(
                f"{each['operator']} {_short(each['gives'])}: {each['option']} {each['ours']}, not {each['theirs']}"
                for each in some[:_SHOWN]
            )
            more = f"; and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
            message = f"operators have other options than in the float32 conversion: {shown}{more}"
            names = [each["gives"] for each in some]
            severity: Severity = "error" if certain else "warning"
            yield Finding(
                "other-attributes", severity, message, names=_reported(names), stage=stage if certain else None
            )


def _reported(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[:_REPORTED])


def _names_of(row: ConstantRow) -> tuple[str, str]:
    """Return what a constant is called: in the artifact, and in the original."""
    return row["tensor"], row["original"]


def _accepted(names: tuple[str, ...], weights: Weights) -> str | None:
    """Return why a constant with these names is accepted; None where it is not."""
    return next((each.because for each in weights.accepted if each.fits(*names)), None)


def _share(of: MatrixCounts) -> float:
    return of["matched"] / of["count"] if of["count"] else 1.0


def _order(row: ConstantRow) -> float:
    """Return what rows are sorted by, those that are off most first: by their dB, NaN before all."""
    value = float(row["sqnr_db"])
    return -math.inf if math.isnan(value) else value


def _error(row: ConstantRow) -> float:
    value = float(row["error"])
    return math.inf if math.isnan(value) else value


def _named(row: ConstantRow | UnmatchedConstant) -> str:
    return f"{row['operator']} {_short(row['tensor'])!r} ({row['role']})"


def _names(rows: Sequence[ConstantRow]) -> str:
    """Return the first of some constants, and how many others."""
    return _named(rows[0]) + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")


def _short(name: str) -> str:
    return name if len(name) <= _WIDTH else f"…{name[1 - _WIDTH :]}"


def _percent(share: float) -> str:
    return f"{share:.3g} times its size" if share > 1 else f"{100 * share:.3g} %"


def _decibels(row: ConstantRow) -> str:
    return f"{float(row['sqnr_db']):.3g}"
