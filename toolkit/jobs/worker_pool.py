"""The workers of an executor: one for each engine, started when the engine is first needed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import launchers
from toolkit.environments import preload
from toolkit.errors import EdgeToolkitError
from toolkit.jobs.access import Access
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.store import Claim, Store, said_plainly
from toolkit.launchers import Launch
from toolkit.settings import Limits, Settings

if TYPE_CHECKING:
    from toolkit.jobs.worker_process import Enclosure, Worker


class WorkerPool:
    """Iterating yields the workers that run. Their logs lie in a folder of `store`, which is removed when the store is closed."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._launches: dict[str, Launch] = {}
        self._workers: dict[str, Worker] = {}
        self._logs = 0
        self._own: Claim | None = None
        self._expected: list[Engine] = []

    def __iter__(self) -> Iterator[Worker]:
        yield from list(self._workers.values())

    def is_starting(self, patience_s: float) -> bool:
        """Return whether a worker still imports its engine; one that has been at it for longer than `patience_s` does not count."""
        since = time.monotonic() - patience_s
        return any(not worker.ready and worker.began > since for worker in self._workers.values())

    def close(self) -> None:
        """End all workers; none of their processes is left."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
        self._own = None

    def launch(self, engine: Engine) -> Launch:
        """Return how an engine is started here; its environment is made if it is not there."""
        if engine.name not in self._launches:
            self._launches[engine.name] = launchers.prepare(
                engine.launcher, engine.environment, engine.options, self._settings
            )
        return self._launches[engine.name]

    def is_taken(self, engine: Engine, running: Iterable[Engine]) -> bool:
        """Return whether an engine's device does a job already, of one of the engines that are `running`."""
        device = self.launch(engine).device
        return device is not None and any(self.launch(other).device == device for other in running)

    def expect(self, engine: Engine) -> None:
        """Announce jobs of an engine: `prestart` starts it."""
        self._expected.append(engine)

    def prestart(self, engines: Iterable[Engine]) -> None:
        """Start the announced engines and these, which import while a job runs. A failure to start is raised when a job needs the engine."""
        for engine in [*self._expected, *engines]:
            with contextlib.suppress(EdgeToolkitError):
                self._worker(engine)
        self._expected.clear()

    def worker_for(self, job: Job, claim: Claim, access: Access, limits: Limits) -> Worker:
        """Return the worker of a job's engine; a worker for this job alone where the engine's worker cannot confine jobs."""
        launch = self.launch(job.engine)
        if launch.needs is None:
            return self._worker(job.engine)
        from toolkit.jobs.worker_process import Enclosure

        enclosure = Enclosure(launch.needs, claim.folder, access, limits, launch.browser)
        return self._started(f"{job.engine.name} for {claim.key}", job.engine, enclosure)

    def _worker(self, engine: Engine) -> Worker:
        return self._workers.get(engine.name) or self._started(engine.name, engine)

    def _started(self, name: str, engine: Engine, enclosure: Enclosure | None = None) -> Worker:
        from toolkit.jobs.worker_process import Worker  # a build that has nothing to do starts none

        launch = self.launch(engine)
        self._logs += 1
        log = self._own_folder() / f"worker-{self._logs}.log"
        modules = preload(engine.environment) if engine.preload else ()
        with said_plainly(self._store.root):
            self._workers[name] = Worker(engine.name, launch, modules, log, enclosure)
        return self._workers[name]

    def dismiss(self, worker: Worker) -> None:
        """End a worker and all jobs of it; the next job of its engine gets a new one."""
        self._workers = {name: other for name, other in self._workers.items() if other is not worker}
        worker.close()

    def _own_folder(self) -> Path:
        """Return the folder for the workers' logs. It is claimed as a job's folder is, so it is removed after a kill too."""
        while self._own is None:
            self._own = self._store.claim(f"host-{os.getpid()}-{time.monotonic_ns()}")
        return self._own.folder
