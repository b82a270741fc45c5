"""How much float kernels differ on a network: a deep or steep network amplifies differences in the last bit.

Two experiments run on the float artifact, over all samples. In one, each input moves by one unit in the last place. In the other, a second set of
kernels, which sums in another order, runs the file. Neither uses the original, so a wrong artifact cannot excuse itself: its noise is no larger than
that of a right one. Wrong kernels cannot excuse themselves either: their difference counts only up to the difference between the other set and the
original.

The experiments run only if a limit in multiples of noise is missed. Otherwise they cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.comparison import compare
from toolkit.comparison.noise_limits import KERNELS, NUDGED, UNIT
from toolkit.comparison.task_scores import Ran
from toolkit.execution.run import model_of, run_job, run_of
from toolkit.jobs.executor import Executor, JobOutcome
from toolkit.jobs.job import Engine, Job
from toolkit.pipeline.stages import Stage
from toolkit.verdict.chain import Judged
from toolkit.verdict.stage_run import StageRun

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound


def is_asked(judged: Judged, bounds: tuple[Bound, ...]) -> bool:
    """Return whether a stage missed a limit in multiples of noise that has an absolute limit beside it."""
    held = {(bound.stage, bound.metric) for bound in bounds if bound.unit == UNIT and bound.unless is not None}
    return any((each.stage, each.metric) in held and each.status == "failed" for each in judged.comparisons)


def measured(conversion: Stage, original: StageRun, executor: Executor) -> dict[str, dict[str, float]]:
    """Return the largest absolute difference of each output in real units, by kind of noise.

    A kind is missing if its runs failed or their outputs do not match. `conversion` is the stage that runs the float artifact.
    """
    moved = Job(
        "moving inputs by one unit in the last place",
        "wire.subset",
        "nudged",
        Engine("dataset"),
        inputs={"samples": conversion.model.verification},
    )
    model, key = model_of(conversion.job), conversion.job.options["signature"]
    jobs = (
        conversion.job,
        run_job(model, moved.output("samples"), conversion.execution, signature=key),
        conversion.on("builtin").job,
    )
    ran, nudged, builtin = (_step(each) for each in executor.outcomes(list(jobs)))
    if ran is None:
        return {}
    found: dict[str, dict[str, float]] = {}
    if nudged is not None:
        found[NUDGED] = _apart(ran, nudged)
    if builtin is not None:
        found[KERNELS] = between_kernels(original, ran, builtin)
    return {kind: values for kind, values in found.items() if values}


def between_kernels(original: Ran, ran: Ran, other: Ran) -> dict[str, float]:
    """Return how much two sets of kernels differ on one file, by output, but at most the difference of the other set from the original."""
    between, beside = _apart(ran, other), _apart(original, other)
    return {name: min(between[name], beside[name]) for name in between.keys() & beside.keys()}


def _step(outcome: JobOutcome) -> StageRun | None:
    if outcome.error is not None:
        return None
    run = run_of(outcome.entry)
    return StageRun("conversion", run, run.signature)


def _apart(one: Ran, other: Ran) -> dict[str, float]:
    found = compare.measure(one.read(), other.read())
    return {each.output: each.values["real"] for each in found.measurements if each.metric == "max_abs"}
