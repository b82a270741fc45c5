"""Selects the variant of a recipe that ships: runs each variant over the samples and takes the one that drifts least from the float artifact.

A fallback is a variant made by an engine that is not preferred. It is made only if no other variant could be made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from toolkit import findings
from toolkit.comparison import compare
from toolkit.conversion.artifacts import Artifact, artifact_of
from toolkit.conversion.made_file import NOT_SMALLER
from toolkit.errors import EdgeToolkitError, InvalidSamples, LimitReached
from toolkit.execution.run import Execution, run_of, signature_of_run
from toolkit.jobs.executor import Executor, JobOutcome
from toolkit.jobs.graph import Goal
from toolkit.jobs.job import Job
from toolkit.jobs.store import Entry
from toolkit.pipeline.model import Model
from toolkit.profiles.recipe import Recipe, Variant
from toolkit.tensors.signature import Signature
from toolkit.verdict.evidence import CandidateRow
from toolkit.verdict.noise import decibels, noise_share
from toolkit.verdict.stage_run import StageRun

WITHOUT_SET = "not tried: it needs a calibration set, but none was given"

Refuse = Callable[[Artifact], "EdgeToolkitError | None"]
"""Returns why a target cannot run an artifact, as its bytes show; None where nothing is known against it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant, the job that makes it, and its run on the kernels that decide the choice. `floats` is the float artifact's run.

    `refusal` is why its file, which is made, is not run.
    """

    variant: Variant
    made: Job
    run: Job
    floats: Job
    refusal: EdgeToolkitError | None = None

    @property
    def jobs(self) -> list[Job]:
        """All jobs that the choice needs."""
        return [self.run if self.refusal is None else self.made, self.floats]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The variant that drifts least, its artifact, and the results of all variants that were tried, as JSON."""

    candidate: Candidate
    artifact: Artifact
    candidates: tuple[CandidateRow, ...]


def candidates(model: Model, recipe: Recipe, artifact_format: str, execution: Execution) -> list[Candidate]:
    """Return the variants of a recipe, preferred ones first, with the jobs that show which is best.

    Those of `untried` are not among them.
    """
    floats = model.run_floats(artifact_format)
    found = []
    left = untried(model, recipe, artifact_format)
    for variant in (each for each in recipe.variants(artifact_format) if each not in left):
        made = model.conversions.artifact(variant, artifact_format)
        found.append(
            Candidate(variant, made, model.run(model.conversions.file(made, artifact_format), execution), floats)
        )
    return found


def untried(model: Model, recipe: Recipe, artifact_format: str) -> list[Variant]:
    """Return the variants that need a calibration set which there is not, although the recipe can do without one."""
    if model.conversions.calibration is not None or recipe.is_calibrated:
        return []
    return [variant for variant in recipe.variants(artifact_format) if variant.needs is not None]


def untried_row(variant: Variant, problem: str) -> CandidateRow:
    """Return the row of a variant that was not tried."""
    return {
        **variant.to_json(),
        "sqnr_db": None,
        "size_bytes": None,
        "problem": problem,
        "keeps": None,
        "chosen": False,
    }


def without_spoiled(
    among: list[Candidate], linted: Sequence[Job], executor: Executor
) -> tuple[list[Candidate], list[CandidateRow]]:
    """Return the candidates without those that take moments from a calibration set with errors, and a row for each of the latter.

    `linted` are the jobs that check the set. InvalidSamples if no candidate does without these moments. Candidates that take ranges from such a set
    remain: the verdict fails by it.
    """
    spoiled = [one for one in among if one.variant.needs == "moments"]
    if not spoiled:
        return among, []
    ended = [outcome for outcome in executor.outcomes(list(linted)) if outcome.error is None]
    wrong = [each for outcome in ended for each in findings.read(outcome.entry.result["findings"]) if each.is_error]
    if not wrong:
        return among, []
    problem = f"not tried: the calibration set cannot be right ({wrong[0].message})"
    left = [one for one in among if one not in spoiled]
    if not left:
        raise InvalidSamples(f"{among[0].variant.recipe.scheme}: {problem}", wrong[0].fix)
    return left, [untried_row(one.variant, problem) for one in spoiled]


def preferred(among: list[Candidate]) -> list[Candidate]:
    """Return the candidates that are tried first: all except fallbacks, or all if there are only fallbacks."""
    first = [candidate for candidate in among if not candidate.variant.fallback]
    return first or among


def by_quantizer(among: Sequence[Candidate]) -> list[Goal]:
    """Return the candidates of each quantizer as one goal: they differ only in ranges, so if one reaches a limit, the others would too.

    Those that need something else of the calibration set are another goal.
    """
    groups: dict[tuple[str | None, str | None], list[Candidate]] = {}
    for candidate in among:
        if candidate.refusal is not None:
            continue
        variant = candidate.variant
        groups.setdefault((variant.quantizer, variant.needs), []).append(candidate)
    return [
        Goal((), [one.run for one in group], [job for one in group for job in (one.made, one.run)])
        for group in groups.values()
    ]


def _runs_all(_: Artifact) -> None:
    """Refuse no artifact."""


def admitted(
    among: Sequence[Candidate], executor: Executor, refuse: Refuse, goals: Sequence[Goal] = ()
) -> list[Candidate]:
    """Return the candidates, those refused that cannot run on the target. Their files are made first, and none of them is run."""
    ended = executor.outcomes([one.made for one in among], goals)
    return [_admitted(one, made, refuse) for one, made in zip(among, ended, strict=True)]


def _admitted(one: Candidate, made: JobOutcome, refuse: Refuse) -> Candidate:
    artifact = None if made.error is not None else artifact_of(made.entry, one.variant.recipe.scheme)
    refusal = None if artifact is None else refuse(artifact)
    return one if refusal is None else replace(one, refusal=refusal)


def choose(among: list[Candidate], executor: Executor, refuse: Refuse = _runs_all) -> Chosen:
    """Return the candidate whose worst output has the least noise against the float artifact. The first one wins a tie.

    A candidate that came out as another scheme may have less noise because it is not quantized. It is chosen only if all came out so; likewise one
    whose file is no smaller than the float artifact.
    A fallback is tried only if the others cannot be made, not if they take too long. A candidate that `refuse` refuses is not run.
    If no candidate could be made and run, raise an error: that of the first one that reached a limit, else that of the first candidate.
    """
    rows: list[_Row] = []
    errors: list[EdgeToolkitError] = []
    limits: list[LimitReached] = []
    for group in (preferred(among), among):
        rows, errors = _tried(admitted(group, executor, refuse, by_quantizer(group)), executor)
        limits = [error for error in errors if isinstance(error, LimitReached)]
        if limits or any(row.noise is not None and not row.is_another for row in rows):
            break
    able = [row for row in rows if row.noise is not None]
    if not able:
        raise next(iter(limits), errors[0])
    best = min(able, key=lambda row: (row.is_another, row.is_large, math.inf if row.noise is None else row.noise))
    (entry,) = executor.run(best.candidate.made)
    artifact = artifact_of(entry, best.candidate.variant.recipe.scheme)
    return Chosen(best.candidate, artifact, tuple(row.to_json(chosen=row is best) for row in rows))


@dataclass(frozen=True, slots=True)
class _Row:
    candidate: Candidate
    noise: float | None
    size_bytes: int | None
    problem: str | None
    keeps: str | None = None
    is_large: bool = False

    @property
    def is_another(self) -> bool:
        return self.keeps != self.candidate.variant.recipe.scheme

    def to_json(self, *, chosen: bool) -> CandidateRow:
        return {
            **self.candidate.variant.to_json(),
            "sqnr_db": None if self.noise is None else decibels(self.noise),
            "size_bytes": self.size_bytes,
            "problem": self.problem,
            "keeps": self.keeps,
            "chosen": chosen,
        }


def _tried(group: list[Candidate], executor: Executor) -> tuple[list[_Row], list[EdgeToolkitError]]:
    """Return a row for each candidate, and the errors of those that could not be made or run."""
    wanted = [job for one in group for job in (one.floats, one.made, one.run if one.refusal is None else one.made)]
    ended = executor.outcomes(wanted, by_quantizer(group))
    rows, errors = [], []
    for place, candidate in enumerate(group):
        floats, made, ran = ended[3 * place : 3 * place + 3]
        wrong = made.error or candidate.refusal or ran.error or floats.error
        if wrong is not None:
            errors.append(wrong)
            rows.append(_Row(candidate, None, None, wrong.problem))
        else:
            size_bytes, keeps = made.entry.result["size_bytes"], made.entry.result["keeps"]
            large = any(each["code"] == NOT_SMALLER for each in made.entry.result["findings"])
            rows.append(_Row(candidate, _noise(floats.entry, made.entry, ran.entry), size_bytes, None, keeps, large))
    return rows, errors


def _noise(floats: Entry, made: Entry, ran: Entry) -> float:
    """Return the noise-to-signal power ratio of the worst output; infinite if outputs do not match."""
    before, after = run_of(floats), run_of(ran)
    by_float = StageRun("conversion", before, before.signature)
    signature = Signature.from_json(made.result["signature"])
    by_variant = StageRun("kernels", after, signature_of_run(signature, after.signature))
    return noise_share(compare.measure(by_float.read(), by_variant.read()))
