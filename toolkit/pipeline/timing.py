"""The latency of a verdict: measured after everything else, on the device alone, and judged by the budgets of the target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.errors import EdgeToolkitError
from toolkit.execution.latency import Latency
from toolkit.execution.run import Execution, model_of
from toolkit.execution.timing_jobs import timing_jobs
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.verdict.latency_findings import findings_of
from toolkit.verdict.timing_budget import memory_not_known, spent_of
from toolkit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from toolkit.pipeline.stages import Chain

NOT_MEASURED = "latency-not-measured"


def timed(verdict: Verdict, chain: Chain, executor: Executor) -> Verdict:
    """Return the verdict with the latency of its artifact, if that was asked for or a budget needs it; unchanged if it failed already.

    A failure to measure is a finding, which leaves the verdict open where a budget needs the measurement.
    """
    target = chain.target
    asked, budget = chain.model.timing.asked, target.budget
    if not (asked or budget.is_measured) or verdict.outcome == "failed":
        return verdict
    if not target.verification.timed:  # its report says why there is no latency, and its profile has no such budget
        return verdict
    try:
        latency = _measured(chain, verdict.steps[-1].run.engine, executor)
    except EdgeToolkitError as error:
        message = f"latency was not measured: {' '.join(error.problem.split())}"
        found = Finding(NOT_MEASURED, "inconclusive" if budget.is_measured else "warning", message, fix=error.hint)
        return replace(verdict, findings=(*verdict.findings, found))
    return replace(
        verdict,
        latency=latency,
        budget=(*verdict.budget, *spent_of(latency, budget)),
        findings=(*verdict.findings, *findings_of(latency), *memory_not_known(latency, budget)),
    )


def _measured(chain: Chain, engine: str, executor: Executor) -> Latency:
    last = chain.stages[-1].job
    called = {name: last.options[name] for name in ("signature", "names") if name in last.options}
    jobs = timing_jobs(
        model_of(last),
        chain.model.verification,
        Execution.of(last),
        chain.model.timing,
        executor.settings.limits,
        called,
    )
    return jobs.latency(executor.run(*jobs.all), engine)
