"""A verdict as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit import printable
from toolkit.comparison.wording import limit_text, number_text, value_text, worst_of
from toolkit.report.attempts import command_text, tried_lines
from toolkit.report.wording import (
    OUTCOMES,
    arena_text,
    candidate_lines,
    confined_text,
    coverage_lines,
    kind_lines,
    noise_text,
    size,
    static_text,
    untimed_text,
    where_text,
)
from toolkit.samples.input_ranges import input_lines

if TYPE_CHECKING:
    from toolkit.comparison.compare import Measured
    from toolkit.verdict.verdict import Verdict
    from toolkit.weights.judge import Account

_ROWS = 5  # of constants
_TERMS = "What the terms mean: `docs/glossary.md`, which comes with edge-toolkit."
_SHOWN = ("max_abs", "sqnr_db", "top1_agreement")


def markdown(verdict: Verdict, artifact: str) -> str:
    """Return one target's report as Markdown."""
    lines = [
        *_head(verdict, artifact),
        "",
        "## Bounds",
        "",
        "| stage | output | metric | value | limit | | because |",
        "|---|---|---|---|---|---|---|",
    ]
    mark = " (guilty)" if verdict.at_fault is None else f" (guilty: {verdict.at_fault})"
    for comparison in verdict.comparisons:
        guilty = mark if comparison.stage == verdict.guilty_stage and comparison.status != "passed" else ""
        worst = f"; {worst_of(comparison)}" if worst_of(comparison) else ""
        said = (comparison.metric, value_text(comparison), limit_text(comparison), comparison.status + guilty + worst)
        lines.append(_row(comparison.stage, _Name(comparison.output), *said, comparison.because))
    if verdict.attribution is not None:
        from toolkit.verdict.attribution_text import sentences, table

        lines += ["", "## Which operator", "", *map(_item, sentences(verdict.attribution))]
        folded = [
            "<details><summary>All operators</summary>",
            "",
            *(f"    {line}" for line in table(verdict.attribution).split("\n")),
            "",
            "</details>",
        ]
        lines += ["", *folded] if verdict.attribution.operators else []
    lines += [*_of_stages(verdict), *_of_tasks(verdict), *_of_weights(verdict.account), *_of_latency(verdict)]
    if verdict.inputs:
        lines += ["", "## Inputs", "", *map(_item, input_lines(verdict.inputs))]
    if verdict.kinds:
        lines += ["", "## Outputs", "", *map(_item, kind_lines(verdict.kinds))]
    lines += [
        "",
        f"Repeatability of the original (largest absolute difference): {_noise(verdict)}.",
        *_confined(verdict),
    ]
    if verdict.source.coverage is not None:
        lines += ["", *map(_item, coverage_lines(verdict.source.coverage))]
    if len(verdict.candidates) > 1:
        lines += ["", "## Variants of the scheme", "", *map(_item, candidate_lines(verdict))]
    if verdict.findings:
        lines += ["", "## Findings", ""]
        lines += [
            f"{_item(f'{finding.severity}: {finding.message}')} ({printable.code(finding.code)})"
            for finding in verdict.findings
        ]
    lines += ["", _TERMS]
    return "\n".join(lines) + "\n"


def _of_stages(verdict: Verdict) -> list[str]:
    """Return how far each output of each stage is from the stage before it, and from the original."""
    lines = [
        "",
        "## Stages",
        "",
        "| stage | engine | output | " + " | ".join(f"{name} (isolated / cumulative)" for name in _SHOWN) + " |",
    ]
    lines.append("|---" * (3 + len(_SHOWN)) + "|")
    for stage in verdict.stages:
        for output in stage.measured.outputs:
            # For pixels or corners, agreement on the largest value means nothing.
            scores = output not in verdict.kinds or verdict.kinds[output].name == "class_scores"
            columns = [
                f"{_shown(stage.measured, output, name)} / {_shown(verdict.cumulative[stage.stage], output, name)}"
                if scores or name != "top1_agreement"
                else "-"
                for name in _SHOWN
            ]
            lines.append(_row(stage.stage, where_text(verdict.runs[stage.stage]), _Name(output), *columns))
    return lines


def _of_tasks(verdict: Verdict) -> list[str]:
    """Return the scores of each stage by the labels."""
    lines: list[str] = []
    for task in verdict.tasks:
        lines += [
            "",
            f"## Against the labels: {printable.markdown(task.metric)} ({task.better} is better)",
            "",
            "| stage | score |",
            "|---|---|",
        ]
        lines += [_row(stage, f"{value:.4f}") for stage, value in task.scores.items()]
    return lines


def _static(verdict: Verdict) -> list[str]:
    said = static_text(verdict)
    return [f"**{printable.markdown(said)}**", ""] if said else []


def _head(verdict: Verdict, artifact: str) -> list[str]:
    """Return the first lines: the verdict, what was wanted, the files, and how many samples judge."""
    source = verdict.source
    return [
        f"# {printable.markdown(verdict.target.name)}: {OUTCOMES[verdict.outcome]}",
        "",
        *_static(verdict),
        *_wanted(verdict),
        f"{printable.code(artifact)} ({verdict.artifact.scheme}, {size(verdict.artifact.size_bytes)}, sha256 `{verdict.artifact.sha256}`)  ",
        f"from {printable.code(source.path)} ({printable.markdown(source.kind)}, signature {printable.code(source.key)}, sha256 `{source.sha256}`)  ",
        f"verified with {verdict.samples['verification']} samples{_calibrated(verdict)}{printable.markdown(untimed_text(verdict))}",
        *(
            ["", f"Arena: {arena_text(verdict)}. {printable.markdown(verdict.arena.because)}"]
            if verdict.arena is not None
            else []
        ),
    ]


def _wanted(verdict: Verdict) -> list[str]:
    """Return the attempts and the next command, followed by an empty line; [] if there is neither."""
    lines = [printable.markdown(line) for line in tried_lines(verdict)]
    step = verdict.next_step
    if step is not None:
        lines += [f"next: {printable.code(command_text(step), printable.LONGEST_LINE)}", printable.markdown(step.why)]
    return [*(f"{line}  " for line in lines), ""] if lines else []


def _shown(measured: Measured, output: str, metric: str) -> str:
    for measurement in measured.measurements:
        if (measurement.output, measurement.metric) == (output, metric):
            unit, value = next(iter(measurement.values.items()))
            return number_text(value, unit)
    return "-"


def _noise(verdict: Verdict) -> str:
    return printable.markdown(noise_text(verdict) or "not measured")


def _confined(verdict: Verdict) -> list[str]:
    said = confined_text(verdict)
    kept = "What kept the model's jobs to their own files and from the network"
    return ["", f"{kept}: {printable.markdown(said)}."] if said else []


def _of_weights(account: Account | None) -> list[str]:
    """Return the lines about the artifact's constants: the wrong ones, else those with the largest difference."""
    if account is None:
        return []
    lines = ["", "## Weights", "", f"{printable.markdown(account.line())}."]
    rows = (account.wrong or account.worst)[:_ROWS]
    if rows:
        lines += ["", "| operator | constant | | dtype | dB | |", "|---|---|---|---|---|---|"]
    for row in rows:
        said = row["what"] or row.get("because", "")
        named = (row["operator"], _Name(row["tensor"]), row["role"], row["dtype"])
        lines.append(_row(*named, number_text(float(row["sqnr_db"]), ""), said))
    return lines


def _of_latency(verdict: Verdict) -> list[str]:
    """Return the lines about latency and memory, if they were measured, then the budgets for them."""
    if verdict.latency is None:
        return []
    from toolkit.report.latency import budget_lines, latency_lines

    told = [f"{label}: {line}" if label else line for label, line in latency_lines(verdict.latency)]
    told += [f"budget: {line}" for line in budget_lines(verdict)]
    return ["", "## Latency", "", *map(_item, told)]


def _calibrated(verdict: Verdict) -> str:
    count = verdict.samples.get("calibration")
    return f", calibrated with {count} others" if count else ""


class _Name(str):
    """A name from the model in a row, shown as code."""

    __slots__ = ()


def _row(*cells: object) -> str:
    """Return a row of a table. Each cell is escaped, so its text cannot end the cell."""
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(cell: object) -> str:
    return printable.code(cell, in_table=True) if isinstance(cell, _Name) else printable.markdown(cell)


def _item(text: str) -> str:
    return f"- {printable.markdown(text)}"
