"""The requested jobs, how each of them ended, and which ones are no longer needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from toolkit.errors import EdgeToolkitError, LimitReached
from toolkit.jobs.job import Job
from toolkit.jobs.store import Entry


@dataclass(frozen=True, slots=True)
class Goal:
    """Jobs that are of use only together: where a `vital` one failed, nobody wants the `jobs` any more.

    A job `within_limits` may fail. But where it reached its limit of time or memory, the others would reach it too.
    """

    vital: Sequence[Job]
    jobs: Sequence[Job]
    within_limits: Sequence[Job] = ()


@dataclass(frozen=True, slots=True)
class Steps:
    """How many of the known jobs have ended, well or not."""

    ended: int
    known: int


@dataclass(slots=True)
class Graph:
    """The requested jobs, and what became of them."""

    waiting: list[Job] = field(default_factory=list)
    entries: dict[Job, Entry] = field(default_factory=dict)
    failures: dict[Job, EdgeToolkitError] = field(default_factory=dict)
    known: set[Job] = field(default_factory=set)

    @property
    def steps(self) -> Steps:
        """How many of the jobs requested so far have ended; a dropped job does not count."""
        ended = len(self.entries) + len(self.failures)
        return Steps(ended, max(len(self.known), ended))

    def has_ended(self, job: Job) -> bool:
        """Return whether a job has finished or failed."""
        return job in self.entries or job in self.failures

    def add(self, job: Job) -> None:
        """Add a job, after those that it reads."""
        if job not in self.known:
            self.known.add(job)
            for earlier in job.reads:
                self.add(earlier)
            self.waiting.append(job)

    def failure(self, jobs: Iterable[Job]) -> EdgeToolkitError | None:
        """Return why the first of these jobs that failed did so; None where none has failed yet."""
        return next((self.failures[job] for job in jobs if job in self.failures), None)

    def lost(self, goal: Goal) -> EdgeToolkitError | None:
        """Return why a goal cannot be reached any more; None where it still can, or was."""
        limits = (self.failures.get(job) for job in goal.within_limits)
        return self.failure(goal.vital) or next((error for error in limits if isinstance(error, LimitReached)), None)

    def unwanted(self, goals: Sequence[Goal]) -> dict[Job, EdgeToolkitError]:
        """Return the jobs that have not ended and that are needed only by lost goals, each with the error that lost the goal.

        Jobs that were requested beside the goals are wanted, and so are all jobs that they read.
        """
        lost = [(goal, error) for goal in goals if (error := self.lost(goal)) is not None]
        doomed: dict[Job, EdgeToolkitError] = {}
        for goal, error in lost:
            for job in _with_all_read((*goal.vital, *goal.jobs)):
                doomed.setdefault(job, error)
        reached = {id(goal) for goal, _ in lost}
        hoped = [job for goal in goals if id(goal) not in reached for job in (*goal.vital, *goal.jobs)]
        wanted = _with_all_read([*hoped, *(job for job in self.known if job not in doomed)]) if doomed else set()
        return {
            job: error
            for job, error in doomed.items()
            if job in self.known and job not in wanted and not self.has_ended(job)
        }

    def forget(self, job: Job) -> None:
        """Remove a job that nobody wants; it may be added again."""
        self.known.discard(job)
        if job in self.waiting:
            self.waiting.remove(job)


def _with_all_read(jobs: Iterable[Job]) -> set[Job]:
    """Return jobs with all that they read, directly or not."""
    found: set[Job] = set()
    left = list(jobs)
    while left:
        job = left.pop()
        if job not in found:
            found.add(job)
            left += job.reads
    return found
