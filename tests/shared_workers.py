"""Executors that share their workers, and commands that run where the tests do: an engine is imported once in a session, not for each command."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TextIO

import pytest

import toolkit.cli
from toolkit.jobs import local_executor
from toolkit.jobs.job_keys import JobKeys
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.progress import Watcher
from toolkit.jobs.store import open_store
from toolkit.jobs.worker_pool import WorkerPool
from toolkit.settings import Settings
from toolkit.settings.environment_variables import by_engines, by_everybody
from toolkit.settings.permissions import Permissions

PATIENCE_S = 30.0  # until a job that was killed is gone; after that its worker is ended


class SharedWorkers:
    """The workers of a session, for all executors with the settings that most have; a context manager, which ends them.

    A graph of jobs, and what became of them, is still each executor's own: nothing but the processes is shared.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = open_store(settings.home)
        self._pool = WorkerPool(settings, self._store)
        self._variables = _variables()
        self._numbers = iter(range(1, 1 << 62))  # no event of one executor's job can be taken for another's

    def __enter__(self) -> SharedWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()
        self._store.close()

    def executor(self, settings: Settings, watch: Watcher | None = None) -> LocalExecutor:
        """Return an executor: with the shared workers where nothing is set that a worker depends on, else with its own."""
        ours = self._settings
        same = (settings.home, settings.offline, settings.permissions) == (ours.home, ours.offline, Permissions())
        if settings.pythons or not same or _variables() != self._variables:
            return LocalExecutor(settings, watch)
        return _Sharing(settings, watch, self._pool, self._numbers)


class _Sharing(LocalExecutor):
    """An executor that leaves its workers to the next one, when no job of its own is running there any more."""

    def __init__(self, settings: Settings, watch: Watcher | None, pool: WorkerPool, numbers: Iterator[int]) -> None:
        super().__init__(settings, watch)
        self._without_workers, self._pool = self._pool, pool
        self._keys = JobKeys(self._graph, pool.launch)
        self._numbers = numbers

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        for number, running in list(self._running.items()):
            running.deadline = time.monotonic() + PATIENCE_S
            self._leaving[number] = self._running.pop(number)
            running.worker.cancel(number)
        while self._leaving:
            self._listen()
        for worker in self._pool:
            if worker._elsewhere:  # a board may be changed before the next command
                self._pool.dismiss(worker)
        self._pool = self._without_workers
        super().__exit__(kind, *rest)


def _variables() -> dict[str, str]:
    return by_everybody() | by_engines()


def command(words: Sequence[str], folder: Path, workers: SharedWorkers) -> tuple[int, str, str]:
    """Run `edge-toolkit` with these words in this process, and return its exit status, what it printed, and what it told on standard error."""
    ending = signal.getsignal(signal.SIGTERM)
    with _caught(1) as printed, _caught(2) as told, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["edge-toolkit", *words])
        for name in ("stdout", "stderr"):  # the command puts its own in their place
            patch.setattr(sys, name, getattr(sys, name))
        patch.setattr(local_executor, "LocalExecutor", workers.executor)
        patch.setattr(
            "toolkit.cli.verbs.guard", lambda: None
        )  # it holds until the process ends, and here that is pytest's
        try:
            status = toolkit.cli.main()
        finally:
            signal.signal(signal.SIGTERM, ending)
    return status, _text(printed), _text(told)


@contextlib.contextmanager
def _caught(descriptor: int) -> Iterator[IO[bytes]]:
    """Let a descriptor write to a file, which is still open afterwards."""
    stream: TextIO = sys.stdout if descriptor == 1 else sys.stderr
    stream.flush()
    kept, file = os.dup(descriptor), tempfile.TemporaryFile()  # noqa: SIM115 (read by whoever asked)
    os.dup2(file.fileno(), descriptor)
    try:
        yield file
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


def _text(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode()
