"""The chain of stages from the original model to the device, and the verdict on it.

Each stage's run is held against the one before it (isolated) and against the original (cumulative), so that a failure names the stage which made it:

    source          the canonical form, in TensorFlow, against the original (a side branch, over the first samples)
    conversion      the float artifact on this machine against the original
    quantization    the quantized artifact on reference kernels against the float artifact
    kernels         the quantized artifact on the target's runtime, on this machine, against reference kernels
    device          the same artifact on the device, or its emulation, against this machine
    total           the last of them against the original
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from toolkit import printable
from toolkit.comparison import compare, task_scores
from toolkit.comparison.common_mistakes import explain
from toolkit.comparison.compare import Comparison, Context, Judgement, Measured
from toolkit.comparison.deciding import deciding, for_scheme, switched_off
from toolkit.comparison.noise_limits import KERNELS, NUDGED
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.comparison.runs import Blocks
from toolkit.comparison.task_scores import Ran, Task
from toolkit.confinement import NOT_CONFINED
from toolkit.conversion.artifacts import Artifact
from toolkit.conversion.recipe import FLOAT
from toolkit.errors import EdgeToolkitError, UnjudgeableRun
from toolkit.execution.run import Run
from toolkit.samples.input_ranges import InputRange
from toolkit.source.source import Source
from toolkit.tensors.signature import Signature
from toolkit.verdict.attribution import Attribution
from toolkit.verdict.holding import said_where_it_ran
from toolkit.weights.account_job import Account
from toolkit.wire import labels
from toolkit.wire.shards import read_shards, sample_names

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound
    from toolkit.profiles import Target

PARTIAL = ("source", "quantization")  # stages that may run the first samples only
_OF_ORIGINAL = ("source", "conversion", "quantization", "total")  # stages of which noise of the original is a part
Outcome = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True, slots=True)
class StageRun:
    """A run of the chain that lies in the store, and the signature by which its numbers are read."""

    stage: str
    run: Run
    signature: Signature

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return self.run.count

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return the run for comparing, all of it or its first `count` samples; as often as it is read."""
        name = f"{self.stage} ({self.run.engine})"
        if count is None:
            return compare.RunOutputs.read(name, self.signature, self.run.outputs)
        return compare.RunOutputs(name, self.signature, Blocks(lambda: _first(read_shards(self.run.outputs), count)))

    def only(self, sample: int) -> compare.RunOutputs:
        """Return the run of one sample for comparing."""
        name = f"{self.stage} ({self.run.engine})"
        return compare.RunOutputs(name, self.signature, Blocks(lambda: _one(read_shards(self.run.outputs), sample)))


@dataclass(frozen=True, slots=True)
class Spent:
    """What the artifact takes of a budget, in the unit of the budget's name."""

    name: str
    spent: int
    limit: int

    @property
    def passed(self) -> bool:
        """Whether it is within the limit."""
        return self.spent <= self.limit


@dataclass(frozen=True, slots=True)
class Judged:
    """A chain of runs held against bounds: each stage by itself, all of them together, and each against the original.

    `drops` are of the task metrics of the total; `before` are stages that the artifact has no part in. `pinned` is the stage that a sample was looked
    at again for, where not all of them had run it.
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
        """Return "passed" only where there is evidence on the total and every comparison passed."""
        statuses = {comparison.status for comparison in self.comparisons}
        if "failed" in statuses or not self.total.comparisons or self.total.measured.samples == 0:
            return "failed"
        return "inconclusive" if "inconclusive" in statuses else "passed"

    @property
    def guilty_stage(self) -> str | None:
        """Return the first stage that did not keep its own bounds; where only the total failed, the one that is off most by what failed."""
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
        """The stages that the artifact has a part in."""
        return [each for each in self.stages if each.stage not in self.before] or self.stages

    @property
    def failed_in_total(self) -> Comparison | None:
        """The first failed comparison of the total, where each stage kept its own bounds."""
        if any(each.status == "failed" for judgement in self.stages for each in judgement.comparisons):
            return None
        return next((each for each in self.total.comparisons if each.status == "failed"), None)


@dataclass(frozen=True, slots=True)
class Attempted:
    """What came of one scheme that was tried for a target; None in place of the verdict that is shown, which cannot hold itself."""

    scheme: str
    outcome: Verdict | EdgeToolkitError | None


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command that is ready to be pasted, and what it is good for."""

    why: str
    command: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one artifact on one target. `outcome` and `passed` follow from the evidence and cannot be set.

    `steps` and `drawn` are the runs and the folder of the samples that they judge by, as in `Evidence`. `account` is where the artifact's constants
    come from, None where nobody looked; `given` whether it is somebody's file, and not the toolkit's own. `attempts` are all schemes that were tried
    for the target, in their order, this one among them. `attribution` tells which operator made the guilty stage fail, where that was looked for.
    `kinds` is what outputs mean, and `inputs` what inputs are fed with, by name.
    """

    target: Target
    source: Source
    artifact: Artifact
    samples: Mapping[str, int]
    judged: Judged
    budget: tuple[Spent, ...]
    findings: tuple[Mapping[str, Any], ...]
    noise: Mapping[str, Mapping[str, float]]
    tasks: tuple[Task, ...]
    steps: tuple[StageRun, ...]
    drawn: Path
    seconds: float = 0.0
    candidates: tuple[Mapping[str, Any], ...] = ()
    early: bool = False
    account: Account | None = None
    given: bool = False
    attempts: tuple[Attempted, ...] = field(default=())
    attribution: Attribution | None = None
    next_step: NextStep | None = None
    kinds: Mapping[str, OutputKind] = field(default_factory=dict)
    float_bytes: int | None = None
    inputs: Mapping[str, InputRange] = field(default_factory=dict)

    def __repr__(self) -> str:
        guilty = f", guilty stage {self.guilty_stage}" if self.guilty_stage else ""
        artifact = f"{self.artifact.scheme}, {self.artifact.size_bytes} bytes"
        return printable.line(f"<Verdict on {self.target.name}: {self.outcome}, {artifact}{guilty}>")

    @property
    def tried(self) -> tuple[Verdict | EdgeToolkitError, ...]:
        """What came of the other schemes that were tried."""
        return tuple(attempt.outcome for attempt in self.attempts if attempt.outcome is not None)

    @property
    def wanted(self) -> Attempted | None:
        """The scheme that was wanted and is not what this verdict is of: the first that was tried, or what was requested and came out as another."""
        if self.attempts and self.attempts[0].outcome is not None:
            return self.attempts[0]
        return Attempted(str(self.artifact.asked), None) if self.artifact.is_another else None

    @property
    def runs(self) -> Mapping[str, Run]:
        """What ran, by stage."""
        return {step.stage: step.run for step in self.steps}

    @property
    def stages(self) -> tuple[Judgement, ...]:
        """Each stage against the one before it."""
        return self.judged.stages

    @property
    def total(self) -> Judgement:
        """The last stage against the original."""
        return self.judged.total

    @property
    def cumulative(self) -> Mapping[str, Measured]:
        """Each stage against the original."""
        return self.judged.cumulative

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All comparisons, in the order of the chain, the total last."""
        return self.judged.comparisons

    @property
    def outcome(self) -> Outcome:
        """Return "passed" only where there is evidence on the total, every comparison and budget passed, and no finding is against it."""
        evidence = all(count > 0 for name, count in self.samples.items() if name == "verification")
        broken = any(finding["severity"] == "error" for finding in self.findings)
        if broken or not evidence or not all(spent.passed for spent in self.budget):
            return "failed"
        judged = self.judged.outcome
        open_ = any(finding["severity"] == "inconclusive" for finding in self.findings)
        return "inconclusive" if judged == "passed" and open_ else judged

    @property
    def passed(self) -> bool:
        """Whether the artifact may be shipped."""
        return self.outcome == "passed"

    @property
    def guilty_stage(self) -> str | None:
        """Return the first stage that failed: as `Judged` names it, or where a finding that is an error says that it lies."""
        pinned = {finding.get("stage") for finding in self.findings if finding["severity"] == "error"}
        of_bounds = self.judged.guilty_stage
        return next((one.stage for one in self.stages if one.stage in pinned or one.stage == of_bounds), of_bounds)

    @property
    def at_fault(self) -> str | None:
        """Return what a guilty stage speaks of, for people; None where it speaks for itself.

        Of a file that was given, the first stage that it has a part in compares it with what the toolkit has: there the file is what differs. And
        what comes before that is the toolkit's own work, of which the file knows nothing.
        """
        stage = self.guilty_stage
        if not self.given or stage is None:
            return None
        if stage in self.judged.before:
            return "the toolkit's own conversion, and not the file"
        first = next((each.stage for each in self.stages if each.stage not in self.judged.before), None)
        return "the file" if stage == first else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict is made from.

    `steps` are the runs, the original first; `samples` how many were drawn for what; `drawn` the folder of those that judge, as
    `toolkit.samples.draw` writes it; `noise` how far the original wanders by itself, by kind and output, in real units; `findings` what was
    noticed before anything was compared; `tasks` the task metrics that are asked for, canonical, and `own_tasks` what functions of the user's said;
    `candidates` (JSON) the variants among which the artifact was chosen; `early` whether the device was to stop once it was certain; `account`
    where the artifact's constants come from; `own` the run of the toolkit's own artifact, where the one that is judged is somebody's;
    `kinds` what outputs mean, and `inputs` what inputs are fed with, by name.
    """

    steps: tuple[StageRun, ...]
    samples: Mapping[str, int]
    drawn: Path
    noise: Mapping[str, Mapping[str, float]]
    findings: tuple[Mapping[str, Any], ...]
    seconds: float
    tasks: tuple[str, ...] = ()
    own_tasks: tuple[Task, ...] = ()
    candidates: tuple[Mapping[str, Any], ...] = ()
    early: bool = False
    account: Account | None = None
    own: StageRun | None = None
    kinds: Mapping[str, OutputKind] = field(default_factory=dict)
    inputs: Mapping[str, InputRange] = field(default_factory=dict)
    given: bool = False
    float_bytes: int | None = None

    def context(self, scheme: str) -> Context:
        """Return what bounds are read with, for an artifact of a scheme."""
        return context_of(scheme, self.noise, self.kinds)


def judge(target: Target, source: Source, artifact: Artifact, evidence: Evidence) -> Verdict:
    """Return the verdict on a chain of runs; raise UnjudgeableRun where the evidence cannot carry one."""
    if len(evidence.steps) < 2:
        raise UnjudgeableRun(f"{target.name}: only the original ran; there is nothing to compare it with")
    steps, scheme = evidence.steps, artifact.scheme
    judged = judge_chain(steps, target.bounds, evidence.context(scheme), early=evidence.early, own=evidence.own)
    meant = {name: kind.name for name, kind in evidence.kinds.items() if kind.by != "otherwise"}
    truth = labels.read(evidence.drawn)
    scored = (*task_scores.score(steps, truth, evidence.tasks, meant), *evidence.own_tasks)
    drops = task_scores.judge_drops(scored, target.bounds, scheme, steps[-1].stage)
    judged = replace(judged, drops=drops, before=_before(scheme) if evidence.given else ())
    judged = with_names(judged, sample_names(evidence.drawn))
    limit = target.budget.file_bytes
    return Verdict(
        target=target,
        source=source,
        artifact=artifact,
        samples=evidence.samples,
        judged=judged,
        budget=() if limit is None else (Spent("file_bytes", artifact.size_bytes, limit),),
        findings=(
            *evidence.findings,
            *task_scores.unscored(steps[0], truth, scored),
            *said_where_it_ran(artifact.findings, evidence.steps[-1].run.about),
            *_not_confined(evidence.steps),
            *_switched_off(target.bounds, scheme, _named(evidence.kinds, judged.total.measured)),
            *_said_by_outputs(judged.cumulative),
            *_below_noise(target, artifact, evidence.noise, judged.total.measured, [*judged.cumulative, "total"]),
            *(_looks_like(evidence) if judged.outcome == "failed" else ()),
        ),
        noise=evidence.noise,
        tasks=scored,
        steps=evidence.steps,
        drawn=evidence.drawn,
        seconds=evidence.seconds,
        candidates=evidence.candidates,
        early=evidence.early,
        account=evidence.account,
        kinds=evidence.kinds,
        inputs=evidence.inputs,
        given=evidence.given,
        float_bytes=evidence.float_bytes,
    )


def with_names(judged: Judged, names: Sequence[str]) -> Judged:
    """Return what was judged with what the set calls each worst sample; as it is where samples have no names."""
    stages = tuple(each.with_names(names) for each in judged.stages)
    drops = tuple(each.with_name(names) for each in judged.drops)
    return replace(judged, stages=stages, total=judged.total.with_names(names), drops=drops)


def _not_confined(steps: Sequence[StageRun]) -> list[dict[str, Any]]:
    """Return the finding that nothing kept the jobs of some stages to their own files, as the user let it be."""
    found: dict[str, list[str]] = {}
    for step in steps:
        said = str(step.run.about.get("confined", ""))
        if said.startswith(NOT_CONFINED):
            found.setdefault(said, []).append(step.stage)
    return [
        {
            "code": "not-confined",
            "severity": "warning",
            "message": f"{said}; stages {', '.join(stages)}: the model ran with all rights of the user",
        }
        for said, stages in found.items()
    ]


def _named(kinds: Mapping[str, OutputKind], measured: Measured) -> dict[str, str]:
    """Return the kind of each output by its name, "" where none is known."""
    return {output: kinds[output].name if output in kinds else "" for output in measured.outputs}


def context_of(scheme: str, noise: Mapping[str, Mapping[str, float]], kinds: Mapping[str, OutputKind]) -> Context:
    """Return what bounds are read with, of an artifact of a scheme."""
    named = {output: kind.name for output, kind in kinds.items()}
    return Context(
        scheme, own_noise(noise), named, {output: kind.parts for output, kind in kinds.items() if kind.parts}
    )


def _before(scheme: str) -> tuple[str, ...]:
    """Return the stages that a file which was given has no part in: a quantized one is held against the toolkit's own float artifact."""
    return ("source",) if scheme == FLOAT else ("source", "conversion")


def own_noise(noise: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the most that each output of the original differs by itself, of all the kinds that were measured, in real units.

    NaN where one of them is no finite number: there is no most of those.
    """
    outputs = {output for values in noise.values() for output in values}
    return {output: _most([float(kind[output]) for kind in noise.values() if output in kind]) for output in outputs}


def _most(values: Sequence[float]) -> float:
    return max(values) if all(map(math.isfinite, values)) else math.nan


def judge_chain(
    steps: Sequence[Ran], bounds: Sequence[Bound], context: Context, *, early: bool = False, own: Ran | None = None
) -> Judged:
    """Return what bounds say of a chain of at least two runs, the original first; UnjudgeableRun where they cannot say it.

    `early` is whether the device may have ended before the last sample, once its rates were certain: then their intervals are those that hold
    however often one looks. `own` is the run of the toolkit's own artifact of the same scheme, where the artifact is somebody's;
    it is of no use where it ran fewer samples.
    """
    reference, last = steps[0], steps[-1]
    partial = (*PARTIAL, "device") if early else PARTIAL
    asked, of_kinds = compare.asked_by(bounds), compare.asked_of_kinds(bounds, context.kinds)

    def measured_of(before: Ran, after: Ran) -> Measured:
        return compare.measure(*_of_the_same_samples(before, after, partial), asked, context.parts, of_kinds)

    stages, cumulative, before = [], {}, reference
    for step in steps[1:]:
        measured = measured_of(before, step)
        over = _over(measured, reference, early=early)
        stages.append(compare.judge(measured, bounds, stage=step.stage, context=context, over=over))
        cumulative[step.stage] = measured if before is reference else measured_of(reference, step)
        before = before if step.stage == "source" else step  # which is a branch
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
    """Return two runs for comparing; where one was over the first samples only, both are of these."""
    if after.stage not in partial and before.stage not in partial:
        return before.read(), after.read()
    count = min(before.count, after.count)
    return before.read(count), after.read(count)


def _switched_off(bounds: Sequence[Bound], scheme: str, outputs: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return a finding for each metric that somebody switched off, with the reason."""
    return [
        {"code": "switched-off", "severity": "info", "message": off_text(bound)}
        for bound in switched_off(bounds, scheme, outputs)
    ]


def off_text(bound: Bound) -> str:
    """Return which metric is switched off, where, and why."""
    by = f" by {bound.where}" if bound.where else ""
    return f"not judged: {bound.stage} {bound.output} {bound.metric} is switched off{by}: {bound.because}"


def _said_by_outputs(cumulative: Mapping[str, Measured]) -> list[Mapping[str, Any]]:
    return [
        {"code": "outputs", "severity": "warning", "message": f"{stage}: {sentence}"}
        for stage, measured in cumulative.items()
        for sentence in measured.findings
    ]


def _first(blocks: Iterable[compare.Block], count: int) -> Iterator[compare.Block]:
    """Yield blocks that hold the first `count` samples, or all if there are fewer."""
    for block in blocks:
        if count <= 0:
            return
        yield {name: array[:count] for name, array in block.items()}
        count -= compare.count_samples(block)


def _one(blocks: Iterable[compare.Block], sample: int) -> Iterator[compare.Block]:
    """Yield the block that holds one sample, with it alone."""
    for block in blocks:
        count = compare.count_samples(block)
        if sample < count:
            yield {name: array[sample : sample + 1] for name, array in block.items()}
            return
        sample -= count


def _looks_like(evidence: Evidence) -> list[Mapping[str, Any]]:
    """Return a finding for each output whose difference a common mistake accounts for."""
    found: list[Mapping[str, Any]] = []
    named = {output: kind.name for output, kind in evidence.kinds.items()}
    for each in explain(evidence.steps[0].read(), evidence.steps[-1].read(), named):
        message = f"output {each.output!r}: {each.message} ({each.gains})"
        found.append({"code": each.code, "severity": "warning", "message": message})
    return found


def noise_share(measured: Measured) -> float:
    """Return how far outputs were moved: the largest ratio of noise to signal of any, as a power; what cannot be told is the most (infinity).

    Of whole numbers it is the share that is another; a constant output has no part in it.
    """
    worst = max((seen.unequal for seen in measured.seen.values() if seen.whole_numbers), default=0.0)
    for measurement in measured.measurements:
        if measurement.metric == "sqnr_db" and measured.seen[measurement.output].reference_varies:
            value = measurement.values["db"]
            worst = math.inf if math.isnan(value) else max(worst, 10 ** (-value / 10))
    return math.inf if measured.mismatches else worst


def off_by(measured: Measured, failed: Comparison) -> float:
    """Return how far two runs are apart by what a failed comparison is of, more for worse; infinity for NaN and for what cannot be compared."""
    if failed.output in measured.mismatches:
        return math.inf
    if failed.metric == compare.STRUCTURE:
        return -math.inf
    if failed.metric in compare.NO_METRICS:
        seen = measured.seen[failed.output]
        return -seen.distinct[1] if seen.reference_varies else seen.largest_error
    found = measured.measurement(failed.output, failed.metric)
    value = next(iter(found.values.values()))
    return math.inf if math.isnan(value) else value if found.better == "lower" else -value


def decibels(noise: float) -> float | None:
    """Return a noise-to-signal ratio, a power, in dB of signal to noise: None for no noise, -inf for nothing but noise."""
    if noise == 0:
        return None
    return -10 * math.log10(noise) if math.isfinite(noise) else -math.inf


def _below_noise(
    target: Target,
    artifact: Artifact,
    noise: Mapping[str, Mapping[str, float]],
    total: Measured,
    ran: Collection[str] = _OF_ORIGINAL,
) -> list[Mapping[str, Any]]:
    """Return a finding for each bound of a stage that `ran` on an absolute error that is tighter than what the original itself wanders by."""
    found: list[Mapping[str, Any]] = []
    for stage, output in itertools.product([each for each in _OF_ORIGINAL if each in ran], total.seen):
        for bound in deciding(for_scheme(target.bounds, stage, artifact.scheme), output):
            if bound.metric != "max_abs" or bound.unit not in ("real", "range") or bound.off:
                continue
            seen = total.seen[output]
            of_kernels = (NUDGED, KERNELS) if stage == "source" else ()  # which has none of them
            kinds = [kind for kind, values in noise.items() if output in values and kind not in of_kernels]
            for kind, value in ((kind, noise[kind][output]) for kind in kinds):
                size = value / (seen.high - seen.low) if bound.unit == "range" and seen.high > seen.low else value
                if not size <= bound.limit:
                    asked = f"bound {bound.stage} {output} max_abs <= {bound.limit:g} {bound.unit}"
                    message = f"{asked} is tighter than the original's own noise ({kind}: {size:.3g})"
                    found.append({"code": "bound-below-noise", "severity": "warning", "message": message})
    return found
