"""The executor of jobs, as its callers see it.

`toolkit.jobs.local_executor` runs jobs on this machine. An executor for other machines (a cluster, boards) has the same methods.
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
    """How a job ended: `finished` is its entry in the store, `error` is why there is none. One of the two is None."""

    finished: Entry | None
    error: EdgeToolkitError | None = None

    @property
    def entry(self) -> Entry:
        """The job's entry in the store; raises its error where it failed."""
        if self.finished is None:
            raise self.error or ValueError("a job that neither finished nor failed")
        return self.finished


class Executor(Protocol):
    """Runs a graph of jobs, each once. A job that is finished in the store is not run again."""

    @property
    def settings(self) -> Settings:
        """What holds for all jobs."""
        ...

    def run(self, *jobs: Job) -> list[Entry]:
        """Return the finished jobs, in order; raise the first failure."""
        ...

    def outcomes(self, jobs: Iterable[Job], goals: Sequence[Goal] = ()) -> list[JobOutcome]:
        """Return how each job ended, in order. The others run on where one fails.

        A job is not run where only `goals` need it and none of them can be reached any more; its error is that of the job that failed.
        """
        ...

    def begin(self, jobs: Iterable[Job]) -> None:
        """Queue jobs to run, in this order, while `run` or `outcomes` waits for others."""
        ...

    def lost(self, goal: Goal) -> EdgeToolkitError | None:
        """Return why a goal cannot be reached any more; None where it can be, or was. Runs nothing."""
        ...

    def prepare(self, engine: Engine) -> None:
        """Make an engine ready to start; raise EnvironmentUnavailable, TargetUnavailable or RequestError where it cannot be."""
        ...

    def expect(self, engine: Engine) -> None:
        """Announce jobs of an engine: it may be started as soon as any job has to be run."""
        ...
