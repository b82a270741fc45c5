"""The jobs of a chain -> its verdict. Stages run over more samples or on other kernels while the result is open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from toolkit.comparison import metrics, task_scores
from toolkit.comparison.compare import NO_METRICS, Comparison
from toolkit.comparison.scored_task import Task
from toolkit.comparison.task_metrics import is_own
from toolkit.execution.run import metric_job
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.pipeline import float_noise, reference_kernels
from toolkit.pipeline.basis import Basis, basis_of
from toolkit.pipeline.missing_operator import said_of_target
from toolkit.pipeline.stages import Chain, Stage
from toolkit.pipeline.worst_sample import looked_at_again
from toolkit.samples.input_ranges import InputRange
from toolkit.verdict import delegation
from toolkit.verdict.chain import ON_DEVICE, judge_chain
from toolkit.verdict.evidence import Evidence
from toolkit.verdict.stage_run import StageRun
from toolkit.verdict.verdict import Verdict, judge
from toolkit.wire import labels


def evaluate(chain: Chain, executor: Executor, seconds: float) -> Verdict:
    """Return the verdict on a chain. If a job failed, raise the first such error, worded for the target.

    Jobs that have not run yet run first. `seconds` is the total time that the verdict reports.
    """
    lost = executor.lost(chain.goal)
    if lost is not None:  # raised first: jobs that were given up because of it must not start again
        raise said_of_target(lost, chain.target, chain.artifact.scheme)
    basis = basis_of(chain, executor, seconds)
    chain = _as_it_ran(chain, basis, executor)
    verdict = _judged(chain, basis, executor)
    conversion = chain.stage("conversion")
    if conversion is not None and float_noise.is_asked(verdict.judged, chain.target.bounds):
        noise = float_noise.measured(conversion, basis.original, executor)
        basis = replace(basis, noise={**basis.noise, **noise})
        verdict = _judged(chain, basis, executor)
    chain, verdict = _with_more_reference(chain, basis, verdict, executor)
    return _without_wrong_kernels(chain, basis, verdict, executor) or looked_at_again(verdict, chain, executor)


def _as_it_ran(chain: Chain, basis: Basis, executor: Executor) -> Chain:
    """Return the chain with its actual runs: reference kernels that failed are replaced, and the device stops once its result is certain."""
    runs, stages, findings = [basis.original], [], list(chain.findings)
    for planned in chain.stages:
        stage = planned
        if planned.name == "quantization":
            stage = planned.that_ran(executor)
        elif planned.name in ON_DEVICE:
            stage = _until_certain(planned, runs, chain, basis, executor)
        if planned.name == "quantization" and stage is not planned:
            message = "reference kernels do not run this model; the builtin ones, without delegates, stand in for them"
            findings.append(Finding("reference-kernels-failed", "warning", message))
        stages.append(stage)
        runs.append(stage.read(executor))
    return replace(chain, stages=tuple(stages), findings=tuple(findings))


def _until_certain(device: Stage, before: Sequence[StageRun], chain: Chain, basis: Basis, executor: Executor) -> Stage:
    """Return the device's stage. It gets more samples until its verdict is certain or none is left. `before` are the runs of earlier stages."""
    run, most = device.read(executor), basis.original.count
    while run.count < most and not _is_certain([*before, run], chain, basis):
        device = device.longer(min(2 * run.count, most))
        run = device.read(executor)
    return device


def _is_certain(runs: Sequence[StageRun], chain: Chain, basis: Basis) -> bool:
    """Return whether the device may stop: a rate or a worst sample has failed for certain, or there are rates and every comparison passed.

    Without a rate, all samples run: a bound on the worst sample or on the whole set can still fail later. A bound on the whole set that fails
    now can still pass later, so its failure does not stop the device.
    """
    judged = judge_chain(runs, chain.target.bounds, basis.context(chain), early=True)
    others = [each for each in judged.comparisons if not _is_over_the_set(each)]
    if any(each.status == "failed" for each in others):
        return True
    rates = [each for each in judged.total.comparisons if each.interval is not None]
    return bool(rates) and all(each.status == "passed" for each in judged.comparisons)


def _is_over_the_set(comparison: Comparison) -> bool:
    return comparison.metric not in NO_METRICS and metrics.load(comparison.metric).OVER in ("set", "whole")


def _judged(chain: Chain, basis: Basis, executor: Executor) -> Verdict:
    """Return the verdict on the present runs of the stages."""
    runs = [basis.original, *(stage.read(executor) for stage in chain.stages)]
    drawn = {part: basis.samples.result[part] for part in ("calibration", "verification")}
    evidence = Evidence(
        steps=tuple(runs),
        samples={part: one["count"] for part, one in drawn.items() if one},
        drawn=basis.samples.out / "verification",
        noise=basis.noise,
        kinds=basis.kinds,
        inputs={name: InputRange.from_json(one) for name, one in basis.samples.result["inputs"].items()},
        findings=(
            *basis.findings,
            *chain.findings,
            *_first_samples_only(runs),
            *delegation.of_runs(chain.target, runs),
        ),
        seconds=basis.seconds,
        tasks=basis.tasks,
        own_tasks=_own_tasks(chain, basis, runs, executor),
        candidates=chain.candidates,
        given=chain.made is None,
        early=chain.model.stops_early and any(stage.name in ON_DEVICE for stage in chain.stages),
        account=basis.account,
        own=basis.own,
        float_bytes=chain.float_bytes,
        arena=basis.arena,
    )
    return judge(chain.target, chain.model.source, chain.artifact, evidence)


def _with_more_reference(chain: Chain, basis: Basis, verdict: Verdict, executor: Executor) -> tuple[Chain, Verdict]:
    """Return chain and verdict after reference kernels ran enough samples to decide the bounds of their two stages."""
    quantization = chain.stage("quantization")
    while quantization is not None and _is_open_for_want_of_reference(verdict):
        quantization = quantization.longer(min(2 * verdict.runs["quantization"].count, basis.original.count))
        if quantization.error(executor) is not None:
            break  # the result of the first samples stands
        chain = chain.with_stage(quantization)
        verdict = _judged(chain, basis, executor)
    return chain, verdict


def _is_open_for_want_of_reference(verdict: Verdict) -> bool:
    """Return whether reference kernels ran fewer samples than the rest, and a bound of their two stages is inconclusive."""
    counts = {run.stage: run.count for run in verdict.steps}
    held = (judgement for judgement in verdict.stages if judgement.stage in ("quantization", "kernels"))
    is_open = any(each.status == "inconclusive" for judgement in held for each in judgement.comparisons)
    return is_open and counts.get("quantization", math.inf) < counts["original"]


def _without_wrong_kernels(chain: Chain, basis: Basis, verdict: Verdict, executor: Executor) -> Verdict | None:
    """Return the verdict with other kernels in place of the reference kernels if those are at fault, else None."""
    quantization = chain.stage("quantization")
    if quantization is None or not reference_kernels.may_be_wrong(verdict.judged, quantization.job):
        return None
    other = reference_kernels.stand_in(chain, quantization)
    if other.error(executor) is not None:
        return None
    without = _judged(chain.with_stage(other), basis, executor)
    return reference_kernels.cleared(verdict, without, other.job)


def _first_samples_only(runs: Sequence[StageRun]) -> list[Finding]:
    """Return a finding for each stage that ran only the first samples."""
    found: list[Finding] = []
    for run in runs:
        if run.stage in ("quantization", *ON_DEVICE) and run.count < runs[0].count:
            why = (
                "reference kernels ran {}, because they are slow"
                if run.stage == "quantization"
                else "the device ran {}: they made its rates certain, and all other values are of these"
            )
            message = why.format(f"the first {run.count} of {runs[0].count} samples")
            if any(each.message == message for each in found):
                continue  # of two stages on one device
            found.append(Finding("first-samples-only", "info", message))
    return found


def _own_tasks(chain: Chain, basis: Basis, runs: Sequence[StageRun], executor: Executor) -> tuple[Task, ...]:
    """Return the scores of each stage by the user's own functions, each run in its own process. Raise the error of the first that failed."""
    wanted, drawn = [text for text in basis.tasks if is_own(text)], chain.model.verification
    task_scores.require_labels(wanted, labels.read(basis.samples.out / drawn.name) if wanted else None)
    ran = {"original": chain.model.reference, **{stage.name: stage.job for stage in chain.stages}}
    found = []
    for text in wanted:
        jobs = {
            run.stage: metric_job(text, ran[run.stage].output("outputs"), run.count, run.signature, drawn)
            for run in task_scores.scorable(runs)
        }
        entries = executor.run(*jobs.values())
        said = {stage: entry.result for stage, entry in zip(jobs, entries, strict=True)}
        scores = {stage: math.nan if one["score"] is None else one["score"] for stage, one in said.items()}
        rows = {stage: one["rows"] for stage, one in said.items()}
        found.append(Task(text, said["original"]["better"], scores, rows))
    return tuple(found)
