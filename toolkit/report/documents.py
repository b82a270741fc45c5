"""The types of the JSON documents that the program writes: the report of a verdict, and the output of verbs.

JSON has no infinity and no NaN, so these are "inf", "-inf" and "nan". Sizes are bytes, durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from toolkit.comparison.comparison import ComparisonRow
from toolkit.comparison.measured import MeasurementRow, Number
from toolkit.comparison.output_kinds.inferring import OutputKindRow
from toolkit.comparison.scored_task import TaskRow
from toolkit.execution.latency import LatencyRow
from toolkit.launchers import VerificationRow
from toolkit.samples.input_ranges import InputRangeRow
from toolkit.tensors.signature import OrderedSignature, SignatureJson
from toolkit.verdict.arena import ArenaRow
from toolkit.verdict.chain import Outcome
from toolkit.verdict.evidence import CandidateRow
from toolkit.weights.judge import Accounted, Unaccounted


class _Refused(TypedDict, total=False):
    findings: list[dict[str, Any]]


class ErrorRow(_Refused):
    """The error that prevented a target's verdict: its class, its text for people, and the findings of an artifact that was refused before it ran."""

    kind: str
    problem: str
    hint: str | None
    exit_status: int


class SourceRow(TypedDict):
    """The source of an artifact. `signature` is the key of the model's signature."""

    kind: str
    path: str
    sha256: str
    signature: str | None
    writer: str
    loader: str
    device: str
    coverage: Mapping[str, Any] | None


class RewrittenRow(TypedDict):
    """How an artifact was rewritten for its runtime: `changes` in words, and hash and signature of the file before."""

    changes: list[str]
    from_sha256: str
    from_signature: OrderedSignature


class ReportedArtifact(TypedDict):
    """The artifact of a report. `path` is relative to the report. `float_bytes` is the size of the float artifact.

    `rewritten` is None for a file that is as it was made or given.
    """

    path: str
    sha256: str
    size_bytes: int
    scheme: str
    asked: str | None
    signature: OrderedSignature
    operators: list[Mapping[str, Any]]
    float_bytes: int | None
    rewritten: RewrittenRow | None


class NotApplicable(TypedDict):
    """A metric that does not apply to an output, and why."""

    output: str
    metric: str
    reason: str


class StageRow(TypedDict):
    """The measurements of a stage: against the stage before it, and against the original."""

    stage: str
    isolated: list[MeasurementRow]
    cumulative: list[MeasurementRow]
    not_applicable: list[NotApplicable]


class _Interval(TypedDict, total=False):
    interval: list[float]


class SpentRow(_Interval):
    """How much of a budget an artifact uses. `interval` holds the true value, if that is measured; all of it must be within the limit."""

    spent: float
    limit: float
    passed: bool


class _Place(TypedDict, total=False):
    machine: str
    launcher: str
    emulator: str
    browser: str
    accelerator: str
    cpu: str
    board: str
    system: str
    kernel: str
    python: str
    governor: str
    confined: str


class RunRow(_Place):
    """The engine that ran a stage, the place where it ran, and the number of samples."""

    engine: str
    processor: str
    samples: int


class AttemptRow(TypedDict):
    """The result of one scheme that was tried. `deciding` is the comparison that decided, and `reason` is the reason in words."""

    scheme: str
    outcome: Outcome | Literal["error"]
    keeps: str | None
    guilty_stage: str | None
    deciding: ComparisonRow | None
    reason: str


class WantedRow(AttemptRow):
    """The preferred scheme, and the one that shipped instead; None if none shipped."""

    shipped: str | None
    text: str


class TriedRow(TypedDict, total=False):
    """The result of another scheme: its verdict or its error."""

    scheme: str
    verdict: Outcome
    guilty_stage: str | None
    error: ErrorRow


class NextRow(TypedDict):
    """The command to run next, and why."""

    why: str
    command: str


class _Timed(TypedDict, total=False):
    latency: LatencyRow | None


class VerdictDocument(_Timed):
    """The report of one target: report.json. `latency` is None where it was not measured; reports of earlier releases lack it."""

    schema: int
    target: str
    verdict: Outcome
    verified: VerificationRow
    wanted: WantedRow | None
    next: NextRow | None
    source: SourceRow
    artifact: ReportedArtifact
    candidates: list[CandidateRow]
    output_kinds: dict[str, OutputKindRow]
    samples: dict[str, int]
    inputs: dict[str, InputRangeRow]
    stopped_early: bool
    comparisons: list[ComparisonRow]
    guilty_stage: str | None
    at_fault: str | None
    attribution: Mapping[str, Any] | None
    stages: list[StageRow]
    tasks: list[TaskRow]
    weights: Accounted | Unaccounted | None
    noise: dict[str, dict[str, Number]]
    budget: dict[str, SpentRow]
    arena: ArenaRow | None
    runs: dict[str, RunRow]
    findings: list[dict[str, Any]]
    attempts: list[AttemptRow]
    tried: list[TriedRow]
    tools: dict[str, str]
    seconds: dict[str, float]


class _ModelPath(TypedDict):
    path: str


class _MaybeSource(TypedDict, total=False):
    source: _ModelPath


class FailedDocument(_MaybeSource):
    """The document in place of a report if a target has no verdict. `source` is the model, if known."""

    target: str
    error: ErrorRow


class ScoreRow(TypedDict):
    """A score: by the labels if there are any, else how far the artifact agrees with the original. `text` is the value with its unit."""

    metric: str
    value: Number
    text: str


class SummaryRow(TypedDict):
    """The outcome of one target at a glance. `shipped` is the scheme that ships, and `size_bytes` its size; both are None if nothing ships.

    `outcome` is "error" without a verdict. Then `error` is the class of the error. `codes` are those of the findings against the artifact.
    `emulated` is whether an emulator ran any stage. `reason` is "" if the wanted scheme ships.
    """

    target: str
    outcome: Outcome | Literal["error"]
    error: str | None
    codes: list[str]
    shipped: str | None
    size_bytes: int | None
    score: ScoreRow | None
    emulated: bool | None
    guilty_stage: str | None
    reason: str


class OutcomesDocument(TypedDict):
    """The reports of all targets of a build, by target. `summary` has a row for each, in the same order."""

    schema: int
    exit_status: int
    summary: list[SummaryRow]
    targets: dict[str, VerdictDocument | FailedDocument]


class ArtifactDocument(TypedDict):
    """A converted file that is not verified."""

    path: str
    scheme: str
    size_bytes: int
    sha256: str
    signature: OrderedSignature
    operators: list[dict[str, Any]]
    findings: list[dict[str, Any]]


class RunDocument(RunRow):
    """A run of a file, and the folder of its outputs. `fed` says for each input which values it was fed with; `latency` is None if not asked for."""

    outputs: str
    signature: SignatureJson
    fed: dict[str, str]
    latency: LatencyRow | None


class StatusRow(TypedDict):
    """One thing that must work on this machine: whether it works, and the fix."""

    kind: str
    name: str
    ready: bool
    about: str
    problem: str | None
    fix: str | None
    where: str | None
