"""The inputs of a verdict besides the runs of the stages: samples, the original's run and its noise, kinds of outputs, the origin of constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from toolkit import findings
from toolkit.comparison import compare, task_drops
from toolkit.comparison.compare import Context
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.errors import EdgeToolkitError
from toolkit.execution.run import model_of, run_of, signature_of_run
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Job
from toolkit.jobs.store import Entry
from toolkit.pipeline import arena, float16_range
from toolkit.pipeline.meaning import kinds_of
from toolkit.pipeline.scrutiny import looked_at
from toolkit.pipeline.stages import Chain, entry_of
from toolkit.verdict import delegation
from toolkit.verdict.arena import Arena
from toolkit.verdict.chain import context_of
from toolkit.verdict.stage_run import StageRun
from toolkit.weights.clipping_findings import judge_clipping
from toolkit.weights.judge import Account, judge_account
from toolkit.weights.rows import AccountResult, ClippingResult

if TYPE_CHECKING:
    from toolkit.profiles import Target


@dataclass(frozen=True, slots=True)
class Basis:
    """The inputs of a verdict on a chain that do not depend on the runs of its stages.

    `samples` is the result of the job that drew the samples. `own` is the run of the toolkit's own artifact; it exists if the judged artifact came
    from somebody else. `tasks` are the task metrics that were requested. `seconds` is the time that everything took. The other fields are as in
    `toolkit.verdict.evidence.Evidence`.
    """

    samples: Entry
    original: StageRun
    noise: Mapping[str, Mapping[str, float]]
    kinds: Mapping[str, OutputKind]
    findings: tuple[Finding, ...]
    account: Account
    own: StageRun | None
    tasks: tuple[str, ...]
    seconds: float
    arena: Arena | None = None

    def context(self, chain: Chain) -> Context:
        """Return the context that the bounds on a chain are read with."""
        return context_of(chain.artifact.scheme, self.noise, self.kinds)


def basis_of(chain: Chain, executor: Executor, seconds: float) -> Basis:
    """Return the basis of the verdict on a chain. If a required job failed, raise the first such error, worded for the target."""
    samples = _entry(chain.model.samples, chain, executor)
    account = _account(chain, executor)
    clipping = _clipping(chain, executor)
    reference = _entry(chain.model.reference, chain, executor)
    original = _unchanged("original", reference)
    kinds = _kinds(original, samples, chain, executor)
    memory, open_ = _arena(chain, executor)
    return Basis(
        samples=samples,
        original=original,
        noise=_noise(reference, chain, executor),
        kinds=kinds,
        findings=(
            *chain.model.source.findings,
            *findings.read(samples.result["findings"]),
            *_about_the_target(chain.target),
            *account.findings,
            *clipping,
            *_beyond_float16(chain, executor),
            *_estimated(chain, executor),
            *open_,
            *looked_at(chain, original, samples.out / "verification", kinds, executor),
        ),
        account=account,
        own=_own(chain, executor),
        tasks=task_drops.asked(chain.model.task_metrics, chain.target.bounds, chain.artifact.scheme),
        seconds=seconds,
        arena=memory,
    )


def _arena(chain: Chain, executor: Executor) -> tuple[Arena | None, Sequence[Finding]]:
    """Return the arena that the artifact needs, None on a runtime without arenas; or the finding that it was not measured."""
    shipped = model_of(chain.stages[-1].job)
    key = chain.model.held.signature if isinstance(shipped, Path) else None
    try:
        return arena.measured(shipped, key, chain.target, executor), ()
    except EdgeToolkitError as error:
        return None, (arena.not_measured(error, chain.target),)


def _entry(job: Job, chain: Chain, executor: Executor) -> Entry:
    return entry_of(job, chain.target, chain.artifact, executor)


def _unchanged(name: str, entry: Entry) -> StageRun:
    """Return a run with its own signature."""
    run = run_of(entry)
    return StageRun(name, run, run.signature)


def _own(chain: Chain, executor: Executor) -> StageRun | None:
    if chain.own is None:
        return None
    run = run_of(_entry(chain.own.run, chain, executor))
    return StageRun("own", run, signature_of_run(chain.own.artifact.signature.plain, run.signature))


def _account(chain: Chain, executor: Executor) -> Account:
    """Return where the artifact's constants come from. Wrong constants are attributed to the stage that made the file."""
    if chain.account is None:
        return Account(accounted=False, why=f"the constants of {chain.target.format} files are not inspected")
    (outcome,) = executor.outcomes([chain.account])
    if outcome.error is not None:
        message = f"the weights could not be checked against the original's: {outcome.error.problem}"
        said = Finding("not-accounted", "inconclusive", message)
        return Account(accounted=False, why=outcome.error.problem, findings=(said,))
    return judge_account(cast("AccountResult", outcome.entry.result), chain.target.weights, _made_by(chain, executor))


def _made_by(chain: Chain, executor: Executor) -> str:
    """Return the stage that wrong constants are attributed to: the rewrite if the file was right before it."""
    made_by = "conversion" if chain.stage("quantization") is None else "quantization"
    if chain.account_before is None:
        return made_by
    (outcome,) = executor.outcomes([chain.account_before])
    if outcome.error is not None:
        return made_by
    before = judge_account(cast("AccountResult", outcome.entry.result), chain.target.weights, made_by)
    return made_by if any(each.is_error for each in before.findings) else "rewrite"


def _clipping(chain: Chain, executor: Executor) -> Sequence[Finding]:
    """Return findings about ranges that cut off values seen in calibration. If the check itself fails, the verdict still stands, with a warning."""
    if chain.clipping is None:
        return ()
    (outcome,) = executor.outcomes([chain.clipping])
    if outcome.error is not None:
        message = f"the ranges of activations could not be compared with calibration's: {outcome.error.problem}"
        return (Finding("not-looked-at", "warning", message),)
    return judge_clipping(cast("ClippingResult", outcome.entry.result), chain.target.weights, "quantization")


def _beyond_float16(chain: Chain, executor: Executor) -> Sequence[Finding]:
    """Return findings about numbers beyond float16, if a stage computes in it."""
    if chain.beyond_float16 is None:
        return ()
    (outcome,) = executor.outcomes([chain.beyond_float16])
    return float16_range.said(outcome)


def _estimated(chain: Chain, executor: Executor) -> Sequence[Finding]:
    """Return findings on what a delegate that nothing executes would take."""
    if chain.estimate is None:
        return ()
    (outcome,) = executor.outcomes([chain.estimate])
    if outcome.error is not None:
        message = f"what the delegate takes could not be estimated: {outcome.error.problem}"
        return (Finding("delegation-not-told", "inconclusive", message),)
    return delegation.of_estimate(chain.target, outcome.entry)


def _noise(reference: Entry, chain: Chain, executor: Executor) -> dict[str, dict[str, float]]:
    """Return how far the original differs from itself: as its own run measured, and between GPU and CPU if it ran on a GPU."""
    noise: dict[str, dict[str, float]] = dict(reference.result["noise"])
    if chain.model.on_cpu is not None:
        on_gpu = _unchanged("original", reference)
        on_cpu = _unchanged("original", _entry(chain.model.on_cpu, chain, executor))
        measured = compare.measure(on_gpu.read(on_cpu.count), on_cpu.read())
        noise["device"] = {one.output: one.values["real"] for one in measured.measurements if one.metric == "max_abs"}
    return noise


def _kinds(original: StageRun, samples: Entry, chain: Chain, executor: Executor) -> dict[str, OutputKind]:
    """Return the kind of each output, by name."""
    floats = _entry(chain.model.conversions.floats(chain.target.format), chain, executor)
    said = chain.model.said_kinds.of_profile(chain.target.name, chain.target.output_kinds)
    return kinds_of(original, floats.result["endings"], samples.out / "verification", said)


def _about_the_target(target: Target) -> list[Finding]:
    return [Finding("target", "info", " ".join(target.notes.split()))] if target.notes else []
