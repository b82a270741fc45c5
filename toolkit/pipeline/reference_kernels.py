"""Finds reference kernels that are wrong themselves, so that they do not judge what ships.

In every release some reference kernels compute something else than all other kernels. If a stage fails because of them, a second set of kernels on
this machine replaces them. They are at fault only if that clears the stage: the second set agrees with the target's kernels (within the bounds of
kernels), it is nearer to the float artifact than the reference kernels are, and the total did not fail. If all sets agree, the artifact is wrong. If
the reference kernels are nearer to the float artifact, the target's kernels are wrong.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.comparison.compare import Measured
from toolkit.errors import UnknownName
from toolkit.findings import Finding
from toolkit.jobs.job import Job
from toolkit.pipeline.stages import Chain, Stage
from toolkit.verdict.chain import Judged
from toolkit.verdict.noise import decibels, noise_share
from toolkit.verdict.verdict import Verdict

WRONG = "reference-kernels-wrong"
_STAGES = ("quantization", "kernels")  # reference kernels take part in these


def stand_in(chain: Chain, stage: Stage) -> Stage:
    """Return a stage on another set of kernels of this machine: without delegates, or with delegates if the target itself uses none."""
    second, of_target = stage.on("builtin"), chain.stage("kernels")
    return stage.on("default") if of_target is not None and second.job is of_target.job else second


def without_them(chain: Chain) -> Chain:
    """Return the chain with other kernels in place of the reference ones."""
    quantization = chain.stage("quantization")
    return chain if quantization is None else chain.with_stage(stand_in(chain, quantization))


def of_kernels(chain: Chain) -> Chain:
    """Return the chain with two stages, the reference kernels and their replacement, so that their operators can be compared.

    Raise UnknownName for a chain without reference kernels.
    """
    quantization = chain.stage("quantization")
    if quantization is None:
        raise UnknownName("stage", "quantization", [stage.name for stage in chain.stages])
    return replace(chain, stages=(quantization, replace(stand_in(chain, quantization), name="kernels")))


def may_be_wrong(judged: Judged, job: Job) -> bool:
    """Return whether a stage with reference kernels failed, and the chain has a stage `kernels` to compare with."""
    stages = [each.stage for each in judged.stages]
    return (
        job.options["kernels"] == "reference"
        and "kernels" in stages
        and any(stage in _STAGES for stage in failed_stages(judged))
    )


def cleared(verdict: Verdict, without: Verdict, job: Job) -> Verdict | None:
    """Return the verdict with the kernels of `job` in place of the reference kernels if those are at fault, else None."""
    if not are_wrong(verdict.judged, without.judged):
        return None
    return replace(without, findings=(*without.findings, said(verdict.judged, without.judged, job)))


def are_wrong(with_them: Judged, without: Judged) -> bool:
    """Return whether reference kernels are at fault. `without` is the same chain with other kernels in their place."""
    sound = all(each.status != "failed" for each in without.total.comparisons)
    cleared = not any(stage in _STAGES for stage in failed_stages(without))
    nearer = noise_share(_quantization(without)) < noise_share(_quantization(with_them))
    return sound and cleared and nearer


def said(with_them: Judged, without: Judged, job: Job) -> Finding:
    """Return the finding: the results of both sets, and the samples that show the error, in the order of the stages."""
    theirs, ours = (_level(_quantization(each)) for each in (with_them, without))
    name = {"builtin": "the builtin ones, without delegates,", "default": "the default ones"}[job.options["kernels"]]
    message = (
        f"reference kernels are wrong here: quantized, they agree with the float artifact to {theirs}, {name} to {ours}, and these agree with the "
        "target's by its bounds; they stand in for the reference"
    )
    failed = [each for one in with_them.stages for each in one.comparisons if each.status == "failed"]
    worst = [each.worst_sample for each in failed if each.worst_sample is not None]
    return Finding(WRONG, "warning", message, facts={"samples": list(dict.fromkeys(worst))})


def failed_stages(judged: Judged) -> list[str]:
    """Return the stages that broke a bound of their own."""
    return [one.stage for one in judged.stages if any(each.status == "failed" for each in one.comparisons)]


def _quantization(judged: Judged) -> Measured:
    return next(each.measured for each in judged.stages if each.stage == "quantization")


def _level(measured: Measured) -> str:
    level = decibels(noise_share(measured))
    return "the last bit" if level is None else f"{level:.1f} dB"
