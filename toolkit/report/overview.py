"""The outcomes of several targets at a glance, one row each: the table that stands before the reports, and `summary` of the JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from toolkit import printable
from toolkit.comparison.measure import plain_json
from toolkit.comparison.wording import number_text
from toolkit.errors import EdgeToolkitError, EnvironmentUnavailable, TargetUnavailable
from toolkit.printable import Text
from toolkit.report.attempts import deciding_comparison, deciding_text, reason_text
from toolkit.report.screen import Screen
from toolkit.report.wording import OUTCOMES, size
from toolkit.verdict.chain_findings import NOT_EXECUTED
from toolkit.verdict.refusals import DoesNotFit, Unsupported, findings_of
from toolkit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.comparison.compare import Comparison
    from toolkit.report.documents import ScoreRow, SummaryRow

_NO_VERDICT = "NO VERDICT"
_NOTHING = "-"
_GAP = Text("  ")
_WORDS: Mapping[type[EdgeToolkitError], str] = {
    TargetUnavailable: "unavailable",
    EnvironmentUnavailable: "unavailable",
    Unsupported: "unsupported",
    DoesNotFit: "does not fit",
}
_LEAST_NAME = 12  # characters of the column of names; a longer name may stand on a line of its own


def summary_json(outcomes: Mapping[str, Verdict | EdgeToolkitError]) -> list[SummaryRow]:
    """Return one row for each target, in the order of the request."""
    rows = [
        _of_verdict(name, outcome) if isinstance(outcome, Verdict) else _of_error(name, outcome)
        for name, outcome in outcomes.items()
    ]
    return cast("list[SummaryRow]", plain_json(rows))


def overview_text(outcomes: Mapping[str, Verdict | EdgeToolkitError], screen: Screen, status: int) -> Text:
    """Return the table for a terminal: how many have each outcome, then a row for each target, with its reason below if there is one.

    Nothing is cut: a name that is too long for the width stands on a line of its own. `status` is the exit status of the command.
    """
    rows = summary_json(outcomes)
    counts = Counter(_outcome(row) for row in rows)
    told = ", ".join(f"{counts[each]} {each.lower()}" for each in (*OUTCOMES.values(), _NO_VERDICT) if counts[each])
    metrics = {row["score"]["metric"] for row in rows if row["score"] is not None}
    shared = metrics.pop() if len(metrics) == 1 else None
    header = ("target", "verdict", "ships", "size", shared or "score", "")
    cells = [header, *(_cells(row, shared) for row in rows)]
    table = [[printable.name(cell) for cell in each] for each in cells]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if screen.width is not None:
        widths[0] = min(widths[0], max(_LEAST_NAME, screen.width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)))
    lines = [printable.line(f"{len(rows)} verdicts: {told}; exit status {status}"), *_row(table[0], widths, screen)]
    for row, shown in zip(rows, table[1:], strict=True):
        lines += _row(shown, widths, screen)
        lines += [printable.together(Text("    "), printable.sentence(row["reason"]))] if row["reason"] else []
    return screen.fitted(printable.lines(lines))


def _of_verdict(name: str, verdict: Verdict) -> SummaryRow:
    shipped = verdict.artifact.scheme if verdict.passed else None
    return {
        "target": name,
        "outcome": verdict.outcome,
        "error": None,
        "codes": sorted({each.code for each in verdict.findings if each.is_grave}),
        "shipped": shipped,
        "size_bytes": None if shipped is None else verdict.artifact.size_bytes,
        "score": _score(verdict),
        "emulated": any("emulator" in run.about for run in verdict.runs.values()),
        "guilty_stage": verdict.guilty_stage,
        "reason": _why(verdict),
    }


def _of_error(name: str, error: EdgeToolkitError) -> SummaryRow:
    codes = sorted({each.code for each in findings_of(error)})
    kind = _WORDS.get(type(error), type(error).__name__) + (f" ({', '.join(codes)})" if codes else "")
    return {
        "target": name,
        "outcome": "error",
        "error": type(error).__name__,
        "codes": codes,
        "shipped": None,
        "size_bytes": None,
        "score": None,
        "emulated": None,
        "guilty_stage": None,
        "reason": f"{kind}: {error.problem.partition(chr(10))[0]}",
    }


def _score(verdict: Verdict) -> ScoreRow | None:
    """Return the first score of the last stage by the labels, else the worst value of the total's first metric; None without either."""
    last = list(verdict.runs)[-1]
    for task in verdict.tasks:
        if last in task.scores:
            return {"metric": task.metric, "value": task.scores[last], "text": f"{task.scores[last]:.4f}"}
    total = [each for each in verdict.comparisons if each.stage == "total"]
    if not total:
        return None
    worst = _worst([each for each in total if each.metric == total[0].metric and each.unit == total[0].unit])
    return {"metric": worst.metric, "value": worst.value, "text": number_text(worst.value, worst.unit)}


def _worst(same: Sequence[Comparison]) -> Comparison:
    """Return the comparison with the worst value, of several by one metric: one that did not pass if there is one. A NaN is the worst."""

    def goodness(each: Comparison) -> tuple[bool, bool, float]:
        return each.passed, each.value == each.value, each.value if each.better == "higher" else -each.value

    return min(same, key=goodness)


def _why(verdict: Verdict) -> str:
    """Return why nothing ships, or that another scheme ships than was wanted; "" if the wanted one ships."""
    if verdict.passed:
        wanted = verdict.wanted
        return "" if wanted is None else f"wanted {wanted.scheme}, ships {verdict.artifact.scheme}"
    comparison, guilty = deciding_comparison(verdict), verdict.guilty_stage
    said = reason_text(verdict) if comparison is None else deciding_text(comparison)
    stage = "" if guilty is None else f"guilty stage {guilty}; "
    return f"{verdict.artifact.scheme}: {stage}{said}"


def _outcome(row: SummaryRow) -> str:
    return OUTCOMES.get(row["outcome"], _NO_VERDICT)


def _cells(row: SummaryRow, shared: str | None) -> tuple[str, ...]:
    """Return the cells of a row. The metric stands beside its value unless all rows have the same one."""
    score = row["score"]
    scored = _NOTHING if score is None else score["text"] if shared else f"{score['metric']} {score['text']}"
    bytes_ = _NOTHING if row["size_bytes"] is None else size(row["size_bytes"])
    return (
        row["target"],
        _outcome(row),
        row["shipped"] or _NOTHING,
        bytes_,
        scored,
        "static" if NOT_EXECUTED in row["codes"] else "emulated" if row["emulated"] else "",
    )


def _row(cells: Sequence[Text], widths: Sequence[int], screen: Screen) -> list[Text]:
    """Return the lines of a row: two if the name is longer than its column."""
    name, outcome, *others = cells
    above = [name] if len(name) > widths[0] else []
    shown = [Text(" " * widths[0]) if above else Text(name.ljust(widths[0]))]
    shown += [printable.together(screen.coloured(outcome), Text(" " * (widths[1] - len(outcome))))]
    shown += [Text(cell.ljust(wide)) for cell, wide in zip(others, widths[2:], strict=True)]
    return [*above, Text(_GAP.join(shown).rstrip())]
