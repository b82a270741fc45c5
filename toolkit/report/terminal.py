"""A verdict for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit import printable
from toolkit.comparison.noise_limits import KERNELS, NUDGED
from toolkit.comparison.wording import comparison_lines
from toolkit.errors import EdgeToolkitError
from toolkit.printable import Text
from toolkit.report.attempts import wanted_lines
from toolkit.report.json_documents import exit_status
from toolkit.report.overview import overview_text
from toolkit.report.screen import PAGE, Screen
from toolkit.report.summary import size_text, summary_lines
from toolkit.report.wording import (
    OUTCOMES,
    arena_text,
    candidate_lines,
    kind_lines,
    noise_text,
    static_text,
    untimed_text,
    where_text,
)
from toolkit.samples.input_ranges import input_lines
from toolkit.verdict.verdict import Verdict


def outcomes_text(outcomes: Mapping[str, Verdict | EdgeToolkitError], screen: Screen = PAGE) -> Text:
    """Return the reports of all targets for a terminal: each on one screen, or whole if the screen shows all rows.

    If there are several, a table with one row for each comes first.
    """
    parts: list[Text] = []
    if len(outcomes) > 1:
        parts.append(overview_text(outcomes, screen, exit_status(outcomes)))
    for name, outcome in outcomes.items():
        if isinstance(outcome, Verdict):
            parts.append(verdict_text(outcome, screen, name))
        else:
            told = printable.lines([outcome.text], indent="  ")
            parts.append(printable.lines([screen.title(printable.name(name), "NO VERDICT"), told]))
    return printable.lines(parts, between="\n\n")


def verdict_text(verdict: Verdict, screen: Screen = PAGE, name: str | None = None) -> Text:
    """Return one target's report for a terminal. `name` is its name, if that is not just the target's."""
    names = map(printable.name, (name or verdict.target.name, verdict.source.path.name, verdict.artifact.scheme))
    title = screen.title("   ".join(names), OUTCOMES[verdict.outcome])
    return screen.fitted(
        printable.lines([title, *(_whole(verdict) if screen.whole else summary_lines(verdict, screen.width))])
    )


def _whole(verdict: Verdict) -> list[str]:
    """Return all lines of a report below its title."""
    static = static_text(verdict)
    lines = [f"  {line}" for line in ([static] if static else []) + wanted_lines(verdict)]
    guilty, at_fault = verdict.guilty_stage, verdict.at_fault
    mark = "  <- guilty" if at_fault is None else f"  <- guilty: {at_fault}"
    marked = False
    shown_lines = comparison_lines(verdict.comparisons)
    for comparison, line in zip(verdict.comparisons, shown_lines, strict=True):
        here = comparison.stage == guilty and comparison.status != "passed" and not marked
        marked = marked or here
        lines.append("  " + line + (mark if here else ""))
    if verdict.attribution is not None:
        from toolkit.verdict.attribution_text import sentences

        lines += [
            f"  {'operator' if place == 0 else '':<13} {sentence}"
            for place, sentence in enumerate(sentences(verdict.attribution))
        ]
    lines += [f"  {'input':<13} {line}" for line in input_lines(verdict.inputs)]
    lines += [f"  {'output':<13} {line}" for line in kind_lines(verdict.kinds)]
    whose = "the original run again" + (
        f"; {NUDGED} and {KERNELS}: its float artifact" if NUDGED in verdict.noise else ""
    )
    lines.append(f"  {'repeatability':<13} {noise_text(verdict) or 'not measured'} ({whose})")
    if verdict.account is not None:
        lines.append(f"  weights       {verdict.account.line()}")
    for task in verdict.tasks:
        shown = ", ".join(f"{stage} {value:.4f}" for stage, value in task.scores.items())
        lines.append(f"  {task.metric} on {verdict.samples['verification']} labelled samples: {shown}")
    untimed = untimed_text(verdict).lstrip(";, ")
    lines.append(f"  file          {size_text(verdict)}" + (f"     {untimed}" if untimed else ""))
    if verdict.arena is not None:
        lines.append(f"  arena         {arena_text(verdict)}")
    lines += _latency_lines(verdict)
    last = list(verdict.runs.values())[-1]
    original, canonical = verdict.runs["original"].engine, verdict.runs.get("source", verdict.runs["original"]).engine
    theirs = "" if original == canonical else f"original on {original}; "
    made = f"{theirs}made by {canonical}; ran on {where_text(last)}"
    lines.append(f"  {printable.sentence(made)}")
    lines += [f"  {line}" for line in candidate_lines(verdict)]
    lines += [f"  {finding.severity}: {printable.sentence(finding.message)}" for finding in verdict.findings]
    return lines


def _latency_lines(verdict: Verdict) -> list[str]:
    """Return the lines about latency and memory, if they were measured, then the budgets for them."""
    if verdict.latency is None:
        return []
    from toolkit.report.latency import budget_lines, latency_lines

    lines = [f"  {label:<13} {printable.sentence(line)}" for label, line in latency_lines(verdict.latency)]
    return lines + [f"  {'budget':<13} {line}" for line in budget_lines(verdict)]
