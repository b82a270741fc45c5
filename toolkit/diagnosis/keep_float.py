"""What to keep in float: tried layer by layer in the order of the ranking, until the bounds of the target are met or no layer is left."""

from __future__ import annotations

import glob
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from toolkit.comparison import compare
from toolkit.conversion.artifacts import Conversions
from toolkit.diagnosis.layer_drift import Drift
from toolkit.diagnosis.suggestion import Step, Suggestion
from toolkit.errors import EdgeToolkitError, RequestError
from toolkit.execution.run import Execution, run_job, run_of, signature_of_run
from toolkit.jobs.executor import Executor, JobOutcome
from toolkit.jobs.graph import Goal
from toolkit.jobs.job import Job, Output
from toolkit.jobs.store import Entry
from toolkit.profiles.recipe import KeepFloat, Recipe, Variant
from toolkit.tensors.signature import Signature

if TYPE_CHECKING:
    from toolkit.profiles import Target

_FORMAT = "tflite"
_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # numbers of kept layers: beyond a few, one more seldom matters
_AT_ONCE = 4  # tried together before the bounds are checked
_OTHERS = ("static_wi8_ai16", "dynamic_wi8_afp32", "float16")
_STAGES = ("quantization", "total")


@dataclass(frozen=True, slots=True)
class Trying:
    """The inputs of each try: a model's conversions, the recipe that breaks it, the verification samples, and the target with its kernels."""

    conversions: Conversions
    recipe: Recipe
    samples: Output
    target: Target
    execution: Execution
    _runs: dict[Job, Job] = field(default_factory=dict)

    def run(self, made: Job) -> Job:
        """Return the run of a job's file. The same job gives the same run."""
        if made not in self._runs:
            self._runs[made] = run_job(self.conversions.file(made, _FORMAT), self.samples, self.execution)
        return self._runs[made]


def suggest(drift: Drift, trying: Trying, executor: Executor) -> Suggestion:
    """Return the gain of keeping layers in float, in the order of the drift's ranking, and the gain of other schemes.

    Once the bounds are met, layers that are not needed for that are quantized again, the cheapest first. Raise RequestError for a scheme that
    quantizes nothing.
    """
    names = list(dict.fromkeys(layer.float_tensor for layer in drift.ranking()))
    steps = _ever_more(names, trying, executor)
    met = next((step for step in steps if step.met), None)
    if met is not None and met.kept:
        steps += _fewer(met, trying, executor)
    others = [name for name in _OTHERS if name != trying.recipe.scheme]
    return Suggestion(tuple(steps), tuple(_other(name, trying, executor) for name in others), trying.target.name)


def _ever_more(names: Sequence[str], trying: Trying, executor: Executor) -> list[Step]:
    counts = [0, *(count for count in _COUNTS if count < len(names)), *([len(names)] if names else [])]
    steps: list[Step] = []
    while counts and not any(step.met for step in steps):
        now, counts = counts[:_AT_ONCE], counts[_AT_ONCE:]
        steps += _tried(
            [(_kept(trying.recipe, names[:count]), tuple(names[:count])) for count in now], trying, executor
        )
    enough = next((place for place, step in enumerate(steps) if step.met), len(steps) - 1)
    return steps[: enough + 1]


def _fewer(met: Step, trying: Trying, executor: Executor) -> list[Step]:
    """Return the steps that quantize layers again, the cheapest first. Each starts from the last step that met the bounds."""
    steps: list[Step] = []
    kept = met.kept
    for name in reversed(met.kept):
        fewer = tuple(each for each in kept if each != name)
        (step,) = _tried([(_kept(trying.recipe, fewer), fewer)], trying, executor) if fewer else (None,)
        if step is not None and step.met:
            steps.append(step)
            kept = fewer
    return steps


def _other(scheme: str, trying: Trying, executor: Executor) -> Step:
    """Return the step of another scheme without kept layers: the first of its variants that can be made, or why none can."""
    steps = _tried([(trying.target.recipe(scheme), ())], trying, executor)
    return steps[0]


def _kept(recipe: Recipe, names: Sequence[str]) -> Recipe:
    more = tuple(
        glob.escape(name) for name in names
    )  # fnmatch matches patterns to names, and reads this escaping in the same way
    return replace(recipe, keep_float=KeepFloat((*recipe.keep_float.tensors, *more), recipe.keep_float.operators))


def _tried(asked: Sequence[tuple[Recipe, tuple[str, ...]]], trying: Trying, executor: Executor) -> list[Step]:
    """Return a step for each recipe. All recipes run at once."""
    floats = trying.run(trying.conversions.floats(_FORMAT))
    made: list[list[Job]] = []
    problems: dict[int, EdgeToolkitError] = {}
    for place, (recipe, _) in enumerate(asked):
        try:
            made.append([trying.conversions.artifact(variant, _FORMAT) for variant in _variants(recipe)])
        except EdgeToolkitError as error:  # no calibration set, or dtypes that the scheme does not allow
            made.append([])
            problems[place] = error
    runs = [trying.run(job) for jobs in made for job in jobs]
    wanted = [floats, *runs, *(job for jobs in made for job in jobs)]
    goal = Goal([floats], runs, wanted)  # if one step reaches a limit, the others would too
    ended = dict(zip(wanted, executor.outcomes(wanted, [goal]), strict=True))
    reference = ended[floats].entry
    steps = []
    for place, ((recipe, kept), jobs) in enumerate(zip(asked, made, strict=True)):
        measured = list(_measured(recipe, kept, jobs, reference, trying, ended))
        failed = Step(recipe.scheme, kept, problem=problems[place].problem) if place in problems else None
        steps.append(failed or next((step for step in measured if step.problem is None), measured[0]))
    return steps


def _variants(recipe: Recipe) -> list[Variant]:
    """Return the variants with the recipe's first estimator, without fallbacks and those that scale weights; if there are none, the first variant."""
    variants = recipe.variants(_FORMAT)
    quick = [
        variant
        for variant in variants
        if not variant.fallback and variant.needs != "moments" and variant.estimator in (None, recipe.estimators[0])
    ]
    if not variants or variants[0].quantizer is None:
        raise RequestError(f"scheme {recipe.scheme}: quantizes nothing, so there is nothing to keep in float")
    return quick or variants[:1]


def _measured(
    recipe: Recipe,
    kept: tuple[str, ...],
    jobs: Sequence[Job],
    reference: Entry,
    trying: Trying,
    ended: Mapping[Job, JobOutcome],
) -> Iterator[Step]:
    for job in jobs:
        artifact, ran = ended[job], ended[trying.run(job)]
        try:
            yield _held(Step(recipe.scheme, kept), reference, artifact.entry, ran.entry, trying.target)
        except EdgeToolkitError as error:
            yield Step(recipe.scheme, kept, problem=error.problem)


def _held(step: Step, reference: Entry, artifact: Entry, ran: Entry, target: Target) -> Step:
    """Return the step with its numbers: its artifact's run against the float artifact's run, by the target's bounds."""
    floats, after = run_of(reference), run_of(ran)
    signature = signature_of_run(Signature.from_json(artifact.result["signature"]), after.signature)
    measured = compare.measure(
        compare.RunOutputs.read("the float artifact", floats.signature, floats.outputs),
        compare.RunOutputs.read("the quantized one", signature, after.outputs),
        compare.asked_by(target.bounds),
    )
    judged = [
        compare.judge(measured, target.bounds, stage=stage, context=compare.Context(step.scheme)) for stage in _STAGES
    ]
    comparisons = [each for judgement in judged for each in judgement.comparisons]
    return replace(
        step,
        sqnr_db=_worst(measured, "sqnr_db"),
        agreement=_worst(measured, "top1_agreement"),
        size_bytes=int(artifact.result["size_bytes"]),
        met=all(each.passed for each in comparisons) if comparisons else None,
    )


def _worst(measured: compare.Measured, metric: str) -> float | None:
    """Return the least value of a metric over the outputs that it applies to; NaN if any is NaN."""
    values = [next(iter(each.values.values())) for each in measured.measurements if each.metric == metric]
    return (math.nan if any(map(math.isnan, values)) else min(values)) if values else None
