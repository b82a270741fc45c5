"""One artifact for several declared sizes. It is made at the first size, run and judged at each, and passes only if every size passes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.comparison.wording import comparison_text
from toolkit.conversion.artifacts import Artifact
from toolkit.errors import EdgeToolkitError, RequestError, prefixed
from toolkit.execution.latency import LatencyRequest
from toolkit.findings import Finding, Severity
from toolkit.jobs.executor import Executor
from toolkit.pipeline.attempt import Attempt, Trial, attempts_of
from toolkit.pipeline.model import Model
from toolkit.pipeline.prepare import OTHERS, Samples, Sets, draw, open_model
from toolkit.profiles.recipe import Recipe
from toolkit.source import source
from toolkit.source.original import Original
from toolkit.source.source import Source
from toolkit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.profiles import Target

_GRAVEST_FIRST = ("failed", "inconclusive", "passed")
_SEVERITY: Mapping[str, Severity] = {"failed": "error", "inconclusive": "warning", "passed": "info"}
_WORDS = {"failed": "not passed", "inconclusive": "inconclusive", "passed": "passed"}


def first_of(original: Original) -> Original:
    """Return the model at the first of its declared sizes: its artifact is made at that size. Unchanged if none or one was declared."""
    return replace(original, shapes=original.sizes[0]) if original.sizes else original


def opened_at_each(original: Original, executor: Executor) -> list[Source]:
    """Return the model opened at each of its declared sizes, in order. If none was declared, it is opened once, as it is."""
    if not original.sizes:
        return [open_model(original, executor)]
    return [source.open_source(replace(original, shapes=shapes), executor) for shapes in original.sizes]


def drawn_at_each(
    opened: Sequence[Source], samples: Samples, recipes: Sequence[Recipe], timing: LatencyRequest
) -> list[Model]:
    """Return the model with samples of each size, and with what of its latency was asked for. The samples of the first size calibrate.

    Raise RequestError for a size without samples to verify with, and for a calibration set of any size but the first.
    """
    found = _drawn_at_each(opened, samples, recipes)
    for model in found:
        model.timing = timing
    return found


def _drawn_at_each(opened: Sequence[Source], samples: Samples, recipes: Sequence[Recipe]) -> list[Model]:
    first, *others = opened
    if not others:
        return [draw(first, samples, recipes)]
    names = [one.size for one in opened]
    by_size = _named(samples, first.size)
    by_size.require_known(names)
    for one in others:
        calibration, evaluation = by_size.of(one.size)
        if calibration is not None:
            raise RequestError(
                f"--calibration {one.size}: ranges are taken at one size, the first one declared, {first.size}",
                f"declare {one.size} first, or pass the set as --eval {one.size}=SET",
            )
        if evaluation is None:
            raise RequestError(
                f"no samples of the size {one.size}: each declared size is verified with samples of its own",
                " ".join(f"--eval {name}=SET" for name in names[1:]),
            )
    return [draw(first, by_size.only(first.size), recipes), *(draw(one, by_size.only(one.size), ()) for one in others)]


def said_of_one_size(artifact: Artifact, opened: Source) -> list[Finding]:
    """Return a warning if an artifact accepts sizes at which it is not verified, because none were declared. The batch size does not count."""
    left = [spec.name for spec in artifact.signature.inputs if None in (spec.shape or ())[1:]]
    if not left or opened.canonical is not None:
        return []
    message = (
        f"leaves sizes of {', '.join(left)} open, and is verified only at the size of the samples; "
        "give --shape several times to declare more"
    )
    return [Finding("one-size-only", "warning", message, names=tuple(left))]


def _named(samples: Samples, first: str) -> Samples:
    """Return the samples by size. A set without a name belongs to the first size, because all samples of a set have one size."""

    def named(sets: Sets) -> Mapping[str, str] | None:
        if sets is None or isinstance(sets, str | Path):
            return None if sets is None else {first: str(sets)}
        return {first if name == OTHERS and first not in sets else name: str(one) for name, one in sets.items()}

    return replace(samples, calibration=named(samples.calibration), evaluation=named(samples.evaluation))


@dataclass(slots=True)
class Sizes:
    """The model at each declared size except the first, and the verdicts at all sizes, by target and artifact."""

    others: Sequence[Model]
    first: str
    _found: dict[tuple[str, str, str], dict[str, Verdict]] = field(default_factory=dict)

    def at_each(self, attempt: Attempt, target: Target, executor: Executor, began: float) -> Attempt:
        """Return the worst of the verdicts at all sizes, with a finding about each size. If a size has an error, return it with the size's name.

        `attempt` is the result at the first size.
        """
        if not self.others or isinstance(attempt, EdgeToolkitError):
            return attempt
        trials = [Trial(model, target, attempt.artifact) for model in self.others]
        executor.outcomes([job for trial in trials for job in trial.jobs], [trial.goal for trial in trials])
        found = {self.first: attempt}
        for model, trial in zip(self.others, trials, strict=True):
            (outcome,) = attempts_of(model, [trial], executor, began)
            if isinstance(outcome, EdgeToolkitError):
                return prefixed(f"{target.name} at {model.source.size}: ", outcome)
            found[model.source.size] = outcome
        self._found[_name(target, attempt.artifact)] = found
        return replace(together(found), candidates=attempt.candidates, seconds=time.monotonic() - began)

    def of(self, verdict: Verdict) -> Mapping[str, Verdict]:
        """Return the verdicts by size that `at_each` combined into this one; empty if there is only one size."""
        return self._found.get(_name(verdict.target, verdict.artifact), {})


def together(found: Mapping[str, Verdict]) -> Verdict:
    """Return the worst of the verdicts by size, with a finding about each: so it passes only if all pass. The first one wins a tie."""
    size = min(found, key=lambda size: _GRAVEST_FIRST.index(found[size].outcome))
    said = [_said_of(one, verdict, of=size) for one, verdict in found.items()]
    return replace(found[size], findings=(*found[size].findings, *said))


def _name(target: Target, artifact: Artifact) -> tuple[str, str, str]:
    return target.name, artifact.scheme, artifact.sha256


def _said_of(size: str, verdict: Verdict, *, of: str) -> Finding:
    """Return the finding about one size. `of` is the size whose numbers the verdict shows."""
    outcome = verdict.outcome
    reasons = [comparison_text(each) for each in verdict.comparisons if each.status != "passed"]
    reasons += [spent.against for spent in verdict.budget if not spent.passed]
    reasons += [finding.message for finding in verdict.findings if finding.is_error]
    why = f": {' '.join(reasons[0].split())}" if reasons and outcome != "passed" else ""
    shown = "; the numbers of the report are of this size" if size == of else ""
    message = f"size {size}: {_WORDS[outcome]} with {verdict.samples['verification']} samples{why}{shown}"
    return Finding("size", _SEVERITY[outcome], message, facts={"size": size})
