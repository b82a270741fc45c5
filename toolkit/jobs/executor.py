"""The executor of jobs, as its callers see it.

`toolkit.jobs.local_executor` runs them on this machine; one that runs them elsewhere (a cluster, with boards as its resources) has the same methods.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from toolkit.errors import EdgeToolkitError

if TYPE_CHECKING:
    from toolkit.jobs.graph import Goal
    from toolkit.jobs.job import Engine, Job
    from toolkit.jobs.store import Entry
    from toolkit.settings import Settings


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended: `finished` is what the store holds of it, and `error` why there is none; one of the two is None."""

    finished: Entry | None
    error: EdgeToolkitError | None = None

    @property
    def entry(self) -> Entry:
        """What the store holds of the job; raises its error where it failed."""
        if self.finished is None:
            raise self.error or ValueError("a job that neither finished nor failed")
        return self.finished


class Executor(Protocol):
    """Runs a graph of jobs, each once; what is finished in the store is not run again."""

    @property
    def settings(self) -> Settings:
        """What holds for all jobs."""
        ...

    def run(self, *jobs: Job) -> list[Entry]:
        """Return the finished jobs, in order; raise the first failure."""
        ...

    def outcomes(self, jobs: Iterable[Job], goals: Sequence[Goal] = ()) -> list[JobOutcome]:
        """Return how each job ended, in order; the failure of one does not keep the others from running.

        A job that only `goals` need, and that can no longer be of use to one of them, is not run; its error is that of the job that failed.
        """
        ...

    def begin(self, jobs: Iterable[Job]) -> None:
        """Let jobs run beside those that are waited for, in this order, as long as anything is waited for."""
        ...

    def lost(self, goal: Goal) -> EdgeToolkitError | None:
        """Return why a goal cannot be reached any more; None where it still can, or was. Runs nothing."""
        ...

    def prepare(self, engine: Engine) -> None:
        """Make an engine ready to start; raise EnvironmentUnavailable, TargetUnavailable or RequestError where it cannot be."""
        ...

    def expect(self, engine: Engine) -> None:
        """Say that jobs of an engine will come: it may be started as soon as any job has to be run."""
        ...
