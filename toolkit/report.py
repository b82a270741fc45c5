"""A verdict as JSON, as Markdown, and as text for a terminal: the same facts three times."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.compare.measuring import plain_json
from toolkit.errors import EdgeToolkitError
from toolkit.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.compare import Comparison
    from toolkit.conversion import Artifact
    from toolkit.environments import Status
    from toolkit.runtime import Run
    from toolkit.target import Target, Value

SCHEMA = 1
_LISTED = 8
_SHOWN = ("max_abs", "sqnr_db", "top1_agreement")
_WORDS = {"passed": "PASSED", "failed": "NOT PASSED", "inconclusive": "INCONCLUSIVE"}


def verdict_json(verdict: Verdict, artifact: str) -> dict[str, Any]:
    """Return the report as JSON; `artifact` is the artifact's path as seen from the report."""
    document = {
        "schema": SCHEMA,
        "target": verdict.target.name,
        "verdict": verdict.outcome,
        "source": source_json(verdict),
        "artifact": {
            "path": artifact,
            "sha256": verdict.artifact.sha256,
            "size_bytes": verdict.artifact.size_bytes,
            "scheme": verdict.artifact.scheme,
            "signature": verdict.artifact.signature,
            "operators": list(verdict.artifact.operators),
        },
        "candidates": [dict(candidate) for candidate in verdict.candidates],
        "samples": dict(verdict.samples),
        "stopped_early": verdict.early,
        "comparisons": [comparison.to_json() for comparison in verdict.comparisons],
        "guilty_stage": verdict.guilty_stage,
        "stages": [
            {
                "stage": stage.stage,
                "isolated": [measurement.to_json() for measurement in stage.measured.measurements],
                "cumulative": [measurement.to_json() for measurement in verdict.cumulative[stage.stage].measurements],
                "not_applicable": [
                    {"output": skipped.output, "metric": skipped.metric, "reason": skipped.reason}
                    for skipped in stage.skipped
                ],
            }
            for stage in verdict.stages
        ],
        "accuracy": dict(verdict.accuracy),
        "noise": {kind: dict(values) for kind, values in verdict.noise.items()},
        "budget": {
            spent.name: {"spent": spent.spent, "limit": spent.limit, "passed": spent.passed} for spent in verdict.budget
        },
        "runs": {stage: run_about(run) for stage, run in verdict.runs.items()},
        "findings": [dict(finding) for finding in verdict.findings],
        "tried": [_attempt_json(attempt) for attempt in verdict.tried],
        "tools": tools(verdict),
        "seconds": {"total": round(verdict.seconds, 3)},
    }
    return dict(plain_json(document))


def source_json(verdict: Verdict) -> dict[str, Any]:
    """Return where the artifact came from."""
    source = verdict.source
    return {
        "kind": source.kind,
        "path": str(source.path),
        "sha256": source.sha256,
        "signature": source.key,
        "writer": source.writer,
        "loader": source.loader,
        "device": source.device,
        "coverage": None if source.coverage is None else dict(source.coverage),
    }


def tools(verdict: Verdict) -> dict[str, str]:
    """Return name and version of every engine that ran."""
    engines = {run.engine for run in verdict.runs.values()}
    return dict(sorted((engine.rpartition(" ")[0], engine.rpartition(" ")[2]) for engine in engines))


def run_about(run: Run) -> dict[str, Any]:
    """Return what ran a stage, and where."""
    about = {name: run.about[name] for name in ("machine", "launcher", "emulator", "cpu") if name in run.about}
    return {"engine": run.engine, **about, "samples": run.count}


def outcomes_json(outcomes: Mapping[str, Verdict | EdgeToolkitError]) -> dict[str, Any]:
    """Return the reports of all targets of a build; a target without a verdict has its error instead."""
    reports = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, Verdict):
            reports[name] = verdict_json(outcome, outcome.artifact.path.name)
        else:
            reports[name] = {"target": name, "error": _error_json(outcome)}
    return {"schema": SCHEMA, "exit_status": exit_status(outcomes), "targets": reports}


def exit_status(outcomes: Mapping[str, Verdict | EdgeToolkitError]) -> int:
    """Return the status that a command with these outcomes ends with: 0 only if every target passed, else the gravest."""
    statuses = [
        outcome.exit_status if isinstance(outcome, EdgeToolkitError) else int(not outcome.passed)
        for outcome in outcomes.values()
    ]
    return max(statuses, default=2)


def outcomes_text(outcomes: Mapping[str, Verdict | EdgeToolkitError], width: int = 110) -> str:
    """Return the reports of all targets for a terminal."""
    parts = []
    for name, outcome in outcomes.items():
        if isinstance(outcome, Verdict):
            parts.append(verdict_text(outcome, width))
        else:
            lines = str(outcome).replace("\n", "\n  ")
            parts.append(f"{name:<{width - 14}}NO VERDICT\n  {lines}")
    return "\n\n".join(parts)


def verdict_text(verdict: Verdict, width: int = 110) -> str:
    """Return one target's report for a terminal."""
    title = f"{verdict.target.name}   {verdict.source.path.name}   {verdict.artifact.scheme}"
    lines = [f"{title:<{width - 14}}{_WORDS[verdict.outcome]}"]
    guilty = verdict.guilty_stage
    marked = False
    for comparison in verdict.comparisons:
        here = comparison.stage == guilty and comparison.status != "passed" and not marked
        marked = marked or here
        lines.append("  " + comparison_text(comparison) + ("  <- guilty" if here else ""))
    lines.append(f"  noise         {_noise(verdict) or 'not measured'} (the original by itself)")
    if verdict.accuracy:
        shown = ", ".join(f"{stage} {value:.4f}" for stage, value in verdict.accuracy.items())
        lines.append(f"  accuracy on {verdict.samples['verification']} labelled samples: {shown}")
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
    lines.append(f"  {theirs}made by {canonical}; ran on {_where(last)}")
    lines += [f"  {line}" for line in _candidate_lines(verdict)]
    lines += [f"  {finding['severity']}: {finding['message']}" for finding in verdict.findings]
    lines += [f"  tried first: {_attempt_text(attempt)}" for attempt in verdict.tried]
    return "\n".join(lines)


def markdown(verdict: Verdict, artifact: str) -> str:
    """Return one target's report as Markdown."""
    lines = [
        f"# {verdict.target.name}: {_WORDS[verdict.outcome]}",
        "",
        f"`{artifact}` ({verdict.artifact.scheme}, {size(verdict.artifact.size_bytes)}, sha256 `{verdict.artifact.sha256}`)  ",
        f"from `{verdict.source.path}` ({verdict.source.kind}, signature `{verdict.source.key}`, sha256 `{verdict.source.sha256}`)  ",
        f"verified with {verdict.samples['verification']} samples" + _calibrated(verdict),
        "",
        "## Bounds",
        "",
        "| stage | output | metric | value | limit | | because |",
        "|---|---|---|---|---|---|---|",
    ]
    for comparison in verdict.comparisons:
        guilty = " (guilty)" if comparison.stage == verdict.guilty_stage and comparison.status != "passed" else ""
        cells = (
            comparison.stage, f"`{comparison.output}`", comparison.metric, _value(comparison), _limit(comparison),
            comparison.status + guilty, comparison.because,
        )  # fmt: skip
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    lines += [
        "",
        "## Stages",
        "",
        "| stage | engine | output | " + " | ".join(f"{name} (isolated / cumulative)" for name in _SHOWN) + " |",
    ]
    lines.append("|---" * (3 + len(_SHOWN)) + "|")
    for stage in verdict.stages:
        for output in stage.measured.outputs:
            columns = [
                f"{_shown(stage.measured, output, name)} / {_shown(verdict.cumulative[stage.stage], output, name)}"
                for name in _SHOWN
            ]
            lines.append(
                f"| {stage.stage} | {_where(verdict.runs[stage.stage])} | `{output}` | " + " | ".join(columns) + " |"
            )
    if verdict.accuracy:
        lines += ["", "## Accuracy against the labels", "", "| stage | top-1 |", "|---|---|"]
        lines += [f"| {stage} | {value:.4f} |" for stage, value in verdict.accuracy.items()]
    lines += ["", f"The original's own noise (largest absolute difference): {_noise(verdict) or 'not measured'}."]
    if verdict.source.coverage is not None:
        lines += ["", *(f"- {line}" for line in _coverage_lines(verdict.source.coverage))]
    if len(verdict.candidates) > 1:
        lines += ["", "## Variants of the scheme", "", *(f"- {line}" for line in _candidate_lines(verdict))]
    if verdict.findings or verdict.tried:
        lines += ["", "## Findings", ""]
        lines += [
            f"- {finding['severity']}: {finding['message']} (`{finding['code']}`)" for finding in verdict.findings
        ]
        lines += [f"- tried first: {_attempt_text(attempt)}" for attempt in verdict.tried]
    return "\n".join(lines) + "\n"


def _candidate_lines(verdict: Verdict) -> list[str]:
    """Return a line for each variant of the scheme that was tried, if there was a choice: the one that ships first."""
    if len(verdict.candidates) < 2:
        return []
    rows = sorted(verdict.candidates, key=lambda candidate: not candidate["chosen"])
    return [f"{'ships' if row['chosen'] else 'behind it':<13} {variant_text(row)}: {_drift(row)}" for row in rows]


def variant_text(row: Mapping[str, Any]) -> str:
    """Return what tells a variant from others of its scheme: the quantizer and the range estimator."""
    return " with ".join(str(row[key]) for key in ("quantizer", "estimator") if row[key] is not None)


def _drift(row: Mapping[str, Any]) -> str:
    if row["problem"] is not None:
        return str(row["problem"]).splitlines()[0]
    if row["sqnr_db"] == -math.inf:
        return "nothing but noise, or outputs that do not match the float artifact's"
    drift = "no noise" if row["sqnr_db"] is None else f"{row['sqnr_db']:.4g} dB"
    return f"{drift} against the float artifact, {size(row['size_bytes'])}"


def _noise(verdict: Verdict) -> str:
    """Return the largest absolute differences of the original's outputs when nothing changed but how it was run."""
    return ", ".join(
        f"{output} {kind} {value:.3g}" for kind, values in verdict.noise.items() for output, value in values.items()
    )


def _coverage_lines(coverage: Mapping[str, Any]) -> list[str]:
    """Return which variables the files gave a value, and which they did not."""
    lines = [f"restored {len(coverage['restored'])} variables"]
    if coverage["unrestored"]:
        allowed = ", ".join(coverage["allowed"])
        lines.append(f"left as they began (allowed by {allowed}): {_some(coverage['unrestored'])}")
    by_part: dict[str, list[str]] = {}
    for entry in coverage["unused"]:
        by_part.setdefault(entry["what"], []).append(entry["name"])
    lines += [f"not used of the file, {what}: {_some(names)}" for what, names in sorted(by_part.items())]
    return lines


def _some(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def artifact_json(artifact: Artifact) -> dict[str, Any]:
    """Return a converted file's facts as JSON."""
    return {
        "path": str(artifact.path),
        "scheme": artifact.scheme,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "signature": dict(artifact.signature),
        "operators": [dict(operator) for operator in artifact.operators],
        "findings": [dict(finding) for finding in artifact.findings],
    }


def artifact_text(artifact: Artifact) -> str:
    """Return a converted file's facts for a terminal."""
    lines = [f"{artifact.path}   {artifact.scheme}   {size(artifact.size_bytes)}   sha256 {artifact.sha256}"]
    lines += _signature_lines(artifact.signature)
    lines += [f"  {finding['severity']}: {finding['message']}" for finding in artifact.findings]
    return "\n".join([*lines, "  not verified: `edge-toolkit verify` compares it with its original"])


def run_json(run: Run, out: Path) -> dict[str, Any]:
    """Return a run's facts as JSON."""
    return {"outputs": str(out), "signature": dict(run.signature), **run_about(run)}


def run_text(run: Run, out: Path) -> str:
    """Return a run's facts for a terminal."""
    return "\n".join(
        [f"{out}   {run.count} samples on {_where(run)}", *_signature_lines({"inputs": [], **run.signature})]
    )


def inspected_text(path: Path, held: Mapping[str, Any]) -> str:
    """Return what a source or an artifact holds, for a terminal."""
    lines = [
        f"{path}   {held['kind']}"
        + (f"   written by {held['writer']}" if "writer" in held else f"   {size(held['size_bytes'])}")
    ]
    for signature in held["signatures"]:
        lines += [
            f"  signature {signature['key'] or '(none; bound by tensor name)'}",
            *_signature_lines(
                signature, "    ", "any rank" if held.get("settled", True) else "(its shape is known when it is loaded)"
            ),
        ]
    if not held["signatures"]:
        lines.append("  no signature" + ("" if held.get("settled", True) else " before it is loaded"))
    operators = [
        operator if isinstance(operator, str) else f"{operator['name']} v{operator['version']} x{operator['count']}"
        for operator in held["operators"]
    ]
    if operators:
        lines.append(f"  operators     {', '.join(operators)}")
    if "loader" in held:
        lines += _source_lines(held)
    if "weights_bytes" in held:
        lines.append(
            "  weights       "
            + ", ".join(f"{dtype} {size(count)}" for dtype, count in sorted(held["weights_bytes"].items()))
        )
    lines += [f"  {finding['severity']}: {finding['message']}" for finding in held.get("findings", ())]
    return "\n".join(lines)


def _source_lines(held: Mapping[str, Any]) -> list[str]:
    """Return what is said of a source alone: its loader, its variables with their sizes, and what a build would need."""
    lines = [f"  loader        {held['loader']}"]
    variables = held["variables"]
    if variables:
        total = sum(variable["size_bytes"] for variable in variables)
        lines.append(f"  variables     {len(variables)}, {size(total)}")
        width = max(len(variable["name"]) for variable in variables)
        lines += [
            f"    {variable['name']:<{width}}   {variable['dtype']} {variable['shape']}   {size(variable['size_bytes'])}"
            for variable in variables
        ]
    if held.get("coverage"):
        lines += [f"  coverage      {line}" for line in _coverage_lines(held["coverage"])]
    return lines + [f"  needs         {need}" for need in held["needs"]]


def findings_text(name: str, found: Sequence[Mapping[str, Any]]) -> str:
    """Return what was found of a set, with the reason codes, and the fix for each where there is one."""
    if not found:
        return f"{name}: nothing to be said against it"
    lines = []
    for finding in found:
        lines.append(f"{finding['severity']}: {finding['message']} [{finding['code']}]")
        lines += [f"    fix: {finding['fix']}"] if finding.get("fix") else []
    return "\n".join(lines)


def nested_text(held: Mapping[str, Any], prefix: str = "") -> str:
    """Return JSON as a line for each value; what is empty or null is left out."""
    lines = []
    for key, value in held.items():
        if isinstance(value, Mapping):
            lines += [nested_text(value, f"{prefix}{key}.")] if value else []
        elif value not in (None, [], ""):
            lines.append(f"{prefix + key:<32}  {json.dumps(value)}")
    return "\n".join(line for line in lines if line)


def targets_text(found: Sequence[Target]) -> str:
    """Return one line for each profile."""
    width = max((len(target.name) for target in found), default=0)
    return "\n".join(f"{target.name:<{width}}  {target.about}" for target in found)


def profile_text(values: Sequence[Value]) -> str:
    """Return every value of a profile, and where it comes from."""
    width = max(len(value.key) for value in values)
    return "\n".join(
        f"{value.key:<{width}}  {json.dumps(value.value, default=list):<40}  {value.path.name if value.path else '(default)'}"
        for value in values
    )


def status_json(rows: Sequence[Status]) -> list[dict[str, Any]]:
    """Return what works here as JSON."""
    names = ("kind", "name", "ready", "about", "problem", "fix")
    return [
        {**{name: getattr(row, name) for name in names}, "where": None if row.where is None else str(row.where)}
        for row in rows
    ]


def status_text(rows: Sequence[Status]) -> str:
    """Return what works here for a terminal, with the fix for what does not."""
    lines = []
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        lines.append(f"{row.kind:<12} {row.name:<{width}}  {'ready' if row.ready else 'not ready':<10} {row.about}")
        if not row.ready:
            lines.append(f"{'':<13}{'':<{width}}  {row.problem}" + (f"; fix: {row.fix}" if row.fix else ""))
    return "\n".join(lines)


def size(count: int) -> str:
    """Return a number of bytes in the unit that suits it, decimal."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} B"


def _signature_lines(signature: Mapping[str, Any], indent: str = "  ", unknown: str = "any rank") -> list[str]:
    lines = []
    for side in ("inputs", "outputs"):
        for spec in signature[side]:
            shape = (
                unknown
                if spec["shape"] is None
                else "[" + ", ".join("?" if n is None else str(n) for n in spec["shape"]) + "]"
            )
            scale = f"   scale {spec['scale'][0]:.6g}, zero point {spec['zero_point'][0]}" if spec.get("scale") else ""
            lines.append(f"{indent}{side[:-1]:<8}{spec['name']}   {spec['dtype']} {shape}{scale}")
    return lines


def comparison_text(comparison: Comparison) -> str:
    """Return one comparison as a line."""
    status = {"passed": "", "failed": "FAIL", "inconclusive": "INCONCLUSIVE"}[comparison.status]
    worst = (
        ""
        if comparison.passed or comparison.worst_sample is None
        else f"worst sample {comparison.worst_sample} of {comparison.samples}"
    )
    needed = f"about {comparison.samples_needed} samples would settle it" if comparison.samples_needed else ""
    text = f"{comparison.stage:<13} {comparison.output:<16} {comparison.metric:<15} {_value(comparison):<26} {_limit(comparison):<16}"
    return "  ".join(part for part in (text, status, worst, needed, comparison.detail) if part).rstrip()


def _value(comparison: Comparison) -> str:
    value = number_text(comparison.value, comparison.unit)
    if comparison.interval is None:
        return value
    low, high = comparison.interval
    return f"{value} [{low:.4f}, {high:.4f}]"


def _limit(comparison: Comparison) -> str:
    return f"{'<=' if comparison.better == 'lower' else '>='} {number_text(comparison.limit, comparison.unit)}"


def number_text(value: float, unit: str) -> str:
    """Return a measured value with its unit, where that says something."""
    words = {"db": " dB", "lsb": " lsb", "range": " of range"}
    return f"{value:.4g}{words.get(unit, '')}"


def _shown(measured: Any, output: str, metric: str) -> str:
    for measurement in measured.measurements:
        if (measurement.output, measurement.metric) == (output, metric):
            unit, value = next(iter(measurement.values.items()))
            return number_text(value, unit)
    return "-"


def _where(run: Run) -> str:
    about = run.about
    parts = [about.get("machine"), about.get("emulator"), about.get("cpu") if "emulator" in about else None]
    return f"{run.engine} ({', '.join(str(part) for part in parts if part)})"


def _calibrated(verdict: Verdict) -> str:
    count = verdict.samples.get("calibration")
    return f", calibrated with {count} others" if count else ""


def _attempt_json(attempt: Verdict | EdgeToolkitError) -> dict[str, Any]:
    if isinstance(attempt, Verdict):
        return {"scheme": attempt.artifact.scheme, "verdict": attempt.outcome, "guilty_stage": attempt.guilty_stage}
    return {"error": _error_json(attempt)}


def _attempt_text(attempt: Verdict | EdgeToolkitError) -> str:
    if isinstance(attempt, Verdict):
        guilty = f", guilty stage: {attempt.guilty_stage}" if attempt.guilty_stage else ""
        return f"{attempt.artifact.scheme}: {_WORDS[attempt.outcome].lower()}{guilty}"
    return attempt.problem


def _error_json(error: EdgeToolkitError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "problem": error.problem,
        "hint": error.hint,
        "exit_status": error.exit_status,
    }
