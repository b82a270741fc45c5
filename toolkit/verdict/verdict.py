"""The verdict on one artifact on one target, and how it is made from its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import printable
from toolkit.comparison import task_drops, task_scores
from toolkit.comparison.compare import Comparison, Judgement, Measured
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.comparison.scored_task import Task
from toolkit.conversion.artifacts import Artifact
from toolkit.errors import EdgeToolkitError, UnjudgeableRun
from toolkit.execution.run import Run
from toolkit.findings import Finding
from toolkit.profiles.recipe import FLOAT
from toolkit.samples.input_ranges import InputRange
from toolkit.source.source import Source
from toolkit.verdict import chain_findings
from toolkit.verdict.arena import Arena
from toolkit.verdict.chain import Judged, Outcome, judge_chain, with_names
from toolkit.verdict.evidence import CandidateRow, Evidence
from toolkit.verdict.holding import said_where_it_ran
from toolkit.verdict.stage_run import StageRun
from toolkit.weights.judge import Account
from toolkit.wire import labels
from toolkit.wire.shards import sample_names

if TYPE_CHECKING:
    from toolkit.execution.latency import Latency
    from toolkit.profiles import Target
    from toolkit.verdict.attribution import Attribution


@dataclass(frozen=True, slots=True)
class Spent:
    """How much of a budget the artifact takes, in the unit of the budget's name. `interval` holds the true value, if that is measured."""

    name: str
    spent: float
    limit: float
    interval: tuple[float, float] | None = None

    @property
    def status(self) -> Outcome:
        """Return whether it is within the limit; "inconclusive" if the limit lies in the interval. NaN fails."""
        low, high = self.interval or (self.spent, self.spent)
        if not (low <= self.limit and self.spent == self.spent):
            return "failed"
        return "passed" if max(high, self.spent) <= self.limit else "inconclusive"

    @property
    def passed(self) -> bool:
        """Whether it is within the limit for certain."""
        return self.status == "passed"

    @property
    def against(self) -> str:
        """What speaks against it, in words: it is exceeded, or its limit lies in the interval of what was measured."""
        if self.status != "inconclusive" or self.interval is None:
            return f"{self.name} {self.spent} > {self.limit}"
        low, high = self.interval
        return f"{self.name} {self.spent:.4g} [{low:.4g}, {high:.4g}], limit {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Attempted:
    """One scheme that was tried for a target, and its outcome. None stands for the verdict that holds this, because it cannot hold itself."""

    scheme: str
    outcome: Verdict | EdgeToolkitError | None


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command to paste, and why to run it."""

    why: str
    command: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one artifact on one target. `outcome` and `passed` follow from the evidence and cannot be set.

    `steps` and `drawn` are the runs and the folder of their samples, as in `Evidence`. `account` says where the artifact's constants come from; None
    if that was not examined. `given` is whether the user gave the file. `attempts` are all schemes that were tried for the target, in order, with
    this one. `attribution` names the operator that made the guilty stage fail; None if there was no search. `kinds` are the kinds of outputs, and
    `inputs` the ranges that inputs are fed with, by name. `arena` is what the artifact needs of one, on a runtime with arenas, and `latency` what was
    measured on the device; None if it was not.
    """

    target: Target
    source: Source
    artifact: Artifact
    samples: Mapping[str, int]
    judged: Judged
    budget: tuple[Spent, ...]
    findings: tuple[Finding, ...]
    noise: Mapping[str, Mapping[str, float]]
    tasks: tuple[Task, ...]
    steps: tuple[StageRun, ...]
    drawn: Path
    seconds: float = 0.0
    candidates: tuple[CandidateRow, ...] = ()
    early: bool = False
    account: Account | None = None
    given: bool = False
    attempts: tuple[Attempted, ...] = field(default=())
    attribution: Attribution | None = None
    next_step: NextStep | None = None
    kinds: Mapping[str, OutputKind] = field(default_factory=dict)
    float_bytes: int | None = None
    inputs: Mapping[str, InputRange] = field(default_factory=dict)
    arena: Arena | None = None
    latency: Latency | None = None

    def __repr__(self) -> str:
        guilty = f", guilty stage {self.guilty_stage}" if self.guilty_stage else ""
        artifact = f"{self.artifact.scheme}, {self.artifact.size_bytes} bytes"
        return printable.line(f"<Verdict on {self.target.name}: {self.outcome}, {artifact}{guilty}>")

    @property
    def tried(self) -> tuple[Verdict | EdgeToolkitError, ...]:
        """The outcomes of the other schemes that were tried."""
        return tuple(attempt.outcome for attempt in self.attempts if attempt.outcome is not None)

    @property
    def wanted(self) -> Attempted | None:
        """The preferred scheme, if this verdict is on another: the first that was tried, or the requested one if the file has another."""
        if self.attempts and self.attempts[0].outcome is not None:
            return self.attempts[0]
        return Attempted(str(self.artifact.asked), None) if self.artifact.is_another else None

    @property
    def runs(self) -> Mapping[str, Run]:
        """The runs, by stage."""
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
        """Return "passed" only if there is evidence on the total, every comparison and budget passed, and no finding is against it."""
        evidence = all(count > 0 for name, count in self.samples.items() if name == "verification")
        broken = any(finding.is_error for finding in self.findings)
        if broken or not evidence or any(spent.status == "failed" for spent in self.budget):
            return "failed"
        judged = self.judged.outcome
        open_ = any(finding.severity == "inconclusive" for finding in self.findings)
        open_ = open_ or not all(spent.passed for spent in self.budget)
        return "inconclusive" if judged == "passed" and open_ else judged

    @property
    def passed(self) -> bool:
        """Whether the artifact may be shipped."""
        return self.outcome == "passed"

    @property
    def lacks_a_device_only(self) -> bool:
        """Whether it would pass, but that nothing executes the target's runtime."""
        against = {finding.code for finding in self.findings if finding.is_grave}
        return against == {chain_findings.NOT_EXECUTED} and replace(self, findings=()).passed

    @property
    def guilty_stage(self) -> str | None:
        """Return the first stage that failed: the one that `Judged` names, or the one that a finding of severity "error" names."""
        pinned = {finding.stage for finding in self.findings if finding.is_error}
        of_bounds = self.judged.guilty_stage
        return next((one.stage for one in self.stages if one.stage in pinned or one.stage == of_bounds), of_bounds)

    @property
    def at_fault(self) -> str | None:
        """Return whose work is at fault in the guilty stage, for people; None if the stage's name already says it.

        The first stage that involves a given file compares it with the toolkit's own artifact, so the file is at fault there. The stages before it
        are the toolkit's own work.
        """
        stage = self.guilty_stage
        if not self.given or stage is None:
            return None
        if stage in self.judged.before:
            return "the toolkit's own conversion, and not the file"
        first = next((each.stage for each in self.stages if each.stage not in self.judged.before), None)
        return "the file" if stage == first else None


def judge(target: Target, source: Source, artifact: Artifact, evidence: Evidence) -> Verdict:
    """Return the verdict on a chain of runs. Raise UnjudgeableRun if the evidence is not enough for one."""
    if len(evidence.steps) < 2:
        raise UnjudgeableRun(f"{target.name}: only the original ran; there is nothing to compare it with")
    steps, scheme = evidence.steps, artifact.scheme
    judged = judge_chain(steps, target.bounds, evidence.context(scheme), early=evidence.early, own=evidence.own)
    meant = {name: kind.name for name, kind in evidence.kinds.items() if kind.by != "otherwise"}
    truth = labels.read(evidence.drawn)
    scored = (*task_scores.score(steps, truth, evidence.tasks, meant), *evidence.own_tasks)
    drops = task_drops.judge_drops(scored, target.bounds, scheme, steps[-1].stage)
    judged = replace(judged, drops=drops, before=_before(scheme) if evidence.given else ())
    judged = with_names(judged, sample_names(evidence.drawn))
    return Verdict(
        target=target,
        source=source,
        artifact=artifact,
        samples=evidence.samples,
        judged=judged,
        budget=_spent(target, artifact, evidence.arena),
        findings=(
            *evidence.findings,
            *task_scores.unscored(steps[0], truth, scored),
            *said_where_it_ran(artifact.findings, evidence.steps[-1].run.about),
            *chain_findings.not_executed(target),
            *chain_findings.not_confined(evidence.steps),
            *chain_findings.metrics_switched_off(target.bounds, scheme, _named(evidence.kinds, judged.total.measured)),
            *chain_findings.of_outputs(judged.cumulative),
            *chain_findings.bounds_below_noise(
                target, artifact, evidence.noise, judged.total.measured, [*judged.cumulative, "total"]
            ),
            *(chain_findings.of_common_mistakes(steps, evidence.kinds) if judged.outcome == "failed" else ()),
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
        arena=evidence.arena,
    )


def _spent(target: Target, artifact: Artifact, arena: Arena | None) -> tuple[Spent, ...]:
    """Return how much the artifact takes of each budget that the profile has, as far as it was measured."""
    budget = target.budget
    spent = (
        ("file_bytes", artifact.size_bytes, budget.file_bytes),
        ("flash_bytes", artifact.size_bytes, budget.flash_bytes),
        ("arena_bytes", None if arena is None else arena.least_bytes, budget.arena_bytes),
    )
    return tuple(Spent(name, size, limit) for name, size, limit in spent if size is not None and limit is not None)


def _named(kinds: Mapping[str, OutputKind], measured: Measured) -> dict[str, str]:
    """Return the kind of each output by its name, "" if unknown."""
    return {output: kinds[output].name if output in kinds else "" for output in measured.outputs}


def _before(scheme: str) -> tuple[str, ...]:
    """Return the stages that do not involve a given file: a quantized file is compared with the toolkit's own float artifact."""
    return ("source",) if scheme == FLOAT else ("source", "conversion")
