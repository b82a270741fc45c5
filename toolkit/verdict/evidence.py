"""What a verdict is made from."""

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
from toolkit.verdict.chain import context_of
from toolkit.verdict.stage_run import StageRun
from toolkit.weights.judge import Account


class CandidateRow(VariantRow):
    """One of the variants among which an artifact was chosen, as JSON.

    `sqnr_db` is that of its worst output against the float artifact: None without any noise, and for a variant with a `problem`, which has no
    `size_bytes` either. `keeps` is the scheme that its file keeps, None where nobody knows. `chosen` is whether it is the artifact.
    """

    sqnr_db: float | None
    size_bytes: int | None
    problem: str | None
    keeps: str | None
    chosen: bool


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

    def context(self, scheme: str) -> Context:
        """Return what bounds are read with, for an artifact of a scheme."""
        return context_of(scheme, self.noise, self.kinds)
