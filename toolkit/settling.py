"""From finished jobs to a verdict: the runs of a chain read as stages, and a device that stops once it is certain."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import compare, float_noise, metrics, reference_kernels, tasks
from toolkit.chain import Chain, longer, model_of, on_this_machine, require_version
from toolkit.compare import NO_METRICS, Comparison, Context
from toolkit.errors import EdgeToolkitError, Unconvertible, WorkerCrashed, WorkerRefused
from toolkit.executor import Executor
from toolkit.jobs import Engine, Job
from toolkit.meaning import kinds_of
from toolkit.output_kinds.inferring import OutputKind
from toolkit.runtime import metric_job, run_job, run_of, signature_of_run
from toolkit.scrutiny import looked_at
from toolkit.signature import Signature
from toolkit.store import Entry
from toolkit.task_metrics import is_own
from toolkit.tasks import Task
from toolkit.verdict import Evidence, StageRun, Verdict, context_of, judge, judge_chain, off_by
from toolkit.weights import Account, judge_account, judge_clipping
from toolkit.worker import labels
from toolkit.worker.shards import sequence_length

if TYPE_CHECKING:
    from toolkit.target import Target

_NO_OPERATOR = re.compile(r"[Dd]idn't find op for builtin opcode '(\w+)' version '(\d+)'")
_UNRESOLVED = re.compile(r"unresolved custom op: (\w+)")


def settle(chain: Chain, executor: Executor, seconds: float) -> Verdict:
    """Return the verdict on a chain whose jobs have been run; raise the error of the first that failed, said of the target."""
    lost = executor.lost(chain.goal)
    if lost is not None:  # said before anything is asked again that was given up for it
        raise said_of_target(lost, chain.target, chain.artifact.scheme)
    samples = _entry(executor, chain.model.samples, chain)
    findings = [
        *chain.model.source.findings,
        *samples.result["findings"],
        *_about_the_target(chain.target),
        *chain.findings,
    ]
    account = _account(chain, executor)
    findings += [*account.findings, *_clipping(chain, executor)]
    reference = _entry(executor, chain.model.reference, chain)
    steps = [StageRun("original", run_of(reference), Signature.from_json(run_of(reference).signature))]
    ran = {"original": chain.model.reference}
    noise = _noise(reference, executor, chain)
    kinds = _kinds(steps[0], samples, executor, chain)
    findings += looked_at(chain, run_of(reference).signature, kinds, executor)
    context = context_of(chain.artifact.scheme, noise, kinds)
    for stage, planned in chain.links:
        job = _in_place_of_failed(planned, chain, executor) if stage == "quantization" else planned
        if job is not planned:
            message = "reference kernels do not run this model; the builtin ones, without delegates, stand in for them"
            findings.append({"code": "reference-kernels-failed", "severity": "warning", "message": message})
        if stage == "device":
            job = _until_certain(chain, job, steps, context, executor)
        steps.append(_step(stage, job, chain, executor))
        ran[stage] = job
    own = _own_step(chain, executor)
    wanted = tasks.asked(chain.model.task_metrics, chain.target.bounds, chain.artifact.scheme)

    def judged() -> Verdict:
        evidence = Evidence(
            steps=tuple(steps),
            samples={
                part: samples.result[part]["count"] for part in ("calibration", "verification") if samples.result[part]
            },
            drawn=samples.out / "verification",
            noise=noise,
            kinds=kinds,
            findings=(*findings, *_first_samples_only(steps)),
            seconds=seconds,
            tasks=wanted,
            own_tasks=_own_tasks([text for text in wanted if is_own(text)], chain, steps, ran, executor),
            candidates=chain.candidates,
            given=chain.made is None,
            early=chain.model.stops_early and "device" in dict(chain.links),
            account=account,
            own=own,
        )
        return judge(chain.target, chain.model.source, chain.artifact, evidence)

    def quantized_by(job: Job) -> Verdict:
        place = [step.stage for step in steps].index("quantization")
        steps[place], ran["quantization"] = _step("quantization", job, chain, executor), job
        return judged()

    verdict = judged()
    if float_noise.is_asked(verdict.judged, chain.target.bounds):
        noise |= float_noise.measured(chain, steps[0], ran["conversion"], executor)
        verdict = judged()
    while _is_open_for_want_of_reference(verdict):
        count = verdict.runs["quantization"].count
        longer_run = _longer_reference(chain, ran["quantization"], min(2 * count, steps[0].count))
        if _failed(longer_run, executor):
            break  # what the first samples showed stands
        verdict = quantized_by(longer_run)
    cleared = _with_other_kernels(verdict, chain, ran.get("quantization"), quantized_by, executor)
    return cleared or _looked_at_again(verdict, chain, executor)


def _with_other_kernels(
    verdict: Verdict, chain: Chain, run: Job | None, quantized_by: Callable[[Job], Verdict], executor: Executor
) -> Verdict | None:
    """Return the verdict with other kernels in place of reference kernels that are at fault, whose run this is; None where these are not."""
    if run is None or not reference_kernels.may_be_wrong(verdict.judged, run):
        return None
    other = reference_kernels.stand_in(chain, run)
    return None if _failed(other, executor) else reference_kernels.cleared(verdict, quantized_by(other), other)


def _until_certain(chain: Chain, run: Job, steps: Sequence[StageRun], context: Context, executor: Executor) -> Job:
    """Return a device's run, gone on with until its verdict is certain or it has all samples."""
    step = _step("device", run, chain, executor)
    while step.count < steps[0].count and not _is_certain(chain, [*steps, step], context):
        run = longer(chain, run, min(2 * step.count, steps[0].count))
        step = _step("device", run, chain, executor)
    return run


def _own_step(chain: Chain, executor: Executor) -> StageRun | None:
    if chain.own is None:
        return None
    run = run_of(_entry(executor, chain.own.run, chain))
    signature = signature_of_run(chain.own.artifact.signature, run.signature)
    return StageRun("own", run, Signature.from_json(signature))


def _failed(job: Job, executor: Executor) -> bool:
    return executor.outcomes([job])[0].error is not None


def _account(chain: Chain, executor: Executor) -> Account:
    """Return where the artifact's constants come from; what is wrong with them is put down to the stage that made the file."""
    if chain.account is None:
        return Account(accounted=False, why=f"the constants of {chain.target.format} files are not looked into")
    (outcome,) = executor.outcomes([chain.account])
    if outcome.error is not None:
        message = f"the weights could not be accounted for: {outcome.error.problem}"
        said = {"code": "not-accounted", "severity": "inconclusive", "message": message}
        return Account(accounted=False, why=outcome.error.problem, findings=(said,))
    stages = [stage for stage, _ in chain.links]
    return judge_account(
        outcome.entry.result, chain.target.weights, "quantization" if "quantization" in stages else "conversion"
    )


def _clipping(chain: Chain, executor: Executor) -> Sequence[Mapping[str, Any]]:
    """Return what is said of ranges that cut off what calibration showed; what cannot be looked at keeps nobody from a verdict."""
    if chain.clipping is None:
        return ()
    (outcome,) = executor.outcomes([chain.clipping])
    if outcome.error is not None:
        message = f"the ranges of activations could not be held against calibration's: {outcome.error.problem}"
        return ({"code": "not-looked-at", "severity": "warning", "message": message},)
    return judge_clipping(outcome.entry.result, chain.target.weights, "quantization")


def _is_open_for_want_of_reference(verdict: Verdict) -> bool:
    """Return whether reference kernels ran fewer samples than the rest, and a bound that they are held by is neither kept nor broken for certain."""
    counts = {step.stage: step.count for step in verdict.steps}
    held = (judgement for judgement in verdict.stages if judgement.stage in ("quantization", "kernels"))
    is_open = any(each.status == "inconclusive" for judgement in held for each in judgement.comparisons)
    return is_open and counts.get("quantization", math.inf) < counts["original"]


def _longer_reference(chain: Chain, job: Job, count: int) -> Job:
    """Return the run on reference kernels over more samples, from the first one: where the other one ended, a sequence need not have."""
    kernels = replace(on_this_machine(chain.target.format), kernels="reference")
    return chain.model.run(model_of(job), kernels, count)


def _first_samples_only(steps: Sequence[StageRun]) -> list[dict[str, Any]]:
    """Return what is said of stages that ran the first samples only."""
    found = []
    for step in steps:
        if step.stage in ("quantization", "device") and step.count < steps[0].count:
            why = (
                "reference kernels ran {}: they take long"
                if step.stage == "quantization"
                else "the device ran {}: they made its rates certain, and all else is of these"
            )
            message = why.format(f"the first {step.count} of {steps[0].count} samples")
            found.append({"code": "first-samples-only", "severity": "info", "message": message})
    return found


def _looked_at_again(verdict: Verdict, chain: Chain, executor: Executor) -> Verdict:
    """Return the verdict with the stage that broke the sample by which only the total failed, where reference kernels had not run that sample.

    They run it now, by itself; a sample of a sequence depends on those before it and is left as it is.
    """
    failed, steps = verdict.judged.failed_in_total, {step.stage: step for step in verdict.steps}
    if failed is None or failed.worst_sample is None or not {"quantization", "kernels"} <= steps.keys():
        return verdict
    worst = failed.worst_sample
    if worst < steps["quantization"].count:
        return verdict
    if sequence_length(verdict.drawn) is not None:
        return verdict
    picked = Job(
        f"sample {worst}",
        "worker.subset",
        "one",
        Engine("dataset"),
        {"index": worst},
        {"samples": chain.model.verification},
    )
    model = model_of(dict(chain.links)["quantization"])
    kernels = replace(on_this_machine(chain.target.format), kernels="reference")
    key = chain.model.held if isinstance(model, Path) else None
    (ran,) = executor.outcomes([run_job(model, picked.output("samples"), kernels, signature=key)])
    if ran.error is not None:
        return verdict  # which names a stage, by what there is
    here = run_of(ran.entry)
    alone = StageRun("quantization", here, steps["quantization"].signature)
    before, after = (steps[stage].only(worst) for stage in ("conversion", "kernels"))
    measured = {
        "quantization": compare.measure(before, alone.read(), [failed.metric]),
        "kernels": compare.measure(alone.read(), after, [failed.metric]),
    }
    by_stage = {each.stage: measured.get(each.stage, each.measured) for each in verdict.judged.stages}
    guilty = max(by_stage, key=lambda stage: off_by(by_stage[stage], failed))
    message = f"sample {worst}, beyond the first {steps['quantization'].count}, was run on reference kernels as well: {guilty} is what broke it"
    finding = {"code": "looked-at-again", "severity": "info", "message": message}
    return replace(verdict, judged=replace(verdict.judged, pinned=guilty), findings=(*verdict.findings, finding))


def _own_tasks(
    wanted: Sequence[str], chain: Chain, steps: Sequence[StageRun], ran: Mapping[str, Job], executor: Executor
) -> tuple[Task, ...]:
    """Return what functions of the user's say of the outputs of each stage, in processes of their own; raise the error of the first that failed."""
    drawn = chain.model.verification
    tasks.require_labels(
        wanted, labels.read(_entry(executor, chain.model.samples, chain).out / drawn.name) if wanted else None
    )
    found = []
    for text in wanted:
        jobs = {
            step.stage: metric_job(text, ran[step.stage].output("outputs"), step.count, step.signature.to_json(), drawn)
            for step in tasks.scorable(steps)
        }
        entries = executor.run(*jobs.values())
        said = {stage: entry.result for stage, entry in zip(jobs, entries, strict=True)}
        scores = {stage: math.nan if one["score"] is None else one["score"] for stage, one in said.items()}
        found.append(
            Task(text, said["original"]["better"], scores, {stage: one["rows"] for stage, one in said.items()})
        )
    return tuple(found)


def _step(stage: str, job: Job, chain: Chain, executor: Executor) -> StageRun:
    run = run_of(_entry(executor, job, chain))
    if stage in ("kernels", "device", chain.links[-1][0]):
        require_version(run, chain.target)
    signature = chain.artifact.signature if stage in ("quantization", "kernels", "device") else run.signature
    return StageRun(stage, run, Signature.from_json(signature_of_run(signature, run.signature)))


def _is_certain(chain: Chain, steps: Sequence[StageRun], context: Context) -> bool:
    """Return whether the device may stop: a rate or a worst sample has failed for certain, or rates were asked for and none is left open.

    What the worst sample or the whole set decides can still fail while samples come, so that without a rate all of them run; a whole set's failure
    can still be made good.
    """
    judged = judge_chain(steps, chain.target.bounds, context, early=True)
    of_sets = [each for each in judged.comparisons if _is_over_the_set(each)]
    others = [each for each in judged.comparisons if each not in of_sets]
    if any(each.status == "failed" for each in others):
        return True
    rates = [each for each in judged.total.comparisons if each.interval is not None]
    return bool(rates) and all(each.status == "passed" for each in judged.comparisons)


def _is_over_the_set(comparison: Comparison) -> bool:
    return comparison.metric not in NO_METRICS and metrics.load(comparison.metric).OVER in ("set", "whole")


def _noise(reference: Entry, executor: Executor, chain: Chain) -> dict[str, dict[str, float]]:
    """Return how far the original wanders by itself: what its own run measured, and between a GPU and the CPU where it ran on a GPU."""
    noise: dict[str, dict[str, float]] = dict(reference.result["noise"])
    if chain.model.on_cpu is not None:
        runs = [run_of(reference), run_of(_entry(executor, chain.model.on_cpu, chain))]
        on_gpu, on_cpu = (StageRun("original", run, Signature.from_json(run.signature)) for run in runs)
        measured = compare.measure(on_gpu.read(runs[1].count), on_cpu.read())
        noise["device"] = {one.output: one.values["real"] for one in measured.measurements if one.metric == "max_abs"}
    return noise


def _kinds(original: StageRun, samples: Entry, executor: Executor, chain: Chain) -> dict[str, OutputKind]:
    """Return what outputs mean, by name."""
    floats = _entry(executor, chain.model.conversions.floats(chain.target.format), chain)
    said = chain.model.said_kinds.of_profile(chain.target.name, chain.target.output_kinds)
    return kinds_of(original, floats.result["endings"], samples.out / "verification", said)


def _in_place_of_failed(job: Job, chain: Chain, executor: Executor) -> Job:
    """Return a run on reference kernels, or on builtin ones where it failed: in every release they abort on some models that all others run."""
    (outcome,) = executor.outcomes([job])
    if not isinstance(outcome.error, WorkerCrashed | WorkerRefused):
        return job
    return chain.model.run(model_of(job), replace(on_this_machine(chain.target.format), kernels="builtin"))


def _entry(executor: Executor, job: Job, chain: Chain) -> Entry:
    (outcome,) = executor.outcomes([job])
    if outcome.error is not None:
        raise said_of_target(outcome.error, chain.target, chain.artifact.scheme)
    return outcome.entry


def said_of_target(error: EdgeToolkitError, target: Target, scheme: str) -> EdgeToolkitError:
    """Return the error with the operator named where a runtime is too old for one, which its message has somewhere in the middle."""
    missing = _NO_OPERATOR.findall(error.problem) or [(name, "") for name in _UNRESOLVED.findall(error.problem)]
    if missing and isinstance(error, WorkerRefused):
        name, version = missing[0]
        runtime = f"{target.runtime.name} {target.runtime.version}"
        of_version = f" version {version}" if version else ""
        return Unconvertible(
            f"{target.name}: {runtime} has no operator {name}{of_version}, which {scheme} of this model needs",
            "choose another --scheme, or a newer runtime for the device",
        )
    return error


def _about_the_target(target: Target) -> list[dict[str, Any]]:
    return [{"code": "target", "severity": "info", "message": " ".join(target.notes.split())}] if target.notes else []
