"""Judges the runs of a bundle again, by other bounds. No model runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from safetensors import SafetensorError

from toolkit import findings, printable
from toolkit.bundle import saved_report
from toolkit.bundle.bundle import LABELS, RUNS, saved_tasks
from toolkit.comparison import saved_runs, task_drops, task_scores
from toolkit.comparison.comparison import ComparisonRow
from toolkit.comparison.deciding import for_scheme, switched_off
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.comparison.saved_runs import SUFFIX, SavedRun
from toolkit.comparison.task_metrics import is_own
from toolkit.comparison.wording import comparison_lines
from toolkit.errors import RequestError
from toolkit.printable import Text
from toolkit.regression.run_comparison import kinds_needed
from toolkit.report import OUTCOMES
from toolkit.report.documents import VerdictDocument
from toolkit.report.screen import PAGE, Screen
from toolkit.verdict.chain import Judged, Outcome, context_of, judge_chain, with_names
from toolkit.verdict.chain_findings import off_text
from toolkit.wire import labels


class RejudgedDocument(TypedDict):
    """A `Rejudged` as JSON. `was` is the verdict of the build. `of_the_report` names the parts that were not judged again."""

    bundle: str
    bounds: str
    target: str
    verdict: Outcome
    was: Outcome
    comparisons: list[ComparisonRow]
    guilty_stage: str | None
    switched_off: list[str]
    of_the_report: list[str]


@dataclass(frozen=True, slots=True)
class Rejudged:
    """The runs of a bundle, judged by other bounds. `off` says which metrics are not judged.

    Some facts cannot be judged again without running the model: findings, noise, kinds of outputs, scores of the user's own functions. They are taken
    from the build's report and still count.
    """

    bundle: Path
    bounds: Path
    report: VerdictDocument
    judged: Judged
    off: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return printable.line(f"<Rejudged {self.bundle} by {self.bounds}: {self.outcome}>")

    @property
    def outcome(self) -> Outcome:
        """Return "passed" only if the bounds are kept, and the report has no error, no inconclusive finding, and no exceeded budget."""
        if saved_report.is_broken(self.report):
            return "failed"
        is_open = saved_report.is_open(self.report)
        return "inconclusive" if is_open and self.judged.outcome == "passed" else self.judged.outcome

    @property
    def has_own_tasks(self) -> bool:
        """Whether the user's own functions scored the build. They are not called again."""
        return any(is_own(each["metric"]) for each in self.report["tasks"])

    def to_json(self) -> RejudgedDocument:
        """Return plain JSON. `of_the_report` names the parts that were not judged again but taken from the build's report."""
        return {
            "bundle": str(self.bundle),
            "bounds": str(self.bounds),
            "target": self.report["target"],
            "verdict": self.outcome,
            "was": self.report["verdict"],
            "comparisons": [each.to_json() for each in self.judged.comparisons],
            "guilty_stage": self.judged.guilty_stage,
            "switched_off": list(self.off),
            "of_the_report": ["findings", "noise", "output_kinds", *(["own_tasks"] if self.has_own_tasks else [])],
        }

    def text(self, screen: Screen = PAGE) -> Text:
        """Return the text for a terminal."""
        names = map(printable.name, (self.report["target"], self.bundle, f"by {self.bounds}"))
        title = "   ".join(names)
        lines = [
            screen.title(title, OUTCOMES[self.outcome]),
            f"  the build said {OUTCOMES[self.report['verdict']]}; {_OF_THE_REPORT}",
        ]
        lines += [f"  {each}" for each in comparison_lines(self.judged.comparisons)]
        lines += [f"  {each}" for each in self.off]
        grave = [each for each in findings.read(self.report["findings"]) if each.is_grave]
        lines += [f"  {each.severity}: {each.message}" for each in grave]
        lines += [
            f"  {name} {spent['spent']} <= {spent['limit']}  {_MISSED[status]}"
            for name, spent in self.report["budget"].items()
            if (status := saved_report.spent_status(spent)) != "passed"
        ]
        return printable.lines(lines)


_MISSED: dict[Outcome, str] = {"failed": "FAIL", "inconclusive": "INCONCLUSIVE"}
_OF_THE_REPORT = "measured again and judged by these bounds; findings and repeatability are from its report"


def rejudge(bundle: str | Path, bounds: str | Path) -> Rejudged:
    """Return the judgement of all runs of a bundle by the bounds of a file (a profile, or [[bounds]] alone).

    Raise RequestError for a folder that is no bundle or changed since its build (`toolkit.bundle.saved_report`), for runs that do not belong to the
    report, and for runs of different samples.
    """
    from toolkit import profiles

    bundle, bounds = Path(bundle), Path(bounds)
    saved = saved_report.read(bundle)
    report = saved.report
    runs = [_run(bundle, stage, said["samples"]) for stage, said in report["runs"].items()]
    for run in runs[1:]:
        saved_runs.require_same_samples(runs[0], run)
    limits, scheme = profiles.read_bounds(bounds), report["artifact"]["scheme"]
    # Bundles of older releases do not have the kinds of outputs.
    kinds = {name: OutputKind.from_json(one) for name, one in report.get("output_kinds", {}).items()}
    context = context_of(scheme, report["noise"], kinds)
    if untold := kinds_needed(for_scheme(limits, "total", scheme), runs[0], context):
        problem = f"{bundle}: does not say what its outputs are ({', '.join(untold)}), and {bounds} has bounds for kinds of outputs"
        raise RequestError(f"{problem}; expected a bundle of this release, or [[bounds]] without kinds")
    judged = judge_chain(runs, limits, context, early=report["stopped_early"])
    saved_report.require_its_runs(saved, judged)
    truth = _labels(bundle)
    before = [] if truth is None else [each["metric"] for each in report["tasks"] if not is_own(each["metric"])]
    wanted = task_drops.asked(before, limits, scheme)
    scored = [*(task_scores.score(runs, truth, wanted) if wanted else ()), *saved_tasks(bundle)]
    saved_report.require_its_scores(saved, scored)
    drops = task_drops.judge_drops(scored, limits, scheme, runs[-1].stage)
    off = map(
        off_text,
        switched_off(limits, scheme, {name: context.kinds.get(name, "") for name in judged.total.measured.outputs}),
    )
    named = with_names(replace(judged, drops=drops), runs[0].names)
    return Rejudged(bundle, bounds, report, named, tuple(off))


def _labels(bundle: Path) -> labels.Labels | None:
    path = bundle / RUNS / LABELS
    try:
        return labels.read(path) if path.is_file() else None
    except (OSError, ValueError, SafetensorError) as error:
        raise RequestError(f"{path}: cannot be read ({error}); expected labels that a build wrote") from error


def _run(bundle: Path, stage: str, samples: int) -> SavedRun:
    run = saved_runs.read(bundle / RUNS / f"{stage}{SUFFIX}")
    if run.stage != stage:
        raise RequestError(f"{run.path}: is a run of the stage {run.stage}; expected one of {stage}")
    if run.count != samples:
        raise RequestError(f"{run.path}: holds {run.count} samples, its report is about {samples}; build it again")
    return run
