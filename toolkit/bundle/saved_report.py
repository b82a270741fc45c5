"""The report in a bundle, trusted only as far as the rest of the bundle confirms it.

First the folder is checked against its manifest (`toolkit.files.manifest`), then the report against the fields that every report has. Then its claims
are checked: its outcome against its own comparisons, budgets and findings; its subject against the manifest; its measurements against the runs beside
it. Findings, noise and kinds of outputs cannot be judged again. For these the report is trusted, because the manifest holds its hash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import findings
from toolkit.bundle.bundle import REPORT, require_one_size
from toolkit.comparison import comparison, scored_task
from toolkit.comparison.compare import Comparison, Measured
from toolkit.comparison.measured import NUMBER, MeasurementRow, number
from toolkit.comparison.output_kinds import inferring
from toolkit.errors import DamagedFile, RequestError
from toolkit.execution.latency import SHAPE as LATENCY
from toolkit.files import manifest
from toolkit.files.foreign import check, read_json
from toolkit.files.manifest import OUTCOMES, Manifest
from toolkit.files.shapes import AMOUNT, COUNT, SHA256, Each, Either, Where
from toolkit.report.documents import SpentRow, VerdictDocument
from toolkit.tensors import signature
from toolkit.verdict.chain import Judged, Outcome
from toolkit.verdict.verdict import Spent

SCHEMA = 1
_MEASUREMENT = {"output": str, "metric": str, "values": Each(NUMBER), "samples": COUNT}


def _are_stages(runs: Mapping[str, Any]) -> bool:
    """Return whether there is a run to compare, and no stage's name is a path to another place."""
    return len(runs) >= 2 and not any("/" in stage for stage in runs)


SHAPE = {
    "target": str,
    "verdict": Either(*OUTCOMES),
    "source": {"sha256": str},
    "artifact": {
        "path": str,
        "sha256": SHA256,
        "size_bytes": COUNT,
        "scheme": str,
        "signature": {**signature.SHAPE, "order?": {"inputs": [str], "outputs": [str]}},
    },
    "output_kinds?": Each(inferring.SHAPE),
    "samples": {"verification": COUNT},
    "stopped_early": bool,
    "comparisons": [comparison.SHAPE],
    "stages": [{"stage": str, "isolated": [_MEASUREMENT], "cumulative": [_MEASUREMENT]}],
    "tasks": [{"metric": str, "better": Either("lower", "higher"), "scores": Each(NUMBER)}],
    "noise": Each(Each(Either(AMOUNT, "inf", "nan"))),
    "budget": Each({"spent": AMOUNT, "limit": AMOUNT, "passed": bool, "interval?": (AMOUNT, Either(AMOUNT, "inf"))}),
    "runs": Where(Each({"samples": COUNT, "engine?": str}), _are_stages, "at least two runs, by stage"),
    "findings": [{"code": str, "severity": Either(*findings.SEVERITIES), "message": str, "names?": [str]}],
    "tools": Each(str),
    "latency?": Either(LATENCY, None),
    "wanted?": Either({"scheme": str, "text": str}, None),
}
"""The fields that every report of this release has, as far as they are read again (`toolkit.files.shapes`)."""

# Sums of float64 over all samples differ in the tenth digit, because processors add in different orders. Another run differs in the first digits.
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9


@dataclass(frozen=True, slots=True)
class SavedBundle:
    """A bundle that is unchanged since it was written, and its report."""

    folder: Path
    manifest: Manifest
    report: VerdictDocument


def read(bundle: Path) -> SavedBundle:
    """Return a bundle with its report. Raise RequestError for a folder that is no bundle or has changed, and for a report that contradicts itself."""
    held = manifest.verified(bundle)
    require_one_size(bundle)
    path = bundle / REPORT
    if REPORT not in held.files:
        raise RequestError(f"{bundle}: has no {REPORT}; build it again")
    report = read_json(path)
    found = report.get("schema") if isinstance(report, dict) else None
    if isinstance(report, dict) and found != SCHEMA:
        said = "no schema" if found is None else f"schema {found}"
        raise DamagedFile(path, [f"has {said}, this release knows {SCHEMA}; expected a report that this release wrote"])
    check(report, SHAPE, path)
    _require_of_its_bundle(path, held, report)
    if report["verdict"] == "passed" and outcome(report) != "passed":
        raise DamagedFile(
            path, [f"says that it passed, but by its own numbers it is {outcome(report)}; build it again"]
        )
    return SavedBundle(bundle, held, report)


def outcome(report: VerdictDocument) -> Outcome:
    """Return the outcome that follows from a report's numbers, by the rules of `Verdict.outcome`. The report's own `verdict` is not read."""
    statuses = {Comparison.from_json(each).status for each in report["comparisons"]}
    has_total = any(each["stage"] == "total" for each in report["comparisons"])
    evidence = has_total and report["samples"]["verification"] > 0
    if "failed" in statuses or not evidence or is_broken(report):
        return "failed"
    return "inconclusive" if "inconclusive" in statuses or is_open(report) else "passed"


def is_broken(report: VerdictDocument) -> bool:
    """Return whether a finding is an error, or a budget is exceeded."""
    overspent = any(spent_status(spent) == "failed" for spent in report["budget"].values())
    return overspent or any(finding.is_error for finding in findings.read(report["findings"]))


def spent_status(spent: SpentRow) -> Outcome:
    """Return whether a budget is kept, by its numbers; "failed" too if these keep it and the report says otherwise."""
    interval = (number(spent["interval"][0]), number(spent["interval"][1])) if "interval" in spent else None
    status = Spent("", number(spent["spent"]), number(spent["limit"]), interval).status
    return "failed" if status == "passed" and spent["passed"] is not True else status


def is_open(report: VerdictDocument) -> bool:
    """Return whether a finding is inconclusive, as the samples could not show enough, or a measured budget is."""
    if any(spent_status(spent) == "inconclusive" for spent in report["budget"].values()):
        return True
    return any(finding.severity == "inconclusive" for finding in findings.read(report["findings"]))


def require_its_runs(saved: SavedBundle, judged: Judged) -> None:
    """Raise RequestError if new measurements of the runs differ from the report's: then the report is about other runs."""
    said, found = saved.report["stages"], judged.stages
    problems = []
    if [each["stage"] for each in said] != [each.stage for each in found]:
        problems.append(f"is on the stages {', '.join(each['stage'] for each in said) or 'none'}")
    else:
        for each, stage in zip(said, found, strict=True):
            problems += _differences(f"{stage.stage} isolated", each["isolated"], stage.measured)
            problems += _differences(f"{stage.stage} cumulative", each["cumulative"], judged.cumulative[stage.stage])
    _refuse(saved, problems)


def require_its_total(saved: SavedBundle, measured: Measured) -> None:
    """Raise RequestError if new measurements of the last stage against the original differ from the report's."""
    said = saved.report["stages"]
    last = said[-1]["cumulative"] if said else []
    _refuse(saved, _differences("total", last, measured))


def require_its_scores(saved: SavedBundle, scored: Sequence[scored_task.Task]) -> None:
    """Raise RequestError if a task metric of the report was not scored again, or got another score."""
    now = {task.metric: task for task in scored}
    problems = []
    for each in saved.report["tasks"]:
        task = now.get(each["metric"])
        if task is None:
            problems.append(f"has scores by {each['metric']}, but the bundle has nothing to score by")
            continue
        for stage, score in each["scores"].items():
            again = task.scores.get(stage, math.nan)
            if not _agree(number(score), again):
                problems.append(f"{each['metric']} of {stage} is {score} there, and {again:.9g} of its runs")
    _refuse(saved, problems)


def _refuse(saved: SavedBundle, problems: Sequence[str]) -> None:
    if problems:
        last = "the report is not about the runs beside it; build it again"
        raise DamagedFile(saved.folder / REPORT, [*problems[:3], last])


def _differences(what: str, said: Iterable[MeasurementRow], measured: Measured) -> list[str]:
    """Return the differences between a report's measurements and new ones. Measurements that are not made again are left out."""
    now = {(each.output, each.metric): each for each in measured.measurements}
    then = {(each["output"], each["metric"]): each for each in said}
    both = [key for key in then if key in now]
    problems = [] if both or not now else [f"{what}: has no measurement of the runs beside it"]
    for key in both:
        values, again = then[key]["values"], now[key].values
        if then[key]["samples"] != now[key].samples:
            problems.append(f"{what} {' '.join(key)}: is over {then[key]['samples']} samples, of {now[key].samples}")
        elif values.keys() != again.keys() or not all(_agree(number(values[unit]), again[unit]) for unit in values):
            shown = ", ".join(f"{value:.9g}" for value in again.values())
            problems.append(
                f"{what} {' '.join(key)}: is {', '.join(map(str, values.values()))} there, and {shown} of its runs"
            )
    return problems


def _agree(then: float, now: float) -> bool:
    """Return whether two values come from the same runs: equal up to the rounding of sums. NaN equals NaN."""
    if math.isnan(then) or math.isnan(now):
        return math.isnan(then) and math.isnan(now)
    return math.isclose(then, now, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)


def _require_of_its_bundle(path: Path, held: Manifest, report: VerdictDocument) -> None:
    artifact, problems = report["artifact"], []
    if report["target"] != held.target:
        problems.append(f"is of the target {report['target']}, but the bundle's list is of {held.target}")
    if report["verdict"] != held.verdict:
        problems.append(f"its verdict is {report['verdict']}, but the bundle's list says {held.verdict}")
    if held.artifact is not None:
        sha256, size_bytes = held.files.get(held.artifact, ("", 0))
        if (artifact["path"], artifact["sha256"], artifact["size_bytes"]) != (held.artifact, sha256, size_bytes):
            problems.append("is of another artifact than the bundle's list")
    for name, spent in report["budget"].items():
        if name in ("file_bytes", "flash_bytes") and spent["spent"] != artifact["size_bytes"]:
            problems.append(f"budget.{name}: {spent['spent']} are spent, but the artifact has {artifact['size_bytes']}")
    problems += _of_another_latency(report)
    if problems:
        raise DamagedFile(path, [*problems, "expected a report that was written for this bundle"])


def _of_another_latency(report: VerdictDocument) -> list[str]:
    """Return how the budget of the latency contradicts the measured latency."""
    spent, latency = report["budget"].get("latency_ms"), report.get("latency")
    if spent is None:
        return []
    if latency is None:
        return [f"budget.latency_ms: {spent['spent']} are spent, but no latency was measured"]
    low, high = latency["interval_ms"]
    told = (latency["median_ms"], [0.0 if latency["disturbed"] else low, high])
    if told != (spent["spent"], spent.get("interval")):
        return [f"budget.latency_ms: {spent['spent']} are spent, but the measured latency is {latency['median_ms']}"]
    return []
