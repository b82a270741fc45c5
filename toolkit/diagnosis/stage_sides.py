"""The two sides of a stage: their runs, how these were made, and how far their outputs are apart."""

from __future__ import annotations

import math

from toolkit import launchers
from toolkit.comparison import compare
from toolkit.errors import EdgeToolkitError, UnknownName
from toolkit.execution.run import Run, run_of
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Job
from toolkit.pipeline.stages import Chain, Stage
from toolkit.verdict.stage_run import StageRun


def sides(chain: Chain, stage: str, executor: Executor) -> tuple[Job, Job]:
    """Return the two runs that a stage compares. Builtin kernels replace reference kernels that fail, as in the verdict.

    Raise UnknownName for a stage that the chain does not have.
    """
    before: Stage | None = None
    for each in chain.stages:
        if each.name == stage:
            first = chain.model.reference if before is None else before.that_ran(executor).job
            return first, each.that_ran(executor).job
        before = before if each.name == "source" else each  # the source is a branch
    raise UnknownName("stage", stage, [each.name for each in chain.stages])


def said(job: Job, run: Run) -> str:
    """Return the description of a run, for people."""
    kernels = f", {job.options['kernels']} kernels" if "kernels" in job.options else ""
    launcher = job.engine.launcher
    where = "" if launchers.is_host(launcher) else f", {run.about['machine']} ({launcher})"
    return f"{run.engine}{kernels}{where}"


def diverging(stage: str, jobs: tuple[Job, Job], executor: Executor) -> tuple[str, ...]:
    """Return a sentence for each output whose two runs are not equal."""
    runs = [run_of(entry) for entry in executor.run(*jobs)]
    before, after = (StageRun(stage, run, run.signature) for run in runs)
    count = min(before.count, after.count)
    try:
        measured = compare.measure(before.read(count), after.read(count))
    except EdgeToolkitError as error:
        return (f"outputs cannot be compared: {error.problem}",)
    apart = [each for each in measured.measurements if each.metric == "sqnr_db" and each.values["db"] != math.inf]
    return (
        *(f"output {name!r}: {problem}" for name, problem in measured.mismatches.items()),
        *(
            f"output {each.output!r}: SQNR {each.values['db']:.1f} dB over {each.samples} samples, least in sample {each.worst_sample}"
            for each in apart
        ),
    )
