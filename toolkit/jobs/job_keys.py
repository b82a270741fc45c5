"""The keys of an executor's jobs, and where their inputs lie: both need what earlier jobs gave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from toolkit import printable
from toolkit.errors import RequestError
from toolkit.jobs.graph import Graph
from toolkit.jobs.job import Engine, Job, Output, key, path_digest
from toolkit.launchers import Launch


class JobKeys:
    """`graph` holds what has finished; `launch` returns how an engine is started, whose identity is part of a key."""

    def __init__(self, graph: Graph, launch: Callable[[Engine], Launch]) -> None:
        self._graph = graph
        self._launch = launch
        self._keys: dict[Job, str] = {}

    def of(self, job: Job) -> str:
        """Return a job's key, as it was when it was first asked for; the jobs that it reads have finished."""
        if job not in self._keys:
            self._keys[job] = self._now(job)
        return self._keys[job]

    def _now(self, job: Job) -> str:
        """Return the key by what its inputs hold at this moment."""
        digests = {}
        for name, source in job.inputs.items():
            if isinstance(source, Path):
                _require_utf8(source.absolute())
                digests[name] = path_digest(source)
            else:
                earlier, part = (source.job, source.name) if isinstance(source, Output) else (source, "")
                digests[name] = f"{self._graph.entries[earlier].digest}/{part}"
        return key(job, self._launch(job.engine).identity, digests)

    def require_unchanged(self, job: Job) -> None:
        """Raise RequestError where an input of a job is not what its key says any more: its answer may be that of another file."""
        if self._now(job) == self._keys[job]:
            return
        given = ", ".join(str(source) for source in job.inputs.values() if isinstance(source, Path))
        problem = f"{job.title}: a file that it reads changed meanwhile ({given}); nothing of it was kept"
        raise RequestError(problem, "run the command again when nothing writes there")

    def path(self, source: Path | Job | Output) -> Path:
        """Return where an input lies: a file of the user's, or what a finished job gave."""
        if isinstance(source, Path):
            return source.absolute()  # a file of several, found beside the others by its own name, may be a link
        if isinstance(source, Output):
            return self._graph.entries[source.job].out / source.name
        return self._graph.entries[source].out


def _require_utf8(path: Path) -> None:
    """Raise RequestError for a path that no engine's own code could open."""
    if not printable.is_utf8(str(path)):
        hint = "rename it, or make a link to it; both it and the folders above it need names in UTF-8"
        raise RequestError(f"{path}: is not UTF-8", hint)
