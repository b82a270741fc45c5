"""A verdict on one screen: the outcome, its evidence, the artifact, and the deciding comparisons. The rest is counted; the whole report shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit import printable
from toolkit.comparison.deciding import ALL
from toolkit.comparison.wording import limit_text, remarks, status_text, value_text
from toolkit.report.attempts import command_text, tried_lines
from toolkit.report.wording import arena_text, kind_lines, size, static_text, untimed_text, where_text
from toolkit.samples.input_ranges import input_lines

if TYPE_CHECKING:
    from toolkit.comparison.compare import Comparison
    from toolkit.verdict.verdict import Verdict

_ROWS = 8  # of comparisons
_WARNINGS = 3
_LABEL = 14  # characters before the text of a line
# Characters of the columns output, metric, value and limit. A longer cell moves the columns after it.
_MOST = (16, 20, 24, 24)


def summary_lines(verdict: Verdict, width: int | None) -> list[str]:
    """Return the lines of a verdict below its title, for one screen of `width` columns; None for as many as they need."""
    lines = [_said("verified", _verified(verdict))]
    lines += [f"  {printable.sentence(line)}" for line in tried_lines(verdict)]
    lines += [_line("size", size_text(verdict))]
    lines += [_said("arena", arena_text(verdict))] if verdict.arena is not None else []
    lines += _latency(verdict)
    for task in verdict.tasks:
        shown = ", ".join(f"{stage} {value:.4f}" for stage, value in task.scores.items() if stage in _ends(verdict))
        lines.append(_said("accuracy", f"{task.metric}: {shown}"))
    lines += [_said("input", line) for line in input_lines(verdict.inputs)]
    lines += [_said("output", line) for line in kind_lines(verdict.kinds)]
    rows = deciding_rows(verdict)
    lines += _rows(verdict, rows, width)
    if verdict.attribution is not None:
        from toolkit.verdict.attribution_text import sentences  # only a failed verdict has one

        lines += [
            _said("operator" if place == 0 else "", one) for place, one in enumerate(sentences(verdict.attribution))
        ]
    lines += _findings(verdict)
    left = len(verdict.comparisons) - len(rows)
    lines += [f"  {left} more comparison{'s' if left > 1 else ''}: -v shows all"] if left else []
    step = verdict.next_step
    return lines + ([] if step is None else [f"  next: {command_text(step)}", f"        {step.why}"])


def size_text(verdict: Verdict) -> str:
    """Return the size of the file, its share of the float artifact's size, and the limit if there is one."""
    artifact, floats = verdict.artifact, verdict.float_bytes
    text = size(artifact.size_bytes)
    if floats and artifact.size_bytes != floats:
        text += f", {artifact.size_bytes / floats:.0%} of the {size(floats)} in float32"
    spent = next((each for each in verdict.budget if each.name == "file_bytes"), None)
    return text + ("" if spent is None else f"; limit {size(int(spent.limit))}{'' if spent.passed else '  FAIL'}")


def deciding_rows(verdict: Verdict) -> list[Comparison]:
    """Return the comparisons that decided: those that did not pass, the guilty stage's first. If all passed, return those of the total.

    At most 8 are returned. A value beyond its limit that passed because the result is not certain is always a candidate.
    """
    against = [each for each in verdict.comparisons if not each.passed]
    if against:
        against.sort(key=lambda each: (each.stage != verdict.guilty_stage, each.status != "failed"))
        return against[:_ROWS]
    left_open = [each for each in verdict.comparisons if each.is_left_open]
    total = [each for each in verdict.comparisons if each.stage == "total" and not each.is_left_open]
    return [*left_open, *total][:_ROWS]


def _rows(verdict: Verdict, rows: Sequence[Comparison], width: int | None) -> list[str]:
    """Return the lines of each comparison. The guilty stage's first one is marked. Remarks go on the next line if a line has no room for them."""
    cells = [_cells(each, verdict) for each in rows]
    widths = [min(max(map(len, column)), most) for column, most in zip(zip(*cells, strict=True), _MOST, strict=True)]
    marked = next((each for each in rows if each.stage == verdict.guilty_stage and not each.passed), None)
    fault = f": {verdict.at_fault}" if verdict.at_fault else ""
    lines = []
    for comparison, row in zip(rows, cells, strict=True):
        mark = f"<- guilty{fault}" if comparison is marked else ""
        said = "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True) if wide)
        line = _line(comparison.stage, "  ".join(filter(None, (said, status_text(comparison), mark))).rstrip())
        more = "; ".join(remarks(comparison))
        fits = width is None or len(line) + 2 + len(more) <= width
        lines += [f"{line}  {more}".rstrip()] if fits else [line, _line("", f"  {more}")]
    return lines


def _cells(comparison: Comparison, verdict: Verdict) -> tuple[str, str, str, str]:
    """Return output, metric, value and limit. The output is empty if the model has only one."""
    outputs = {each.output for each in verdict.comparisons} - {ALL}
    output = printable.name(comparison.output) if len(outputs) > 1 else ""
    return output, comparison.metric, value_text(comparison), limit_text(comparison)


def _findings(verdict: Verdict) -> list[str]:
    """Return every finding against the verdict, then the first others (warnings before infos), and the number of those left out."""
    grave = [each for each in verdict.findings if each.is_grave]
    others = sorted((each for each in verdict.findings if not each.is_grave), key=lambda each: each.severity == "info")
    lines = [f"  {each.severity}: {printable.sentence(each.message)}" for each in (*grave, *others[:_WARNINGS])]
    left = len(others) - _WARNINGS
    return lines + ([f"  {left} more finding{'s' if left > 1 else ''}: -v shows all"] if left > 0 else [])


def _verified(verdict: Verdict) -> str:
    """Return the number of samples, and where the last stage ran; first of all that nothing executed the target's runtime, if so."""
    count = verdict.samples["verification"]
    static = static_text(verdict)
    where = where_text(list(verdict.runs.values())[-1])
    return f"{static + '; ' if static else ''}{count} samples on {where}{untimed_text(verdict)}"


def _ends(verdict: Verdict) -> tuple[str, str]:
    """Return the first and the last stage: the original, and the artifact that ships."""
    stages = list(verdict.runs)
    return stages[0], stages[-1]


def _said(label: str, said: str) -> str:
    """Return a line that is a sentence. Wide gaps are removed, so that a name in it cannot look like columns."""
    return _line(label, printable.sentence(said))


def _line(label: str, said: str) -> str:
    return f"  {label:<{_LABEL}}{said}"


def _latency(verdict: Verdict) -> list[str]:
    """Return the lines about latency and memory, if they were measured; of what one screen has no room for, -v shows the rest."""
    if verdict.latency is None:
        return []
    from toolkit.report.latency import budget_lines, latency_lines

    lines = [_said(label, line) for label, line in latency_lines(verdict.latency) if label]
    return lines + [_line("budget", line) for line in budget_lines(verdict)]
