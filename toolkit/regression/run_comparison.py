"""Compares two saved runs: every metric of every output, and the judgement by bounds. No model runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from toolkit import printable
from toolkit.comparison import compare, metrics, saved_runs
from toolkit.comparison.compare import Context, Judgement, Measured
from toolkit.comparison.comparison import ComparisonRow, worst_text
from toolkit.comparison.measured import Measurement, MeasurementRow
from toolkit.comparison.output_kinds.declaring import Declared, require_fitting
from toolkit.comparison.saved_runs import SavedRun
from toolkit.comparison.wording import comparison_lines, number_text
from toolkit.errors import RequestError
from toolkit.printable import Text
from toolkit.verdict.chain import PARTIAL

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound


class ComparedDocument(TypedDict):
    """Two runs that were compared, as JSON. `comparisons` is None if no bounds were given."""

    reference: str
    candidate: str
    samples: int
    lacking: int
    passed: bool | None
    measurements: list[MeasurementRow]
    mismatches: dict[str, str]
    findings: list[str]
    comparisons: list[ComparisonRow] | None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two saved runs, their measurements, and the judgement by bounds; None if no bounds were given.

    `lacking` is the number of the reference's samples that the candidate does not have, if the stage must run all samples; else 0.
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
        """Whether each bound is certainly kept, over all samples of the reference. Without bounds: None, or False if an output cannot be compared."""
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
        """Return the text for a terminal: every metric of every output, then the judgement by bounds."""
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


def compare_runs(
    reference: str | Path,
    candidate: str | Path,
    bounds: str | Path | Sequence[Bound] = (),
    *,
    stage: str = "total",
    context: Context | None = None,
    also: Iterable[str] = (),
) -> RunComparison:
    """Return the measurements of two saved runs of the same samples, and the judgement by the bounds of one stage, if bounds are given.

    `bounds` may be a file with bounds: a profile, or [[bounds]] alone. `context` has the scheme of the artifact and the kinds of outputs, if bounds
    depend on them. `also` names further metrics to measure, as "topk_agreement:k=5". If one run has only the first samples of the other, these are
    compared. Raise RequestError for files that are no runs, for runs of different samples, and for bounds that may not be for these runs.
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
    """Raise RequestError, with all missing facts, if bounds are for certain schemes or kinds of outputs, and those of these runs are unknown.

    Such bounds would judge nothing, and the result of the others would look like a verdict by all bounds.
    """
    problems = []
    schemes = sorted({scheme for bound in bounds for scheme in bound.schemes})
    if context.scheme is None and schemes:
        problems.append(f"bounds are for schemes ({', '.join(schemes)}): give the artifact's with --scheme")
    of_scheme = [bound for bound in bounds if not bound.schemes or context.scheme in bound.schemes]
    for name, kinds in kinds_needed(of_scheme, run, context).items():
        problems.append(
            f"bounds are for kinds of outputs: give this one's with --output-kind {name}=KIND ({', '.join(kinds)})"
        )
    if problems:
        raise RequestError(printable.lines(f"{run.path}: {problem}" for problem in problems))


def kinds_needed(bounds: Sequence[Bound], run: SavedRun, context: Context) -> dict[str, list[str]]:
    """Return, for each output of unknown kind, the kinds that its bounds are for. Outputs without such bounds are left out."""
    names = [spec.name for spec in run.signature.outputs if spec.name not in context.kinds]
    found = {
        name: sorted({kind for bound in bounds if bound.output in ("*", name) for kind in bound.kinds})
        for name in names
    }
    return {name: kinds for name, kinds in found.items() if kinds}
