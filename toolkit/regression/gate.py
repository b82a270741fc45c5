"""Compares a build with the last release, row by row.

What is compared with what:

    verdict               it has to be passed
    inputs, outputs       their dtypes, by name; other names or shapes are another model
    runtime               what ran it, with its version
    inputs order, outputs order   in which the artifact itself has them, for who calls it by place
    size_bytes, latency_ms   how much they grew; latency only where it was measured on the device
    finding CODE          how often a finding comes that is no mere information
    bound STAGE OUTPUT METRIC    that no bound is gone or looser
    STAGE OUTPUT METRIC          (of the total) how much of the margin to its bound is gone
    task METRIC           the paired test; see `toolkit.comparison.paired_difference`
    lost METRIC           how many samples were lost on balance, where each is right or wrong: no more than chance makes, whatever the drop may be
    lost METRIC class C   the same of a class, by its name
    outputs OUTPUT METRIC        the new outputs against the old ones, by the bounds that the old release had on its total: the last release stands
                          where the original stands there. Where the weights are others on purpose and a task metric says whether they
                          are as good, they are shown and not judged
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from toolkit import printable
from toolkit.errors import RequestError
from toolkit.printable import Text
from toolkit.regression import behaviour, facts
from toolkit.regression.file import read
from toolkit.regression.record import Baseline, of_bundle
from toolkit.regression.rows import GateRow, GateRowJson, Value, allow
from toolkit.report.screen import PAGE, Screen
from toolkit.verdict.chain import Outcome

_WORDS = {"passed": "PASSED", "failed": "NOT PASSED", "inconclusive": "INCONCLUSIVE"}
_SHOWN = {"passed": "", "failed": "FAIL", "inconclusive": "INCONCLUSIVE", "allowed": "allowed", "noticed": "noticed"}


class GateDocument(TypedDict):
    """A `Gate` as JSON; paths are those of the bundle and of the release before it."""

    schema: int
    target: str
    bundle: str
    baseline: str
    outcome: Outcome
    rows: list[GateRowJson]


@dataclass(frozen=True, slots=True)
class Gate:
    """What was found of a build against a baseline. `outcome` follows from the rows."""

    target: str
    bundle: Path
    baseline: Path
    rows: tuple[GateRow, ...]

    def __repr__(self) -> str:
        return printable.line(f"<Gate of {self.bundle} against {self.baseline}: {self.outcome}>")

    @property
    def outcome(self) -> Outcome:
        """Return "passed" only where there are rows, and each of those that are judged passed or is allowed."""
        statuses = {row.status for row in self.rows} - {"noticed"}
        if "failed" in statuses or not statuses:
            return "failed"
        return "inconclusive" if "inconclusive" in statuses else "passed"

    @property
    def passed(self) -> bool:
        """Whether the build may follow the last release."""
        return self.outcome == "passed"

    def to_json(self) -> GateDocument:
        """Return plain JSON."""
        return {
            "schema": 1,
            "target": self.target,
            "bundle": str(self.bundle),
            "baseline": str(self.baseline),
            "outcome": self.outcome,
            "rows": [row.to_json() for row in self.rows],
        }

    def text(self, screen: Screen = PAGE) -> Text:
        """Return it for a terminal: a line for each row, with the reason where it did not simply pass; rows of what is as it was are counted."""
        title = f"{printable.name(self.target)}   {printable.name(self.bundle)} against {printable.name(self.baseline)}"
        lines: list[str] = [screen.title(title, _WORDS[self.outcome])]
        unchanged = [row for row in self.rows if row.status == "passed" and row.before == row.now == row.limit]
        shown = [row for row in self.rows if row not in unchanged]
        names = [printable.name(row.what) for row in shown]
        widest = max([_NARROWEST, *map(len, names)])
        for row, name in zip(shown, names, strict=True):
            change = f"{_short(row.before)} -> {_short(row.now)}"
            limit = f"{_SIGNS[row.better]} {_short(row.limit)}" if row.limit is not None else ""
            line = f"  {name:<{widest}} {change:<26} {limit:<16} {_SHOWN[row.status]}".rstrip()
            lines.append(f"{line}  {row.detail}" if row.detail else line)
            lines += [f"      {' '.join(row.because.split())}"] if row.status != "passed" else []
        lines += [f"  and {len(unchanged)} that must not change, and did not"] if unchanged else []
        return printable.lines(lines)


_NARROWEST = 40  # the column of names, alike from gate to gate
_SIGNS = {"lower": "<=", "higher": ">=", None: "="}


def check(bundle: Path, baseline: Baseline | Path, allowed: Path | None = None) -> Gate:
    """Return how the build in a bundle stands to the last release, a baseline or the path of a baseline file or a bundle.

    `allowed` is a TOML file of changes that may be, each with its reason. RequestError where the two cannot be compared (another target,
    another model, other samples), where a file is not whole, and where an allowance matches nothing.
    """
    from toolkit.regression.limits import allowances, limits

    by, may = limits(), allowances(allowed)
    before = read(baseline) if isinstance(baseline, Path) else baseline
    if before.verdict != "passed":
        raise RequestError(f"{before.path}: its verdict is {before.verdict}; expected a release that passed")
    now = of_bundle(bundle, (), before.count)
    _require_comparable(before, now)
    same = before.artifact_sha256 == now.artifact_sha256 and before.outputs_digest == now.outputs_digest
    rows = [
        facts.verdict(now),
        *facts.dtypes(before, now),
        *facts.runtime(before, now),
        *facts.sizes(before, now, by),
        *facts.findings(before, now),
        *facts.comparisons(before, now, by),
        *behaviour.tasks(before, now, by, same=same),
        *behaviour.outputs(before, now, same=same),
        *facts.others(before, now, by),
    ]
    return Gate(now.target, bundle, before.path, allow(rows, may))


def _require_comparable(before: Baseline, now: Baseline) -> None:
    """Raise RequestError that says all that is different between two releases that are not two of one model on one target."""
    problems = []
    if before.target != now.target:
        problems.append(f"the target is {now.target}, in the baseline it is {before.target}")
    for side in ("inputs", "outputs"):
        theirs, ours = ({spec.name: spec.shape for spec in getattr(each.signature, side)} for each in (before, now))
        if ours != theirs:
            problems.append(f"another model: its {side} are {ours}, in the baseline they are {theirs}")
    if before.count != now.count:
        problems.append(f"{now.count} samples, {before.count} in the baseline: these have to begin with all of those")
    elif before.samples_digest != now.samples_digest:
        problems.append(f"the first {before.count} samples are others, or in another order")
    elif before.labels_digest is not None and now.labels_digest not in (None, before.labels_digest):
        problems.append("the same samples have other labels")
    if problems:
        lines = [f"{now.path} against {before.path}: {problem}" for problem in problems]
        hint = "--eval with the set of the last release, or a baseline of this one with --update-baseline"
        raise RequestError(printable.lines(lines), hint)


def _short(value: Value) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
