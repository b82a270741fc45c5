"""Compares a build with the last release, row by row.

The rows:

    verdict               it must be passed
    inputs, outputs       their dtypes, by name; other names or shapes are another model
    runtime               the engine that ran it, with its version
    inputs order, outputs order   the order in the artifact itself, for callers that pass tensors by position
    size_bytes, latency_ms   how much they grew; latency only if it was measured on the device
    finding CODE          how often a finding occurs that is more than information
    bound STAGE OUTPUT METRIC    no bound may be gone or looser
    STAGE OUTPUT METRIC          (of the total) how much of the margin to its bound is gone
    task METRIC           the paired test; see `toolkit.comparison.paired_difference`
    lost METRIC           net number of samples lost, if each is right or wrong: no more than chance explains, however large a drop is allowed
    lost METRIC class C   the same for one class, by its name
    outputs OUTPUT METRIC        the new outputs against the old ones, by the bounds that the old release had on its total. The last release takes
                          the place of the original. If the weights changed on purpose and a task metric judges them, these rows are
                          shown and not judged
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
    """A `Gate` as JSON. The paths are those of the bundle and of the last release."""

    schema: int
    target: str
    bundle: str
    baseline: str
    outcome: Outcome
    rows: list[GateRowJson]


@dataclass(frozen=True, slots=True)
class Gate:
    """The result of comparing a build with a baseline. `outcome` follows from the rows."""

    target: str
    bundle: Path
    baseline: Path
    rows: tuple[GateRow, ...]

    def __repr__(self) -> str:
        return printable.line(f"<Gate of {self.bundle} against {self.baseline}: {self.outcome}>")

    @property
    def outcome(self) -> Outcome:
        """Return "passed" only if at least one row is judged, and each judged row passed or is allowed."""
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
        """Return the text for a terminal: a line for each row, with the reason unless it passed. Unchanged rows are only counted."""
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


_NARROWEST = 40  # the column of names, so that it is the same width in most gates
_SIGNS = {"lower": "<=", "higher": ">=", None: "="}


def check(bundle: Path, baseline: Baseline | Path, allowed: Path | None = None) -> Gate:
    """Return the comparison of the build in a bundle with the last release: a baseline, or the path of a baseline file or a bundle.

    `allowed` is a TOML file of allowed changes, each with its reason. Raise RequestError if the two cannot be compared (another target, another
    model, other samples), if a file is damaged, and if an allowance matches nothing.
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
    """Raise RequestError with all differences if two releases are not of the same model, target and samples."""
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
