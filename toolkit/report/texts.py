"""A verdict for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit import printable
from toolkit.attribution.text import sentences
from toolkit.compare.noise_limits import KERNELS, NUDGED
from toolkit.errors import EdgeToolkitError
from toolkit.input_ranges import input_lines
from toolkit.printable import Text
from toolkit.report.attempts import wanted_lines
from toolkit.report.wording import (
    OUTCOMES,
    candidate_lines,
    comparison_lines,
    kind_lines,
    noise_text,
    size,
    where_text,
)
from toolkit.verdict import Verdict


def outcomes_text(outcomes: Mapping[str, Verdict | EdgeToolkitError], width: int = 110) -> Text:
    """Return the reports of all targets for a terminal."""
    parts = []
    for name, outcome in outcomes.items():
        if isinstance(outcome, Verdict):
            parts.append(verdict_text(outcome, width, name))
        else:
            told = printable.lines([outcome.text], indent="  ")
            parts.append(printable.lines([f"{printable.name(name):<{width - 14}}NO VERDICT", told]))
    return printable.lines(parts, between="\n\n")


def verdict_text(verdict: Verdict, width: int = 110, name: str | None = None) -> Text:
    """Return one target's report for a terminal; `name` is what it is called, where that is not the target alone."""
    names = map(printable.name, (name or verdict.target.name, verdict.source.path.name, verdict.artifact.scheme))
    title = "   ".join(names)
    lines = [f"{title:<{width - 14}}{OUTCOMES[verdict.outcome]}"]
    lines += [f"  {line}" for line in wanted_lines(verdict)]
    guilty, at_fault = verdict.guilty_stage, verdict.at_fault
    mark = "  <- guilty" if at_fault is None else f"  <- guilty: {at_fault}"
    marked = False
    shown_lines = comparison_lines(verdict.comparisons)
    for comparison, line in zip(verdict.comparisons, shown_lines, strict=True):
        here = comparison.stage == guilty and comparison.status != "passed" and not marked
        marked = marked or here
        lines.append("  " + line + (mark if here else ""))
    if verdict.attribution is not None:
        lines += [
            f"  {'operator' if place == 0 else '':<13} {sentence}"
            for place, sentence in enumerate(sentences(verdict.attribution))
        ]
    lines += [f"  {'input':<13} {line}" for line in input_lines(verdict.inputs)]
    lines += [f"  {'output':<13} {line}" for line in kind_lines(verdict.kinds)]
    whose = "the original run again" + (
        f"; {NUDGED} and {KERNELS}: its float artifact" if NUDGED in verdict.noise else ""
    )
    lines.append(f"  noise         {noise_text(verdict) or 'not measured'} ({whose})")
    if verdict.account is not None:
        lines.append(f"  weights       {verdict.account.line()}")
    for task in verdict.tasks:
        shown = ", ".join(f"{stage} {value:.4f}" for stage, value in task.scores.items())
        lines.append(f"  {task.metric} on {verdict.samples['verification']} labelled samples: {shown}")
    budget = next((spent for spent in verdict.budget if spent.name == "file_bytes"), None)
    limit = f" <= {size(budget.limit)}{'' if budget.passed else '  FAIL'}" if budget else ""
    emulated = any("emulator" in run.about for run in verdict.runs.values())
    lines.append(
        f"  file          {size(verdict.artifact.size_bytes)}{limit}"
        + ("     latency not measured (emulated)" if emulated else "")
    )
    last = list(verdict.runs.values())[-1]
    original, canonical = verdict.runs["original"].engine, verdict.runs.get("source", verdict.runs["original"]).engine
    theirs = "" if original == canonical else f"original on {original}; "
    lines.append(f"  {theirs}made by {canonical}; ran on {where_text(last)}")
    lines += [f"  {line}" for line in candidate_lines(verdict)]
    lines += [f"  {finding['severity']}: {printable.sentence(finding['message'])}" for finding in verdict.findings]
    return printable.lines(lines)
