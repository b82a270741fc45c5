"""Runs a graph of jobs on local workers, and keeps finished jobs.

One loop, no threads: each job that is ready and not in the store gets a worker, as many at once as there are cores. A job's failure fails only the
jobs that read it. Jobs that are of no use without it, as a `Goal` says, are dropped. A job that measures time runs alone: no other job runs, no
worker starts, and other processes that use the same store wait (`toolkit.jobs.quiet`).
"""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolkit import launchers, printable
from toolkit.errors import EdgeToolkitError, WorkerError, WorkerTimeout, prefixed
from toolkit.files.whole import storage_failed
from toolkit.jobs.access import Access, access_of, advice, require_movable
from toolkit.jobs.executor import JobOutcome
from toolkit.jobs.graph import Goal, Graph, Steps
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.job_keys import JobKeys
from toolkit.jobs.progress import Watcher
from toolkit.jobs.pruning import keep_within_limit
from toolkit.jobs.quiet import Quiet
from toolkit.jobs.store import Claim, Entry, open_store, said_plainly
from toolkit.jobs.worker_pool import WorkerPool
from toolkit.settings import Limits, Settings
from toolkit.wire.request import read_progress

if TYPE_CHECKING:
    from toolkit.jobs.job_folder import JobFolder
    from toolkit.jobs.worker_process import Worker
    from toolkit.wire.worker_protocol import EndedEvent

_READY_S = 180.0
_LOOK_EVERY_S = 0.1
_ANSWER_GRACE_S = 30.0


@dataclass(slots=True)
class _Running:
    job: Job
    claim: Claim
    worker: Worker
    deadline: float
    folder: JobFolder


class LocalExecutor:
    """A context manager: when it is left, no process and no unfinished folder remains."""

    def __init__(self, settings: Settings, watch: Watcher | None = None) -> None:
        self.settings = settings
        self.store = open_store(settings.home)
        self._watch = watch or (lambda job, what, progress: None)
        self._pool = WorkerPool(settings, self.store)
        self._running: dict[int, _Running] = {}
        self._leaving: dict[int, _Running] = {}  # killed, and not yet gone
        self._numbers = iter(range(1, 1 << 62))
        self._graph = Graph()
        self._keys = JobKeys(self._graph, self._pool.launch)
        self._slots = len(os.sched_getaffinity(0))
        self._quiet = Quiet(self.store.root, settings.say, settings.limits.timeout_s)

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.close()
        self._running.clear()
        self._leaving.clear()
        self._quiet.end()
        try:
            if kind is None:
                keep_within_limit(self.store, self.settings)
        finally:
            self.store.close()  # an interrupt may come between any two lines, so a claim may still be held

    def run(self, *jobs: Job) -> list[Entry]:
        """Return the finished jobs, in order; raise the first failure, after all jobs that do not depend on it have ended.

        Where one of them reached a limit, the others are ended at once.
        """
        return [outcome.entry for outcome in self.outcomes(jobs, [Goal((), jobs, jobs)])]

    def steps(self) -> Steps:
        """Return how many of the jobs known so far have ended."""
        return self._graph.steps

    def begin(self, jobs: Iterable[Job]) -> None:
        """Queue jobs to run, in this order, while `run` or `outcomes` waits for others."""
        for job in jobs:
            self._graph.add(job)

    def outcomes(self, jobs: Iterable[Job], goals: Sequence[Goal] = ()) -> list[JobOutcome]:
        """Return how each job ended, as soon as all of them have.

        A job that only lost `goals` need is not run, or is killed where it runs; its error is that of the job that lost them.
        """
        wanted = list(jobs)
        self.begin(wanted)
        dropped: dict[Job, EdgeToolkitError] = {}
        while True:
            for job, error in self._graph.unwanted(goals).items():
                self._drop(job)
                dropped[job] = error
            if not self._running and not self._leaving:
                self._quiet.rest(waits=any(job.alone for job in self._graph.waiting))
            if all(self._graph.has_ended(job) or job in dropped for job in wanted):
                break
            self._start_what_is_ready()
            if self._running or self._leaving or self._pool.is_starting(_READY_S):
                self._listen()
            elif self._graph.waiting:
                time.sleep(_LOOK_EVERY_S)  # another process does the next job
        return [self._outcome(job, dropped) for job in wanted]

    def _outcome(self, job: Job, dropped: Mapping[Job, EdgeToolkitError]) -> JobOutcome:
        entry = self._graph.entries.get(job)
        return JobOutcome(entry, None if entry is not None else self._graph.failures.get(job) or dropped[job])

    def lost(self, goal: Goal) -> EdgeToolkitError | None:
        """Return why a goal cannot be reached any more; None where it can be, or was. Runs nothing."""
        return self._graph.lost(goal)

    def prepare(self, engine: Engine) -> None:
        """Make an engine's environment if it is not there; raise what keeps the engine from being started here."""
        self._pool.launch(engine)

    def expect(self, engine: Engine) -> None:
        """Announce jobs of an engine: it is started when the first job has to be run."""
        self._pool.expect(engine)

    def _start_what_is_ready(self) -> None:
        moved = True
        while moved:
            moved = False
            for job in list(self._graph.waiting):
                reads = job.reads
                failed = next((self._graph.failures[read] for read in reads if read in self._graph.failures), None)
                if failed is not None:
                    self._end(job, failed)
                    moved = True
                elif all(read in self._graph.entries for read in reads):
                    moved = self._advance(job) or moved

    def _advance(self, job: Job) -> bool:
        """Take a job from the store or start it, its inputs being there; return False where neither is possible now."""
        try:
            name = self._keys.of(job)
            busy = any(running.claim.key == name for running in self._running.values())
            entry = None if busy or not job.cached else self.store.get(name)
            if entry is not None:
                self._finish(job, entry, "reused")
                return True
            taken = self._pool.is_taken(job.engine, (running.job.engine for running in self._running.values()))
            if busy or taken or len(self._running) >= self._slots or not self._may_start(job):
                return False
            claim = self.store.claim(name)
            if claim is None:
                return False
            try:
                entry = self.store.get(name) if job.cached else None  # another process may have finished it meanwhile
                if entry is None:
                    self._start(job, claim)
                    return True
            except BaseException:
                claim.drop()
                raise
            claim.drop()
            self._finish(job, entry, "reused")
        except EdgeToolkitError as error:
            self._end(job, error)
        return True

    def _may_start(self, job: Job) -> bool:
        """Return whether a job may run now beside what runs, in this process and in others. One that runs alone waits until nothing else works."""
        if not job.alone:
            return not any(running.job.alone for running in self._running.values()) and self._quiet.with_others()
        works = self._running or self._leaving or self._pool.is_starting(_READY_S)
        return not works and self._quiet.alone()

    def _start(self, job: Job, claim: Claim) -> None:
        from toolkit.jobs import (
            job_folder,  # as all that only a job that runs needs: most builds find some, or all, in the store
        )

        transport = self._pool.launch(job.engine).transport
        if transport is not None:
            require_movable(job, self.settings.permissions)
        access, limits = self._access(job), self._limits(job)
        worker = self._pool.worker_for(job, claim, access, limits)
        if not job.alone:  # an engine's import would take time from it
            later = [other.engine for other in self._graph.waiting if job in other.reads]
            self._pool.prestart(engine for engine in later if launchers.is_host(engine.launcher))
        inputs = {name: self._keys.path(source) for name, source in job.inputs.items()}
        with said_plainly(self.store.root):
            folder = job_folder.make(claim.folder, self.store.root, job.asked, inputs, once=transport is not None)
        number = next(self._numbers)
        running_s = limits.timeout_s if transport is None else transport.most_s(limits.timeout_s, _READY_S)
        starting_s = 0.0 if worker.ready else _READY_S
        deadline = time.monotonic() + starting_s + running_s + _ANSWER_GRACE_S
        self._running[number] = _Running(job, claim, worker, deadline, folder)
        self._graph.waiting.remove(job)
        worker.run(number, claim.folder, limits, access, job.ahead)
        self._watch(job, "started", None)

    def _drop(self, job: Job) -> None:
        """Drop a job that nobody wants; its claim is given back when its process has ended."""
        self._graph.forget(job)
        for number, running in list(self._running.items()):
            if running.job is job:
                running.deadline = time.monotonic() + _ANSWER_GRACE_S
                self._leaving[number] = self._running.pop(number)
                running.worker.cancel(number)
        self._watch(job, "dropped", None)

    def _limits(self, job: Job) -> Limits:
        return job.limits or self.settings.limits

    def _access(self, job: Job) -> Access:
        inputs = [self._keys.path(source) for source in job.inputs.values()]
        access, launch = access_of(job, inputs, self.settings.permissions), self._pool.launch(job.engine)
        access = replace(access, memory_files=launch.memory_files)
        return access if launch.reaches is None else access.reaching(launch.reaches, launch.ports)

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for worker in self._pool:
                selector.register(worker.descriptor, selectors.EVENT_READ, worker)
            ready = [selected.data for selected, _ in selector.select(_LOOK_EVERY_S)]
        for worker in ready:
            try:
                for event in worker.events():
                    if event["event"] == "ended":
                        self._ended(worker, event)
            except EdgeToolkitError as error:
                self._lose(worker, error)
        for running in [*self._running.values(), *self._leaving.values()]:
            if time.monotonic() > running.deadline:
                from toolkit.jobs.job_response import no_answer

                job, words = running.job, running.worker.last_words()
                late = running.folder.retold(no_answer(job.title, self._limits(job), running.claim.folder, words))
                self._lose(running.worker, WorkerTimeout(f"{late.problem}, and none from its worker", late.hint))
            elif running in self._running.values():
                self._watch(running.job, "progress", read_progress(running.claim.folder))

    def _ended(self, worker: Worker, event: EndedEvent) -> None:
        from toolkit.jobs.job_response import read_response

        number = event["id"]
        if worker.alone:  # before anything is read: the worker could still write to it
            self._pool.dismiss(worker)
        if number in self._leaving and self._leaving[number].worker is worker:
            self._leaving.pop(number).claim.drop()
            return
        if number not in self._running or self._running[number].worker is not worker:
            raise worker.lie(json.dumps(event).encode())
        running = self._running.pop(number)
        job, claim = running.job, running.claim
        try:
            result, seconds, files = read_response(job.title, self._limits(job), claim.folder, event)
            self._keys.require_unchanged(job)
            about: dict[str, str | int] = {
                **self._pool.launch(job.engine).about,
                "title": job.title,
                "peak_bytes": event["peak_bytes"],
                "confined": worker.confined,
            }
            entry = claim.seal(result, seconds, about, files)
        except EdgeToolkitError as error:
            error = self._advised(running, error)
            self._fail(job, claim, error)
        else:
            self._finish(job, entry, "finished")

    def _advised(self, running: _Running, error: EdgeToolkitError) -> EdgeToolkitError:
        """Return a job's error with the paths that the user knows, and with what can be done about it."""
        from toolkit.jobs.last_words import last_lines

        error = running.folder.retold(error)
        words = last_lines(running.claim.folder / "log")
        said = "\n".join(filter(None, (error.problem, error.hint, words and running.folder.told(words))))
        advised = advice(running.job, self._access(running.job), said)
        error.hint = printable.lines(filter(None, (error.hint, advised)), between="\n        ") or None
        return error

    def _lose(self, worker: Worker, error: EdgeToolkitError) -> None:
        """Fail all jobs of a worker that is gone or that lied; the next job of its engine gets a new worker."""
        for number, running in list(self._running.items()):
            if running.worker is worker:
                del self._running[number]
                about = prefixed(f"{running.job.title}: ", error)
                self._fail(running.job, running.claim, about)
        for number, running in list(self._leaving.items()):
            if running.worker is worker:
                self._leaving.pop(number).claim.drop()
        self._pool.dismiss(worker)

    def _fail(self, job: Job, claim: Claim, error: EdgeToolkitError) -> None:
        full = claim.full()
        if full is not None:
            claim.drop()
            self._end(job, storage_failed(self.store.root, full))
            return
        kept = claim.fail()
        if isinstance(error, WorkerError) and kept is not None:
            said = f"the job is kept in {kept}"
            error.hint = printable.lines([error.hint, f"        {said}"] if error.hint else [said])
        self._end(job, error)

    def _end(self, job: Job, error: EdgeToolkitError) -> None:
        self._graph.failures[job] = error
        if job in self._graph.waiting:
            self._graph.waiting.remove(job)
        self._watch(job, "failed", None)

    def _finish(self, job: Job, entry: Entry, what: str) -> None:
        self._graph.entries[job] = entry
        if job in self._graph.waiting:
            self._graph.waiting.remove(job)
        self._watch(job, what, None)
