"""The findings of an account of weights: constants and operators that are not the original's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from toolkit.findings import Finding, Severity
from toolkit.weights.limits_kept import JudgedConstant, accepted_because, least_decibels, names_of
from toolkit.weights.rows import (
    AccountResult,
    AttributeRow,
    ConstantRow,
    FactorsRow,
    MatrixCounts,
    UnmatchedConstant,
)

if TYPE_CHECKING:
    from toolkit.profiles.weight_limits import Limit, Weights

OTHER_WEIGHTS = "other-weights"
OTHER_OPERATORS = "other-operators"
_NEXT = "Convert this original again, or accept what is meant: [weights] in a profile, docs/weights.md"
SHOWN = 3  # constants that a message names
REPORTED = 10  # constants that a report has rows of
_WIDTH = 60  # the last characters of a tensor's name


def other_weights(wrong: Sequence[JudgedConstant], count: int, stage: str) -> Iterator[Finding]:
    """Yield the finding on constants that are not the original's, worst first; `count` is the number of all constants."""
    if not wrong:
        return
    said: dict[str, list[JudgedConstant]] = {}
    for row in wrong:
        said.setdefault(row["what"] or row["because"], []).append(row)
    shown = [f"{_names(rows)}: {what}" for what, rows in list(said.items())[:SHOWN]]
    left = len(said) - SHOWN
    message = f"{len(wrong)} of {count} constants {'is' if len(wrong) == 1 else 'are'} not the float32 conversion's: {'; '.join(shown)}"
    message += (f"; and {left} more" if left > 0 else "") + f". {_NEXT}"
    yield Finding(OTHER_WEIGHTS, "error", message, names=names_reported([row["tensor"] for row in wrong]), stage=stage)


def too_few_matched(found: AccountResult, limit: Limit, stage: str) -> Iterator[Finding]:
    """Yield a finding for each file with too small a share of matched matrices and tables: it is another model."""
    for counts, left, whose, where in (
        (found["matrices"], found["unmatched"], "the original's", "the artifact"),
        (found["matrices_of_artifact"], found["extra"], "the artifact's", "the original"),
    ):
        share = share_matched(counts)
        if not share >= limit.limit:
            count, matched = counts["count"], counts["matched"]
            names = [row["tensor"] for row in left if row["role"] == "matrix"]
            message = (
                f"{matched} of {whose} {count} matrices and tables are in {where} ({share:.0%}, {limit.limit:.0%} at least): "
                f"it is another model, or its operators were fused in another way, so {count - matched} cannot be accounted for"
                f" ({', '.join(map(short_name, names[:SHOWN]))}). {_NEXT}"
            )
            yield Finding(OTHER_WEIGHTS, "error", message, names=names_reported(names), stage=stage)


def computed_besides(besides: Sequence[UnmatchedConstant], weights: Weights, stage: str) -> Iterator[Finding]:
    """Yield findings on operators that compute with their own constants and correspond to nothing in the original."""
    some = [row for row in besides if accepted_because((row["tensor"],), weights) is None]
    if some:
        shown = "; ".join(map(_named, some[:SHOWN])) + ("; ..." if len(some) > SHOWN else "")
        message = (
            f"the artifact computes something more: {len(some)} constants of operators that the original does not have, "
            f"where all of the original's were found ({shown}). {_NEXT}"
        )
        yield Finding(
            OTHER_OPERATORS, "error", message, names=names_reported([row["tensor"] for row in some]), stage=stage
        )


def unknown_factors(constants: Sequence[ConstantRow], limits: Mapping[str, Limit]) -> Iterator[Finding]:
    """Yield the finding on matrices whose factors cost more than a few values, if it is not known what meets them: the verdict stays open."""
    rows = [row for row in constants if (of := row["factors"]) and of["noise_db"] is None and _costs(row, of, limits)]
    if rows:
        lost = sum(row["factors"]["lost"] for row in rows if row["factors"])
        decibels = [float(row["sqnr_db"]) for row in rows]
        added = [float(row["factors"]["evenly_db"]) for row in rows if row["factors"]]
        message = (
            f"the factors in front of {_names(rows)} leave next to nothing of {lost} columns, and {min(decibels):.3g} dB of a matrix, "
            f"up to {max(added):.3g} dB less than without factors, or cut off more than {limits['scaled_clipped'].limit:.0%} of the values: "
            "harmless if next to nothing meets what is lost, which is not known: there is no calibration set, or all of it is zero there"
        )
        fix = "give the set that the file was made with: --calibration SET"
        names = names_reported([row["tensor"] for row in rows])
        yield Finding("factors-unknown", "inconclusive", message, fix=fix, names=names)


def _costs(row: ConstantRow, of: FactorsRow, limits: Mapping[str, Limit]) -> bool:
    many_clipped = not float(row["clipped"] or 0) <= limits["scaled_clipped"].limit
    noisy = not float(of["evenly_db"]) <= limits["scaled_evenly_db"].limit
    return of["lost"] > 0 or many_clipped or noisy or not float(row["sqnr_db"]) >= least_decibels(row, limits)


def left_over(found: AccountResult) -> Iterator[Finding]:
    """Yield findings on constants that only one side has: no limit judges them."""
    for rows, message in (
        (found["unmatched"], "of the original's constants {count} were not found in the artifact ({why})"),
        (found["extra"], "the artifact has {count} constants that the original does not have ({why})"),
    ):
        left = [row for row in rows if row["role"] != "whole"]
        if left:
            why = "; ".join(f"{_named(row)}: {row['why']}" for row in left[:SHOWN]) + (
                "; ..." if len(left) > SHOWN else ""
            )
            names = [row["tensor"] for row in left]
            yield Finding(
                "weights-unmatched", "warning", message.format(count=len(left), why=why), names=names_reported(names)
            )


def acceptances(found: AccountResult, off: Sequence[tuple[str, ...]], weights: Weights) -> Iterator[Finding]:
    """Yield a finding for each acceptance: what it accepts, or that there is nothing to accept."""
    for each in weights.accepted:
        names = [called[0] for called in off if each.fits(*called)]
        fine = [row for row in found["constants"] if each.fits(*names_of(row))]
        if names:
            message = f"accepted, although {len(names)} constants differ: {each.tensor!r} ({each.because})"
        elif fine:
            message = f"weights accepted: {each.tensor!r} is not needed: it is equal to the original's"
        else:
            message = f"weights accepted: {each.tensor!r} is not a constant of this artifact; nothing was accepted"
        yield Finding("weights-accepted", "info", message, names=names_reported(names))


def other_attributes(attributes: Sequence[AttributeRow], stage: str) -> Iterator[Finding]:
    """Yield findings on options that differ: an error if the operator certainly computes something else."""
    for certain in (True, False):
        some = [each for each in attributes if each["certain"] is certain]
        if some:
            shown = "; ".join(
                f"{each['operator']} {short_name(each['gives'])}: {each['option']} {each['ours']}, not {each['theirs']}"
                for each in some[:SHOWN]
            )
            more = f"; and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
            message = f"operators have other options than in the float32 conversion: {shown}{more}"
            names = [each["gives"] for each in some]
            severity: Severity = "error" if certain else "warning"
            yield Finding(
                "other-attributes", severity, message, names=names_reported(names), stage=stage if certain else None
            )


def _named(row: ConstantRow | UnmatchedConstant) -> str:
    return f"{row['operator']} {short_name(row['tensor'])!r} ({row['role']})"


def _names(rows: Sequence[ConstantRow]) -> str:
    """Return the names of the first constants, and the number of others."""
    return _named(rows[0]) + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")


def share_matched(of: MatrixCounts) -> float:
    """Return the share of matrices and tables that have a counterpart, in [0, 1]; 1 where there are none."""
    return of["matched"] / of["count"] if of["count"] else 1.0


def names_reported(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a finding lists, which are the first ones."""
    return tuple(names[:REPORTED])


def short_name(name: str) -> str:
    """Return the last characters of a tensor's name, which differ most between tensors."""
    return name if len(name) <= _WIDTH else f"…{name[1 - _WIDTH :]}"
