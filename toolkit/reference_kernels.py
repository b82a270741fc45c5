"""Reference kernels that are wrong themselves: they are what a stage is held against, and no judge of what ships.

In every release some of them compute something else than all others do. Where a stage fails because of them, a second set of kernels on this machine
stands in for them. They are at fault only if that clears the stage: the second set agrees with the target's own, by the bounds that kernels have, is
nearer to the float artifact than they are, and the total is sound. Where all sets agree, the artifact is what is wrong; and where the reference is
nearer to the float artifact, the target's kernels are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toolkit.chain import Chain, model_of, on_this_machine
from toolkit.compare import Measured
from toolkit.jobs import Job
from toolkit.verdict import Judged, Verdict, decibels, noise_share

WRONG = "reference-kernels-wrong"
_STAGES = ("quantization", "kernels")  # that reference kernels have a part in


def stand_in(chain: Chain, job: Job) -> Job:
    """Return a run as another set of kernels makes it on this machine: without delegates, or with them where the target has none either."""
    here = on_this_machine(chain.target.format)
    model, others = model_of(job), dict(chain.links)
    second = chain.model.run(model, replace(here, kernels="builtin"))
    return chain.model.run(model, here) if second is others.get("kernels") else second


def without_them(chain: Chain) -> Chain:
    """Return the chain with other kernels in place of the reference ones."""
    links = [(stage, stand_in(chain, job) if stage == "quantization" else job) for stage, job in chain.links]
    return replace(chain, links=links)


def of_kernels(chain: Chain) -> Chain:
    """Return the chain with reference kernels and those in their place as its two stages, so that operators can be held against one another."""
    run = dict(chain.links)["quantization"]
    return replace(chain, links=[("quantization", run), ("kernels", stand_in(chain, run))])


def may_be_wrong(judged: Judged, job: Job) -> bool:
    """Return whether a stage failed that a run on reference kernels has a part in, and another one is there to say who is right."""
    stages = [each.stage for each in judged.stages]
    return (
        job.options["kernels"] == "reference"
        and "kernels" in stages
        and any(stage in _STAGES for stage in failed_stages(judged))
    )


def cleared(verdict: Verdict, without: Verdict, job: Job) -> Verdict | None:
    """Return the verdict with other kernels, those of `job`, in place of reference kernels that are at fault; None where these are not."""
    if not are_wrong(verdict.judged, without.judged):
        return None
    return replace(without, findings=(*without.findings, said(verdict.judged, without.judged, job)))


def are_wrong(with_them: Judged, without: Judged) -> bool:
    """Return whether reference kernels are at fault; `without` is the same chain with other kernels in their place."""
    sound = all(each.status != "failed" for each in without.total.comparisons)
    cleared = not any(stage in _STAGES for stage in failed_stages(without))
    nearer = noise_share(_quantization(without)) < noise_share(_quantization(with_them))
    return sound and cleared and nearer


def said(with_them: Judged, without: Judged, job: Job) -> Mapping[str, Any]:
    """Return the finding: what was seen of both sets, and the samples that show it, worst first."""
    theirs, ours = (_level(_quantization(each)) for each in (with_them, without))
    name = {"builtin": "the builtin ones, without delegates,", "default": "the default ones"}[job.options["kernels"]]
    message = (
        f"reference kernels are wrong here: quantized, they agree with the float artifact to {theirs}, {name} to {ours}, and these agree with the "
        "target's by its bounds; they stand in for the reference"
    )
    failed = [each for one in with_them.stages for each in one.comparisons if each.status == "failed"]
    worst = [each.worst_sample for each in failed if each.worst_sample is not None]
    return {"code": WRONG, "severity": "warning", "message": message, "samples": list(dict.fromkeys(worst))}


def failed_stages(judged: Judged) -> list[str]:
    """Return the stages that broke a bound of their own."""
    return [one.stage for one in judged.stages if any(each.status == "failed" for each in one.comparisons)]


def _quantization(judged: Judged) -> Measured:
    return next(each.measured for each in judged.stages if each.stage == "quantization")


def _level(measured: Measured) -> str:
    level = decibels(noise_share(measured))
    return "the last bit" if level is None else f"{level:.1f} dB"
