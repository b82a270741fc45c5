"""The search for the least arena: whatever the engine recorded, the size found runs and the next smaller one was tried and does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from toolkit import profiles
from toolkit.errors import Unconvertible, WorkerCrashed, WorkerLied, WorkerTimeout
from toolkit.jobs.executor import JobOutcome
from toolkit.pipeline import arena

ROOMY = 1 << 20
STEP = 16


@dataclass
class Engine:
    """An executor whose one engine runs a model in `least` bytes and more, and recorded another number; below `crashes` its process dies."""

    least: int
    recorded: int
    crashes: int = 0
    wrong_below: int = 0
    sizes: list[int] = field(default_factory=list)

    def run(self, job):
        """Return the finished job."""
        (outcome,) = self.outcomes([job])
        return [outcome.entry]

    def outcomes(self, jobs):
        """Return how each job ended."""
        return [self._outcome(job.options["arena_bytes"]) for job in jobs]

    def _outcome(self, size):
        if size is not None:
            self.sizes.append(size)
            if size < self.crashes:
                return JobOutcome(None, WorkerCrashed("was killed by SIGSEGV"))
        size = ROOMY if size is None else size
        fits = size >= self.least
        outputs = ("other" if size < self.wrong_below else "right") if fits else None
        recorded = {"total": self.recorded, "head": 1, "tail": self.recorded - 1}
        result = {
            "arena_bytes": size,
            "said": None if fits else "too small",
            "outputs": outputs,
            "recorded": recorded if fits else {},
        }
        return JobOutcome(SimpleNamespace(result=result))


@pytest.fixture(scope="module")
def board():
    """Return a target whose runtime has arenas."""
    return profiles.find("arduino-nano-33-ble")


@pytest.mark.parametrize("recorded", [160, 3024, 3000, 9999])
@pytest.mark.parametrize("least", [3024, 3040, 4336, 100_000, 16])
@pytest.mark.parametrize("crashes", [0, 2000])
def test_the_least_that_runs_is_found(board, least, recorded, crashes):
    """Where the engine recorded less, the same, or more; and where a size that is too small kills its process."""
    engine = Engine(least, recorded, crashes)
    least = max(least, crashes)

    found = arena.measured(Path("m.tflite"), None, board, engine)

    assert found.least_bytes == least
    assert {least, least - STEP} <= {*engine.sizes, 0}
    assert found.recommended_bytes >= least * (1 + board.arena.margin)
    assert found.recommended_bytes % STEP == 0
    assert (found.recorded_bytes, found.probes) == (recorded, len(set(engine.sizes)))


def test_few_sizes_are_tried(board):
    """Two where the engine's own account is right, and some more where it is half as much again."""
    right, wrong = Engine(3024, 3024), Engine(4336, 3184)

    arena.measured(Path("m.tflite"), None, board, right)
    arena.measured(Path("m.tflite"), None, board, wrong)

    assert sorted(right.sizes) == [3008, 3024]
    assert len(wrong.sizes) <= 20


def test_an_answer_that_changes_is_no_answer(board):
    """A model that runs in too small an arena, and gives other numbers there, does not run in it."""
    assert arena.measured(Path("m.tflite"), None, board, Engine(1600, 3024, wrong_below=2400)).least_bytes == 2400


def test_what_is_no_size_is_an_error(board):
    """A model that never runs; an engine that records nothing; a limit that is reached, which says nothing of the size."""
    with pytest.raises(Unconvertible, match="does not run in an arena of any size: too small"):
        arena.measured(Path("m.tflite"), None, board, Engine(ROOMY + 16, 100))
    silent = Engine(100, 100)
    silent._outcome = lambda _: JobOutcome(
        SimpleNamespace(result={"arena_bytes": ROOMY, "said": None, "outputs": "x", "recorded": {}})
    )
    with pytest.raises(WorkerLied, match="recorded nothing"):
        arena.measured(Path("m.tflite"), None, board, silent)
    late = Engine(100, 112)
    whole = late._outcome
    late._outcome = lambda size: whole(size) if size is None else JobOutcome(None, WorkerTimeout("no answer"))
    with pytest.raises(WorkerTimeout):
        arena.measured(Path("m.tflite"), None, board, late)


def test_a_runtime_without_arenas_has_none():
    assert arena.measured(Path("m.tflite"), None, profiles.find("host"), Engine(100, 100)) is None


@pytest.mark.parametrize(("limit", "severity"), [(None, "warning"), (1000, "inconclusive")])
def test_an_arena_that_was_not_measured_leaves_a_verdict_open_if_there_is_a_budget(board, limit, severity):
    """It never passes for want of a number."""
    target = board.model_copy(update={"budget": profiles.Budget(arena_bytes=limit)})

    assert arena.not_measured(WorkerTimeout("no answer"), target).severity == severity
