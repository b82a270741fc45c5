"""The chain of stages from the original model to the device, judged against bounds.

Each stage's run is compared with the one before it (isolated) and with the original (cumulative), so that a failure names its stage:

    source          the canonical form, in TensorFlow, against the original (a side branch, over the first samples)
    conversion      the float artifact on this machine against the original
    quantization    the quantized artifact on reference kernels against the float artifact
    kernels         the quantized artifact on the target's runtime, on this machine, against reference kernels
    rewrite         if the runtime does not take its inputs or outputs: the file that was rewritten for it, on the same kernels, fed the same integers
    edges           the rewritten file fed the samples themselves, which its own operators round to integers, against the same integers
    device          the same artifact on the device, or its emulation, against this machine
    delegate        in place of `device`, on a runtime with a delegate: the delegate in float32 against the CPU's kernels
    precision       the delegate in float16, as on a phone, against its float32
    total           the last of them against the original
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from toolkit.comparison import compare
from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Comparison, Context, Judgement, Measured
from toolkit.comparison.measured import Number
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.comparison.task_scores import Ran
from toolkit.verdict.noise import noise_share, off_by, own_noise

PARTIAL = ("source", "quantization")  # stages that may run the first samples only
ON_DEVICE = ("device", "delegate", "precision")  # stages that run on the device or its emulation
Outcome = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A chain of runs judged by bounds: each stage by itself, all of them together, and each against the original.

    `drops` judge the task metrics of the total. `before` are the stages that do not involve the artifact. `pinned` is the stage that a second run of
    one sample found guilty, if not all stages had run that sample.
    """

    stages: tuple[Judgement, ...]
    total: Judgement
    cumulative: Mapping[str, Measured]
    drops: tuple[Comparison, ...] = ()
    pinned: str | None = None
    before: tuple[str, ...] = ()

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All comparisons, in the order of the chain, the total last."""
        of_stages = (each for judgement in (*self.stages, self.total) for each in judgement.comparisons)
        return (*of_stages, *self.drops)

    @property
    def outcome(self) -> Outcome:
        """Return "passed" only if there is evidence on the total and every comparison passed."""
        statuses = {comparison.status for comparison in self.comparisons}
        if "failed" in statuses or not self.total.comparisons or self.total.measured.samples == 0:
            return "failed"
        return "inconclusive" if "inconclusive" in statuses else "passed"

    @property
    def guilty_stage(self) -> str | None:
        """Return the first stage that broke its own bounds. If only the total failed, return the stage that is worst by the failed metric."""
        for judgement in self.stages:
            if any(comparison.status == "failed" for comparison in judgement.comparisons):
                return judgement.stage
        if self.pinned is not None:
            return self.pinned
        failed = self.failed_in_total
        if failed is not None:
            return max(self._with_part, key=lambda judgement: off_by(judgement.measured, failed)).stage
        if any(each.status == "failed" for each in self.drops):
            return max(self._with_part, key=lambda judgement: noise_share(judgement.measured)).stage
        return None

    @property
    def _with_part(self) -> Sequence[Judgement]:
        """The stages that involve the artifact."""
        return [each for each in self.stages if each.stage not in self.before] or self.stages

    @property
    def failed_in_total(self) -> Comparison | None:
        """The first failed comparison of the total, if each stage kept its own bounds."""
        if any(each.status == "failed" for judgement in self.stages for each in judgement.comparisons):
            return None
        return next((each for each in self.total.comparisons if each.status == "failed"), None)


def context_of(scheme: str, noise: Mapping[str, Mapping[str, Number]], kinds: Mapping[str, OutputKind]) -> Context:
    """Return the context that bounds are read with, for an artifact of a scheme."""
    named = {output: kind.name for output, kind in kinds.items()}
    return Context(
        scheme, own_noise(noise), named, {output: kind.parts for output, kind in kinds.items() if kind.parts}
    )


def judge_chain(
    steps: Sequence[Ran], bounds: Sequence[Bound], context: Context, *, early: bool = False, own: Ran | None = None
) -> Judged:
    """Return the judgement of a chain of at least two runs, the original first. Raise UnjudgeableRun if the bounds cannot judge it.

    `early` is whether the device could stop before the last sample, once its rates were certain. Its intervals then hold however often it is judged.
    `own` is the run of the toolkit's own artifact of the same scheme, if the user gave the artifact. A run over fewer samples is not used.
    """
    reference, last = steps[0], steps[-1]
    partial = (*PARTIAL, *ON_DEVICE) if early else PARTIAL
    asked, of_kinds = compare.asked_by(bounds), compare.asked_of_kinds(bounds, context.kinds)

    def measured_of(before: Ran, after: Ran) -> Measured:
        return compare.measure(*_of_the_same_samples(before, after, partial), asked, context.parts, of_kinds)

    stages, cumulative, before = [], {}, reference
    for step in steps[1:]:
        measured = measured_of(before, step)
        over = _over(measured, reference, early=early)
        stages.append(compare.judge(measured, bounds, stage=step.stage, context=context, over=over))
        cumulative[step.stage] = measured if before is reference else measured_of(reference, step)
        before = before if step.stage == "source" else step  # the source is a branch
    of_all = cumulative[last.stage]
    beside = None
    if own is not None and own.count >= of_all.samples:
        first = reference.read(of_all.samples), own.read(of_all.samples)
        beside = compare.measure(*first, asked, context.parts, of_kinds)
    extent: compare.Extent = "until certain" if early else "all"
    total = compare.judge(of_all, bounds, stage="total", context=context, over=extent, own=beside)
    return Judged(tuple(stages), total, cumulative)


def _over(measured: Measured, reference: Ran, *, early: bool) -> compare.Extent:
    if early:
        return "until certain"
    return "first" if measured.samples < reference.count else "all"


def _of_the_same_samples(
    before: Ran, after: Ran, partial: Collection[str]
) -> tuple[compare.RunOutputs, compare.RunOutputs]:
    """Return two runs for comparing. If one ran only the first samples, both are cut to these."""
    if after.stage not in partial and before.stage not in partial:
        return before.read(), after.read()
    count = min(before.count, after.count)
    return before.read(count), after.read(count)


def with_names(judged: Judged, names: Sequence[str]) -> Judged:
    """Return the judgement with the set's name for each worst sample; unchanged if samples have no names."""
    stages = tuple(each.with_names(names) for each in judged.stages)
    drops = tuple(each.with_name(names) for each in judged.drops)
    return replace(judged, stages=stages, total=judged.total.with_names(names), drops=drops)
