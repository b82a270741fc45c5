"""The stage that broke the worst sample if only the total failed and reference kernels had not run that sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from toolkit.comparison import compare
from toolkit.execution.run import model_of, run_job, run_of
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job
from toolkit.pipeline.stages import Chain, Stage
from toolkit.verdict.noise import off_by
from toolkit.verdict.stage_run import StageRun
from toolkit.verdict.verdict import Verdict
from toolkit.wire.shards import sequence_length


def looked_at_again(verdict: Verdict, chain: Chain, executor: Executor) -> Verdict:
    """Return the verdict with the stage that broke the worst sample of a failed total; unchanged if reference kernels already ran that sample.

    Reference kernels run the sample now, by itself. A sample of a sequence depends on the samples before it, so the verdict stays unchanged.
    """
    failed, steps = verdict.judged.failed_in_total, {step.stage: step for step in verdict.steps}
    quantization = chain.stage("quantization")
    if failed is None or failed.worst_sample is None or quantization is None or "kernels" not in steps:
        return verdict
    worst, ran = failed.worst_sample, steps["quantization"]
    if worst < ran.count or sequence_length(verdict.drawn) is not None:
        return verdict
    alone = _alone(quantization, worst, ran, executor)
    if alone is None:
        return verdict  # it already names a stage, from the samples that ran
    before, after = (steps[stage].only(worst) for stage in ("conversion", "kernels"))
    measured = {
        "quantization": compare.measure(before, alone.read(), [failed.metric]),
        "kernels": compare.measure(alone.read(), after, [failed.metric]),
    }
    by_stage = {each.stage: measured.get(each.stage, each.measured) for each in verdict.judged.stages}
    guilty = max(by_stage, key=lambda stage: off_by(by_stage[stage], failed))
    message = (
        f"sample {worst}, beyond the first {ran.count}, was run on reference kernels as well: {guilty} is what broke it"
    )
    finding = Finding("looked-at-again", "info", message)
    return replace(verdict, judged=replace(verdict.judged, pinned=guilty), findings=(*verdict.findings, finding))


def _alone(stage: Stage, sample: int, ran: StageRun, executor: Executor) -> StageRun | None:
    """Return the run of one sample on reference kernels; None if it failed."""
    picked = Job(
        f"taking sample {sample}",
        "wire.subset",
        "one",
        Engine("dataset"),
        {"index": sample},
        {"samples": stage.model.verification},
    )
    model, kernels = model_of(stage.job), replace(stage.execution, kernels="reference")
    key = stage.model.held if isinstance(model, Path) else None
    (outcome,) = executor.outcomes([run_job(model, picked.output("samples"), kernels, signature=key)])
    return None if outcome.error is not None else StageRun("quantization", run_of(outcome.entry), ran.signature)
