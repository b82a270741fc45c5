"""The evidence that a verdict is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.comparison.compare import Context
from toolkit.comparison.output_kinds.inferring import OutputKind
from toolkit.comparison.scored_task import Task
from toolkit.findings import Finding
from toolkit.profiles.recipe import VariantRow
from toolkit.samples.input_ranges import InputRange
from toolkit.verdict.arena import Arena
from toolkit.verdict.chain import context_of
from toolkit.verdict.stage_run import StageRun
from toolkit.weights.judge import Account


class CandidateRow(VariantRow):
    """One of the variants that an artifact was chosen from, as JSON.

    `sqnr_db` is the SQNR of its worst output against the float artifact; None without any noise. A variant with a `problem` has neither `sqnr_db` nor
    `size_bytes`. `keeps` is the actual scheme of its file, None if unknown. `chosen` is whether it is the artifact.
    """

    sqnr_db: float | None
    size_bytes: int | None
    problem: str | None
    keeps: str | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence that a verdict is made from.

    `steps` are the runs, the original first. `samples` counts the samples by use. `drawn` is the folder of the verification samples, as
    `toolkit.samples.draw` writes it. `noise` is the original's own noise by kind and output, in real units. `findings` are those from before the
    comparison. `tasks` are the requested task metrics, canonical, and `own_tasks` the scores by the user's functions. `candidates` are the variants
    that the artifact was chosen from. `early` is whether the device could stop once its rates were certain. `account` says where the artifact's
    constants come from. `own` is the run of the toolkit's own artifact, if the user gave the judged one. `kinds` are the kinds of outputs, and
    `inputs` the ranges that inputs are fed with, by name. `arena` is what the artifact needs of one, on a runtime with arenas.
    """

    steps: tuple[StageRun, ...]
    samples: Mapping[str, int]
    drawn: Path
    noise: Mapping[str, Mapping[str, float]]
    findings: tuple[Finding, ...]
    seconds: float
    tasks: tuple[str, ...] = ()
    own_tasks: tuple[Task, ...] = ()
    candidates: tuple[CandidateRow, ...] = ()
    early: bool = False
    account: Account | None = None
    own: StageRun | None = None
    kinds: Mapping[str, OutputKind] = field(default_factory=dict)
    inputs: Mapping[str, InputRange] = field(default_factory=dict)
    given: bool = False
    float_bytes: int | None = None
    arena: Arena | None = None

    def context(self, scheme: str) -> Context:
        """Return the context that bounds are read with, for an artifact of a scheme."""
        return context_of(scheme, self.noise, self.kinds)
