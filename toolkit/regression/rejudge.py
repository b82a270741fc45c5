"""Judges saved runs again: two runs against each other, and the runs of a bundle against other bounds. No model runs for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from safetensors import SafetensorError

from toolkit import findings, printable
from toolkit.bundle import saved_report
from toolkit.bundle.bundle import LABELS, RUNS, saved_tasks
from toolkit.comparison import compare, metrics, saved_runs, task_drops, task_scores
from toolkit.comparison.compare import Context, Judgement, Measured
from toolkit.comparison.comparison import ComparisonRow, worst_text
from toolkit.comparison.deciding import for_scheme, switched_off
from toolkit.comparison.measured import Measurement, MeasurementRow
from toolkit.comparison.output_kinds.declaring import Declared, require_fitting
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.comparison.saved_runs import SUFFIX, SavedRun
from toolkit.comparison.task_metrics import is_own
from toolkit.comparison.wording import comparison_lines, number_text
from toolkit.errors import RequestError
from toolkit.printable import Text
from toolkit.report import OUTCOMES
from toolkit.report.documents import VerdictDocument
from toolkit.report.screen import PAGE, Screen
from toolkit.verdict.chain import PARTIAL, Judged, Outcome, context_of, judge_chain, with_names
from toolkit.verdict.chain_findings import off_text
from toolkit.wire import labels

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound


class ComparedDocument(TypedDict):
    """Two runs that were compared, as JSON; `comparisons` is None where no bounds were given."""

    reference: str
    candidate: str
    samples: int
    lacking: int
    passed: bool | None
    measurements: list[MeasurementRow]
    mismatches: dict[str, str]
    findings: list[str]
    comparisons: list[ComparisonRow] | None


class RejudgedDocument(TypedDict):
    """A `Rejudged` as JSON; `was` is the verdict of the build, and `of_the_report` names what was not judged again."""

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
class RunComparison:
    """Two saved runs, all that was measured of them, and what bounds say of it; None where none were given.

    `lacking` is how many of the reference's samples the candidate has not, at a stage that runs all of them.
    """

    reference: SavedRun
    candidate: SavedRun
    measured: Measured
    judgement: Judgement | None
    lacking: int = 0

    def __repr__(self) -> str:
        said = {True: "passed", False: "not passed", None: "not judged"}[self.passed]
        return printable.line(f"<RunComparison of {self.reference.path} and {self.candidate.path}: {said}>")

    @property
    def passed(self) -> bool | None:
        """Whether each bound is certainly kept, of all samples of the reference; without bounds None, or False where an output cannot be compared."""
        if self.judgement is None:
            return False if self.measured.mismatches else None
        judged = self.judgement.comparisons
        return bool(judged) and not self.lacking and all(each.passed for each in judged)

    def _name(self, measurement: Measurement) -> str | None:
        worst, names = measurement.worst_sample, self.reference.names
        return None if worst is None or worst >= len(names) else names[worst]

    def to_json(self) -> ComparedDocument:
        """Return plain JSON."""
        judged = self.judgement
        return {
            "reference": str(self.reference.path),
            "candidate": str(self.candidate.path),
            "samples": self.measured.samples,
            "lacking": self.lacking,
            "passed": self.passed,
            "measurements": [each.to_json() for each in self.measured.measurements],
            "mismatches": dict(self.measured.mismatches),
            "findings": list(self.measured.findings),
            "comparisons": None if judged is None else [each.to_json() for each in judged.comparisons],
        }

    def text(self) -> Text:
        """Return it for a terminal: every metric of every output, then what bounds say."""
        lines = [f"{self.reference.path} against {self.candidate.path}, {self.measured.samples} samples"]
        for each in self.measured.measurements:
            values = ", ".join(number_text(value, unit) for unit, value in each.values.items())
            worst = "" if each.worst_sample is None else worst_text(each.worst_sample, each.samples, self._name(each))
            lines.append(f"  {printable.name(each.output):<16} {each.metric:<15} {values:<40} {worst}".rstrip())
        lines += [f"  {sentence}" for sentence in self.measured.findings]
        if self.judgement is not None:
            lines += [f"  {each}" for each in comparison_lines(self.judgement.comparisons)]
        if self.judgement is not None and self.lacking:
            lines.append(
                f"  NOT PASSED: {self.lacking} of the reference's samples are missing, and nothing is known about them"
            )
        return printable.lines(lines)


@dataclass(frozen=True, slots=True)
class Rejudged:
    """The runs of a bundle, held against other bounds. `off` says what is not judged.

    What nobody can judge again without running the model (findings, noise, what outputs mean, what a user's function said) is what the build's report
    says, and goes on counting.
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
        """Return "passed" only where the bounds are kept, and the report has no finding that is an error and no budget overspent."""
        if saved_report.is_broken(self.report):
            return "failed"
        is_open = saved_report.is_open(self.report)
        return "inconclusive" if is_open and self.judged.outcome == "passed" else self.judged.outcome

    @property
    def has_own_tasks(self) -> bool:
        """Whether functions of the user's scored the build, which nobody calls again."""
        return any(is_own(each["metric"]) for each in self.report["tasks"])

    def to_json(self) -> RejudgedDocument:
        """Return plain JSON; `of_the_report` names what was not judged again, and is what the build's report says."""
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
        """Return it for a terminal."""
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
            f"  {name} {spent['spent']} <= {spent['limit']}  FAIL"
            for name, spent in self.report["budget"].items()
            if not saved_report.is_within(spent)
        ]
        return printable.lines(lines)


_OF_THE_REPORT = "measured again and judged by these bounds; findings and repeatability are from its report"


def compare_runs(
    reference: str | Path,
    candidate: str | Path,
    bounds: str | Path | Sequence[Bound] = (),
    *,
    stage: str = "total",
    context: Context | None = None,
    also: Iterable[str] = (),
) -> RunComparison:
    """Return what was measured of two saved runs of the same samples, and what the bounds of one stage say of it, where bounds are given.

    `bounds` may be the file that holds them, a profile or [[bounds]] alone.
    `context` has the scheme of the artifact and the kinds of outputs, where bounds depend on them. `also` names metrics, as "topk_agreement:k=5",
    that are measured where somebody asks for them. Where one is of the first samples of the other only, these are compared.
    RequestError for runs that are none or are of different samples, and for bounds of which nobody can say whether they are for these runs.
    """
    from toolkit.profiles import read_bounds

    bounds = read_bounds(Path(bounds)) if isinstance(bounds, str | Path) else bounds
    by = context or Context()
    ours, theirs = saved_runs.read(Path(reference)), saved_runs.read(Path(candidate))
    saved_runs.require_same_samples(ours, theirs)
    require_fitting([Declared(line=by.kinds)], ours.signature.to_json()["outputs"])
    mine = [bound for bound in bounds if bound.stage == stage]
    _require_told(mine, ours, by)
    count = min(ours.count, theirs.count) if ours.samples and theirs.samples else None
    asked = {*map(metrics.canonical, also), *compare.asked_by(bounds)}
    measured = compare.measure(ours.read(count), theirs.read(count), asked, only=compare.asked_of_kinds(mine, by.kinds))
    judgement = compare.judge(measured, bounds, stage=stage, context=by).with_names(ours.names) if bounds else None
    return RunComparison(
        ours, theirs, measured, judgement, 0 if stage in PARTIAL else max(0, ours.count - theirs.count)
    )


def _require_told(bounds: Sequence[Bound], run: SavedRun, context: Context) -> None:
    """Raise RequestError, with all that is missing, where bounds are for some schemes or kinds of outputs and nobody said which these runs are of.

    They would judge nothing, and what the others say would look like a verdict by all of them.
    """
    problems = []
    schemes = sorted({scheme for bound in bounds for scheme in bound.schemes})
    if context.scheme is None and schemes:
        problems.append(f"bounds are for schemes ({', '.join(schemes)}): give the artifact's with --scheme")
    of_scheme = [bound for bound in bounds if not bound.schemes or context.scheme in bound.schemes]
    for name, kinds in _untold(of_scheme, run, context).items():
        problems.append(
            f"bounds are for kinds of outputs: give this one's with --output-kind {name}=KIND ({', '.join(kinds)})"
        )
    if problems:
        raise RequestError(printable.lines(f"{run.path}: {problem}" for problem in problems))


def _untold(bounds: Sequence[Bound], run: SavedRun, context: Context) -> dict[str, list[str]]:
    """Return for each output of which nobody said what it is the kinds that bounds on it are for, where there are such bounds."""
    names = [spec.name for spec in run.signature.outputs if spec.name not in context.kinds]
    found = {
        name: sorted({kind for bound in bounds if bound.output in ("*", name) for kind in bound.kinds})
        for name in names
    }
    return {name: kinds for name, kinds in found.items() if kinds}


def rejudge(bundle: str | Path, bounds: str | Path) -> Rejudged:
    """Return what the bounds of a file (a profile, or [[bounds]] alone) say of all runs of a bundle.

    RequestError for a folder that is no bundle or is not as its build wrote it (`toolkit.bundle.saved_report`), for runs that the report is not on,
    and for runs of different samples.
    """
    from toolkit import profiles

    bundle, bounds = Path(bundle), Path(bounds)
    saved = saved_report.read(bundle)
    report = saved.report
    runs = [_run(bundle, stage, said["samples"]) for stage, said in report["runs"].items()]
    for run in runs[1:]:
        saved_runs.require_same_samples(runs[0], run)
    limits, scheme = profiles.read_bounds(bounds), report["artifact"]["scheme"]
    # Bundles of older releases do not tell what outputs mean.
    kinds = {name: OutputKind.from_json(one) for name, one in report.get("output_kinds", {}).items()}
    context = context_of(scheme, report["noise"], kinds)
    if untold := _untold(for_scheme(limits, "total", scheme), runs[0], context):
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
