"""The JSON output of verbs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from toolkit.comparison.measure import plain_json
from toolkit.environments.instructions import UNKNOWN
from toolkit.errors import EdgeToolkitError
from toolkit.report.attempts import attempt_json, next_json, wanted_json
from toolkit.report.overview import summary_json
from toolkit.verdict.refusals import findings_of
from toolkit.verdict.verdict import Spent, Verdict

# What a report tells of the place where a stage ran, of what a launcher says about it.
_PLACE = (
    "machine",
    "launcher",
    "emulator",
    "browser",
    "accelerator",
    "cpu",
    "board",
    "system",
    "kernel",
    "python",
    "governor",
    "confined",
)

if TYPE_CHECKING:
    from toolkit.conversion.artifacts import Artifact
    from toolkit.environments import Status
    from toolkit.execution.run import Run
    from toolkit.report.documents import (
        ArtifactDocument,
        ErrorRow,
        FailedDocument,
        OutcomesDocument,
        RewrittenRow,
        RunDocument,
        RunRow,
        SourceRow,
        SpentRow,
        StatusRow,
        TriedRow,
        VerdictDocument,
    )
    from toolkit.tensors.signature import Signature, SignatureJson
    from toolkit.verdict.attribution import Attribution

SCHEMA = 1


def verdict_json(verdict: Verdict, artifact: str) -> VerdictDocument:
    """Return the report as JSON. `artifact` is the artifact's path relative to the report."""
    document: VerdictDocument = {
        "schema": SCHEMA,
        "target": verdict.target.name,
        "verdict": verdict.outcome,
        "verified": verdict.target.verification.to_json(),
        "wanted": wanted_json(verdict),
        "next": next_json(verdict),
        "source": source_json(verdict),
        "artifact": {
            "path": artifact,
            "sha256": verdict.artifact.sha256,
            "size_bytes": verdict.artifact.size_bytes,
            "scheme": verdict.artifact.scheme,
            "asked": verdict.artifact.asked,
            "signature": verdict.artifact.signature.to_json(),
            "operators": list(verdict.artifact.operators),
            "float_bytes": verdict.float_bytes,
            "rewritten": rewritten_json(verdict.artifact),
        },
        "candidates": list(verdict.candidates),
        "output_kinds": {name: kind.to_json() for name, kind in verdict.kinds.items()},
        "samples": dict(verdict.samples),
        "inputs": {name: one.to_json() for name, one in verdict.inputs.items()},
        "stopped_early": verdict.early,
        "comparisons": [comparison.to_json() for comparison in verdict.comparisons],
        "guilty_stage": verdict.guilty_stage,
        "at_fault": verdict.at_fault,
        "attribution": None if verdict.attribution is None else attribution_json(verdict.attribution),
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
        "tasks": [task.to_json() for task in verdict.tasks],
        "weights": None if verdict.account is None else verdict.account.to_json(),
        "noise": {kind: dict(values) for kind, values in verdict.noise.items()},
        "budget": {spent.name: _spent_json(spent) for spent in verdict.budget},
        "latency": None if verdict.latency is None else verdict.latency.to_json(),
        "arena": None if verdict.arena is None else verdict.arena.to_json(),
        "runs": {stage: run_about(run) for stage, run in verdict.runs.items()},
        "findings": [finding.to_json() for finding in verdict.findings],
        "attempts": [attempt_json(attempt, verdict) for attempt in verdict.attempts],
        "tried": [_tried_json(attempt) for attempt in verdict.tried],
        "tools": tools(verdict),
        "seconds": {"total": round(verdict.seconds, 3)},
    }
    return cast("VerdictDocument", plain_json(document))


def rewritten_json(artifact: Artifact) -> RewrittenRow | None:
    """Return what was changed in an artifact for its runtime, and the file that it was rewritten from; None for one that is as it was made."""
    before = artifact.before
    if before is None:
        return None
    return {
        "changes": list(artifact.rewritten),
        "from_sha256": before.sha256,
        "from_signature": before.signature.to_json(),
    }


def _spent_json(spent: Spent) -> SpentRow:
    row: SpentRow = {"spent": spent.spent, "limit": spent.limit, "passed": spent.passed}
    return row if spent.interval is None else {**row, "interval": list(spent.interval)}


def attribution_json(found: Attribution) -> dict[str, Any]:
    """Return the operator that made a stage fail, in words and with its numbers. The results of all operators are in `folder`."""
    held = found.to_json()
    named = {
        name: None if held[name] is None else held["operators"][held[name]] for name in ("guilty", "first", "largest")
    }
    return {**{name: value for name, value in held.items() if name != "operators"}, **named, "folder": "attribution"}


def source_json(verdict: Verdict) -> SourceRow:
    """Return the source of the artifact."""
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


def run_about(run: Run) -> RunRow:
    """Return the engine that ran a stage, and the place where it ran."""
    place = {name: run.about[name] for name in _PLACE if name in run.about}
    about = {"engine": run.engine, **place, "processor": run.about.get("processor", UNKNOWN), "samples": run.count}
    return cast("RunRow", about)


def outcomes_json(outcomes: Mapping[str, Verdict | EdgeToolkitError], source: Path | None = None) -> OutcomesDocument:
    """Return the reports of all targets of a build. A target without a verdict has its error instead.

    An error comes with `source`, the path of the model, if given.
    """
    reports: dict[str, VerdictDocument | FailedDocument] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, Verdict):
            reports[name] = {**verdict_json(outcome, outcome.artifact.path.name), "target": name}
        else:
            error = error_json(outcome)
            reports[name] = (
                {"target": name, "error": error}
                if source is None
                else {"target": name, "source": {"path": str(source)}, "error": error}
            )
    return {
        "schema": SCHEMA,
        "exit_status": exit_status(outcomes),
        "summary": summary_json(outcomes),
        "targets": reports,
    }


def exit_status(outcomes: Mapping[str, Verdict | EdgeToolkitError]) -> int:
    """Return the exit status of a command with these outcomes: 0 only if every target passed, else the worst status."""
    statuses = [
        outcome.exit_status if isinstance(outcome, EdgeToolkitError) else int(not outcome.passed)
        for outcome in outcomes.values()
    ]
    return max(statuses, default=2)


def artifact_json(artifact: Artifact) -> ArtifactDocument:
    """Return a converted file's facts as JSON."""
    return {
        "path": str(artifact.path),
        "scheme": artifact.scheme,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "signature": artifact.signature.to_json(),
        "operators": [dict(operator) for operator in artifact.operators],
        "findings": [finding.to_json() for finding in artifact.findings],
    }


def run_json(run: Run, out: Path) -> RunDocument:
    """Return a run's facts as JSON."""
    document: RunDocument = {
        "outputs": str(out),
        "signature": _sorted_json(run.signature),
        "fed": dict(run.fed),
        "latency": None if run.latency is None else run.latency.to_json(),
        **run_about(run),
    }
    return cast("RunDocument", plain_json(document))


def status_json(rows: Sequence[Status]) -> list[StatusRow]:
    """Return the state of this machine as JSON."""
    return [
        {
            "kind": row.kind,
            "name": row.name,
            "ready": row.ready,
            "about": row.about,
            "problem": row.problem,
            "fix": row.fix,
            "where": None if row.where is None else str(row.where),
        }
        for row in rows
    ]


def _tried_json(attempt: Verdict | EdgeToolkitError) -> TriedRow:
    if isinstance(attempt, Verdict):
        return {"scheme": attempt.artifact.scheme, "verdict": attempt.outcome, "guilty_stage": attempt.guilty_stage}
    return {"error": error_json(attempt)}


def error_json(error: EdgeToolkitError) -> ErrorRow:
    """Return the error that prevented a target's verdict, with the findings that refused its artifact, if it was refused before it ran."""
    row: ErrorRow = {
        "kind": type(error).__name__,
        "problem": error.problem,
        "hint": error.hint,
        "exit_status": error.exit_status,
    }
    if found := findings_of(error):
        row["findings"] = [each.to_json() for each in found]
    return row


def _sorted_json(signature: Signature) -> SignatureJson:
    """Return a signature as JSON, with its keys in the order of a job's result."""
    content: SignatureJson = json.loads(json.dumps(signature.to_json(), sort_keys=True))
    return content
