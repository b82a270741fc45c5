"""Bundles made by hand, whole: reports that hold what was measured of the runs beside them, and the list of all files."""

from __future__ import annotations

import json
from pathlib import Path

from toolkit.comparison import compare, saved_runs, task_scores
from toolkit.errors import RequestError
from toolkit.files import manifest
from toolkit.wire import labels


def measured(bundle: Path, names, parts=None) -> list[dict]:
    """Return what a report has as `stages`, of the runs of these stages; the source is a branch, and nothing is held against it."""
    first, *runs = (saved_runs.read(bundle / "runs" / f"{name}.safetensors") for name in names)
    before, stages = first, []
    for run in runs:
        both = {"isolated": _measured(before, run, parts), "cumulative": _measured(first, run, parts)}
        stages.append({"stage": run.stage, **both, "not_applicable": []})
        before = before if run.stage == "source" else run
    return stages


def _measured(before, after, parts):
    count = min(before.count, after.count)
    return [each.to_json() for each in compare.measure(before.read(count), after.read(count), parts=parts).measurements]


def report_anew(bundle: Path) -> None:
    """Let a bundle's report say what is measured of the runs in it, and its list what lies in it: as if a build had given these runs."""
    report = json.loads((bundle / "report.json").read_text())
    kinds = report.get("output_kinds", {})
    parts = {output: tuple(kind["parts"]) for output, kind in kinds.items() if kind["parts"]}
    report["stages"] = measured(bundle, report["runs"], parts)
    runs = [saved_runs.read(bundle / "runs" / f"{name}.safetensors") for name in report["runs"]]
    report["runs"] = {run.stage: {**report["runs"][run.stage], "samples": run.count} for run in runs}
    truth = bundle / "runs" / "labels.safetensors"
    if truth.is_file() and report["tasks"]:
        wanted = [each["metric"] for each in report["tasks"]]
        report["tasks"] = [each.to_json() for each in task_scores.score(runs, labels.read(truth), wanted)]
    (bundle / "report.json").write_text(json.dumps(report))
    artifact = report["artifact"]["path"]
    seal(bundle, artifact=artifact if (bundle / artifact).is_file() else None)


def seal(bundle: Path, **said) -> Path:
    """Write the list of a bundle anew, as somebody does who changes a bundle and knows how one is made; `said` replaces what its report says."""
    try:
        report = json.loads((bundle / "report.json").read_text())
        about = {"target": report["target"], "verdict": report["verdict"], "artifact": None}
    except (OSError, ValueError, TypeError, KeyError):
        about = {"target": "board", "verdict": "passed", "artifact": None}
    manifest.write(bundle, {**about, **said})
    return bundle


def change_report(bundle: Path, change, **said) -> None:
    """Change the report of a bundle, its list with it."""
    report = json.loads((bundle / "report.json").read_text())
    change(report)
    (bundle / "report.json").write_text(json.dumps(report))
    seal(bundle, **said)


def refused(do, *arguments) -> str:
    """Return how something is refused."""
    try:
        do(*arguments)
    except RequestError as error:
        return str(error)
    raise AssertionError("it was not refused")
