"""One row of a gate: the value before, the value now, and whether the change is allowed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from toolkit.comparison.compare import plain_json
from toolkit.comparison.metrics import Better
from toolkit.errors import RequestError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.regression.limits import Allowance

Status = Literal["passed", "failed", "inconclusive", "allowed", "noticed"]
Value = float | str | None
VERDICT = "verdict"  # no allowance can change it


class GateRowJson(TypedDict):
    """A `GateRow` as JSON. Numbers that JSON does not have are "nan", "inf" and "-inf"."""

    what: str
    before: Value
    now: Value
    limit: Value
    status: Status
    because: str
    better: Better | None
    detail: str


@dataclass(frozen=True, slots=True)
class GateRow:
    """One value before and now, the limit for its value now, and the reason for the limit.

    A row is "allowed" if it would be failed or inconclusive without its allowance; then `because` is the allowance's reason. A "noticed" row is not
    judged. `better` is None if no direction is better: then the value must stay the same. `detail` says more.
    """

    what: str
    before: Value
    now: Value
    limit: Value
    status: Status
    because: str
    better: Better | None = None
    detail: str = ""

    def to_json(self) -> GateRowJson:
        """Return plain JSON. Numbers that JSON does not have are "nan", "inf" and "-inf"."""
        return cast(GateRowJson, plain_json(asdict(self)))


def within(value: Value, limit: Value, better: Better | None) -> bool:
    """Return whether a value keeps a limit; False for NaN, for a missing value, and for a number against a text."""
    if any(isinstance(each, bool) for each in (value, limit)):  # Python treats them as 1 and 0
        return False
    if isinstance(value, str) or isinstance(limit, str):
        return better is None and value == limit
    if value is None or limit is None or better is None:
        return False
    return value <= limit if better == "lower" else value >= limit


def judged(
    what: str, before: Value, now: Value, limit: Value, because: str, better: Better | None = "lower"
) -> GateRow:
    """Return a row that passes if `now` keeps the limit, and else fails."""
    return GateRow(what, before, now, limit, "passed" if within(now, limit, better) else "failed", because, better)


def noticed(what: str, before: Value, now: Value, because: str) -> GateRow:
    """Return a row that is shown but not judged."""
    return GateRow(what, before, now, None, "noticed", because)


def allow(rows: Sequence[GateRow], allowances: Sequence[Allowance]) -> tuple[GateRow, ...]:
    """Return the rows after applying the allowances. A row beyond its allowance stays as it is and says so in `detail`.

    Raise UnknownName for an allowance that no row matches, RequestError for an allowance of the verdict. An allowance that is not needed gives a
    noticed row.
    """
    found = [row for row in rows if row.status != "noticed"]
    unneeded = []
    for allowance in allowances:
        if allowance.what == VERDICT:
            raise RequestError(
                f"allowance of {VERDICT!r}: nothing ships that did not pass; bounds are set in the profile"
            )
        mine = [row for row in found if row.what == allowance.what]
        if not mine:
            known = {row.what for row in found}
            raise UnknownName("allowance of", allowance.what, known, "an allowance that matches nothing")
        if all(row.status == "passed" for row in mine):
            why = f"this allowance is not needed (any more): {allowance.because}"
            unneeded.append(noticed(f"allowance of {allowance.what}", None, allowance.to, why))
    given = {allowance.what: allowance for allowance in allowances}
    broken = ("failed", "inconclusive")
    judged_rows = (
        _allowed(row, given[row.what]) if row.status in broken and row.what in given else row for row in rows
    )
    return (*judged_rows, *unneeded)


def _allowed(row: GateRow, allowance: Allowance) -> GateRow:
    if not within(row.now, allowance.to, row.better):
        return replace(row, detail=_joined(row.detail, f"allowed up to {allowance.to} only"))
    return replace(row, status="allowed", because=allowance.because, detail=_joined(row.detail, f"else: {row.because}"))


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))
