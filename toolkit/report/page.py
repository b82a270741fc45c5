"""A verdict as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.attribution.text import sentences, table
from toolkit.report.attempts import wanted_lines
from toolkit.report.wording import (
    OUTCOMES,
    candidate_lines,
    confined_text,
    coverage_lines,
    kind_lines,
    limit_text,
    noise_text,
    number_text,
    size,
    value_text,
    where_text,
)

if TYPE_CHECKING:
    from toolkit.verdict import Verdict
    from toolkit.weights import Account

_ROWS = 5  # of constants
_SHOWN = ("max_abs", "sqnr_db", "top1_agreement")


def markdown(verdict: Verdict, artifact: str) -> str:
    """Return one target's report as Markdown."""
    lines = [
        f"# {verdict.target.name}: {OUTCOMES[verdict.outcome]}",
        "",
        *_wanted(verdict),
        f"`{artifact}` ({verdict.artifact.scheme}, {size(verdict.artifact.size_bytes)}, sha256 `{verdict.artifact.sha256}`)  ",
        f"from `{verdict.source.path}` ({verdict.source.kind}, signature `{verdict.source.key}`, sha256 `{verdict.source.sha256}`)  ",
        f"verified with {verdict.samples['verification']} samples" + _calibrated(verdict),
        "",
        "## Bounds",
        "",
        "| stage | output | metric | value | limit | | because |",
        "|---|---|---|---|---|---|---|",
    ]
    mark = " (guilty)" if verdict.at_fault is None else f" (guilty: {verdict.at_fault})"
    for comparison in verdict.comparisons:
        guilty = mark if comparison.stage == verdict.guilty_stage and comparison.status != "passed" else ""
        cells = (
            comparison.stage, f"`{comparison.output}`", comparison.metric, value_text(comparison), limit_text(comparison),
            comparison.status + guilty, comparison.because,
        )  # fmt: skip
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    if verdict.attribution is not None:
        lines += ["", "## Which operator", "", *(f"- {line}" for line in sentences(verdict.attribution))]
        folded = [
            "<details><summary>All operators</summary>",
            "",
            "```",
            table(verdict.attribution),
            "```",
            "",
            "</details>",
        ]
        lines += ["", *folded] if verdict.attribution.operators else []
    lines += [
        "",
        "## Stages",
        "",
        "| stage | engine | output | " + " | ".join(f"{name} (isolated / cumulative)" for name in _SHOWN) + " |",
    ]
    lines.append("|---" * (3 + len(_SHOWN)) + "|")
    for stage in verdict.stages:
        for output in stage.measured.outputs:
            # What agrees on the largest of pixels or corners says nothing.
            scores = output not in verdict.kinds or verdict.kinds[output].name == "class_scores"
            columns = [
                f"{_shown(stage.measured, output, name)} / {_shown(verdict.cumulative[stage.stage], output, name)}"
                if scores or name != "top1_agreement"
                else "-"
                for name in _SHOWN
            ]
            lines.append(
                f"| {stage.stage} | {where_text(verdict.runs[stage.stage])} | `{output}` | "
                + " | ".join(columns)
                + " |"
            )
    for task in verdict.tasks:
        lines += [
            "",
            f"## Against the labels: {task.metric} ({task.better} is better)",
            "",
            "| stage | score |",
            "|---|---|",
        ]
        lines += [f"| {stage} | {value:.4f} |" for stage, value in task.scores.items()]
    lines += _of_weights(verdict.account)
    if verdict.kinds:
        lines += ["", "## Outputs", "", *(f"- {line}" for line in kind_lines(verdict.kinds))]
    lines += ["", f"The original's own noise (largest absolute difference): {noise_text(verdict) or 'not measured'}."]
    confined = confined_text(verdict)
    lines += (
        ["", f"What kept the model's jobs to their own files and from the network: {confined}."] if confined else []
    )
    if verdict.source.coverage is not None:
        lines += ["", *(f"- {line}" for line in coverage_lines(verdict.source.coverage))]
    if len(verdict.candidates) > 1:
        lines += ["", "## Variants of the scheme", "", *(f"- {line}" for line in candidate_lines(verdict))]
    if verdict.findings:
        lines += ["", "## Findings", ""]
        lines += [
            f"- {finding['severity']}: {finding['message']} (`{finding['code']}`)" for finding in verdict.findings
        ]
    return "\n".join(lines) + "\n"


def _wanted(verdict: Verdict) -> list[str]:
    """Return what was wanted and what came out, and the next command, with an empty line behind; nothing where that was all."""
    lines = [line.replace("|", "\\|") for line in wanted_lines(verdict)]
    return [*(f"{line}  " for line in lines), ""] if lines else []


def _shown(measured: Any, output: str, metric: str) -> str:
    for measurement in measured.measurements:
        if (measurement.output, measurement.metric) == (output, metric):
            unit, value = next(iter(measurement.values.items()))
            return number_text(value, unit)
    return "-"


def _of_weights(account: Account | None) -> list[str]:
    """Return what is said of the artifact's constants: those that are others, else those that are off most."""
    if account is None:
        return []
    lines = ["", "## Weights", "", f"{account.line()}."]
    rows = (account.wrong or account.worst)[:_ROWS]
    if rows:
        lines += ["", "| operator | constant | | dtype | dB | |", "|---|---|---|---|---|---|"]
    for row in rows:
        said = row["what"] or row.get("because", "")
        named = (row["operator"], f"`{row['tensor']}`", row["role"], row["dtype"])
        cells = (*named, number_text(float(row["sqnr_db"]), ""), said)
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return lines


def _calibrated(verdict: Verdict) -> str:
    count = verdict.samples.get("calibration")
    return f", calibrated with {count} others" if count else ""
