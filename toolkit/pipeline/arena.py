"""Finds the least arena that a model runs in, by trying sizes: what the engine records of a larger one is not always enough.

Each size is a job of its own. A size counts if the model starts, runs, and gives the answer that it gives with room to spare.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import registry
from toolkit.errors import EdgeToolkitError, Unconvertible, WorkerCrashed, WorkerLied
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Job, Output
from toolkit.pipeline.stages import kernels_of
from toolkit.verdict.arena import Arena

if TYPE_CHECKING:
    from toolkit.profiles import Target

_AT_ONCE = 3  # sizes of a round, which run on several cores
_MORE = 1.25  # from one size that is too small to the next that is tried
NOT_MEASURED = "arena-not-measured"


def step_of(target: Target) -> int | None:
    """Return by how many bytes arenas of a target's runtime differ at least; None for a runtime without arenas."""
    return getattr(registry.load("execution/runtimes", target.runtime.name), "ARENA_STEP_BYTES", None)


def measured(model: Output | Path, key: str | None, target: Target, executor: Executor) -> Arena | None:
    """Return the arena of a model on the runtime of a target; None for a runtime without arenas.

    Raise Unconvertible for a model that does not run however large the arena, and the errors of jobs that reach a limit.
    """
    step = step_of(target)
    if step is None or target.arena is None:
        return None
    return _Search(model, key, target, executor, step).arena()


def not_measured(error: EdgeToolkitError, target: Target) -> Finding:
    """Return the finding that an arena was not measured: the verdict stays open where the profile has a budget for it."""
    severity = "warning" if target.budget.arena_bytes is None else "inconclusive"
    return Finding(NOT_MEASURED, severity, f"the arena was not measured: {error.problem}")  # type: ignore[arg-type]


def over_budget(found: Arena, target: Target) -> list[Finding]:
    """Return the finding that the least arena exceeds what the board has, if so."""
    limit = target.budget.arena_bytes
    if limit is None or found.least_bytes <= limit:
        return []
    message = f"the least arena in which it runs has {found.least_bytes} bytes, the budget is {limit}"
    fix = "take a smaller model, or raise budget.arena_bytes in the profile"
    return [
        Finding("memory-over-budget", "error", message, fix=fix, facts={"spent": found.least_bytes, "limit": limit})
    ]


@dataclass(slots=True)
class _Search:
    model: Output | Path
    key: str | None
    target: Target
    executor: Executor
    step: int
    outputs: str | None = None
    tried: dict[int, bool] = field(default_factory=dict)

    def arena(self) -> Arena:
        (first,) = self.executor.run(self._job(None))
        said, recorded = first.result["said"], first.result["recorded"]
        if said is not None:
            raise Unconvertible(f"{self.target.name}: does not run in an arena of any size: {said}")
        if not {"total", "head", "tail"} <= recorded.keys():
            raise WorkerLied(f"{self.target.name}: the engine recorded nothing of its arena")
        self.outputs = first.result["outputs"]
        least = self._least(recorded["total"], first.result["arena_bytes"])
        margin = self.target.arena
        if margin is None:  # `measured` asked
            raise ValueError("a target without [arena]")
        return Arena(
            least_bytes=least,
            recommended_bytes=self._up(math.ceil(least * (1 + margin.margin))),
            margin=margin.margin,
            because=margin.because,
            head_bytes=recorded["head"],
            tail_bytes=recorded["tail"],
            recorded_bytes=recorded["total"],
            probes=len(self.tried),
        )

    def _least(self, recorded: int, roomy: int) -> int:
        """Return the least size that runs; the next smaller one was tried, and does not."""
        runs = self._up(recorded)
        fails = runs - self.step
        fits = self._try(fails, runs)
        if fits[fails]:  # less than was recorded
            runs, fails = fails, 0
        while not self._try(runs)[runs]:
            fails, runs = runs, min(self._up(math.ceil(runs * _MORE)), self._up(roomy))
            if fails == runs:
                raise WorkerLied(f"{self.target.name}: ran in an arena of {roomy} bytes, and does not any more")
        while runs - fails > self.step:
            width = max(self.step, self._up((runs - fails) // (_AT_ONCE + 1)))
            sizes = list(range(fails + width, runs, width))[:_AT_ONCE]
            fits = self._try(*sizes)
            runs = min((size for size in sizes if fits[size]), default=runs)
            fails = max((size for size in sizes if not fits[size] and size < runs), default=fails)
        return runs

    def _try(self, *sizes: int) -> dict[int, bool]:
        """Return for each size whether the model runs in it."""
        new = [size for size in sizes if size not in self.tried]
        for size, outcome in zip(new, self.executor.outcomes(map(self._job, new)), strict=True):
            if outcome.error is not None and not isinstance(outcome.error, WorkerCrashed):
                raise outcome.error
            self.tried[size] = outcome.error is None and outcome.entry.result["outputs"] == self.outputs
        return {size: self.tried[size] for size in sizes}

    def _up(self, size: int) -> int:
        return math.ceil(size / self.step) * self.step

    def _job(self, size: int | None) -> Job:
        name = self.target.runtime.name
        return Job(
            f"looking for the arena of {self.model.name if isinstance(self.model, Path) else 'the model'}",
            "execution.arena",
            "probe",
            kernels_of(self.target).engine,
            options={"runtime": name, "signature": self.key, "arena_bytes": size},
            inputs={"model": self.model},
            plugins=(f"execution.runtimes.{name}",),
        )
