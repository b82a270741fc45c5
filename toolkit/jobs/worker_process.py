"""The host's end of a worker: starts it, sends requests, and reads its answers with distrust."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit import printable
from toolkit.confinement import NOT_CONFINED
from toolkit.environments import MOUNT
from toolkit.errors import (
    DamagedFile,
    EdgeToolkitError,
    EnvironmentUnavailable,
    WorkerCrashed,
    WorkerLied,
)
from toolkit.files.foreign import parse_json
from toolkit.jobs.access import Access
from toolkit.jobs.last_words import ending, last_lines
from toolkit.launchers import WORKER, Launch
from toolkit.printable import Text
from toolkit.settings import Limits
from toolkit.settings.environment_variables import by_everybody
from toolkit.wire.worker_protocol import Event, RunCommand

_ENCLOSED = Path(WORKER).parents[1] / "confinement" / "enclosed.py"
_END_S = 5.0
_END_ELSEWHERE_S = 30.0  # with the removal of its files there
_LONGEST_EVENT = 1 << 20
_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "ready": {"confined": (str,)},
    "failed": {"problem": (str,)},
    "ended": {"id": (int,), "status": (int,), "killed_for": (str, type(None)), "peak_bytes": (int,)},
}
_NO_LIBRARY = "error while loading shared libraries"  # a message of the system's loader (glibc, elf/dl-error.c)
_WITHHELD = "workers do not get LD_LIBRARY_PATH; if its interpreter needs it: --allow-env LD_LIBRARY_PATH"
# Engines start and print the same for everybody: without the user's settings, and without colours.
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
    "NO_COLOR": "1",
}
# Nearly always another job runs beside one of TensorFlow's. If each used all cores, both would wait for one another.
_HALF_OF_THE_CORES = str(max(1, len(os.sched_getaffinity(0)) // 2))
# numpy's OpenBLAS splits a sum of some ten thousand numbers among all cores, and waits for them in a loop: beside other jobs, that takes five times
# as long. With one thread, sums are the same on each number of cores.
_UNLESS_THE_USER_SAYS = {
    "TF_NUM_INTRAOP_THREADS": _HALF_OF_THE_CORES,
    "TF_NUM_INTEROP_THREADS": _HALF_OF_THE_CORES,
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Enclosure:
    """The only job of a worker that is confined from outside: its folder, its access, its limits, and the files that the worker itself `needs`.

    `browser` is whether the job starts a browser.
    """

    needs: tuple[str, ...]
    folder: Path
    access: Access
    limits: Limits
    browser: bool = False

    def command(self) -> tuple[str, ...]:
        """Return the command that confines itself, and then runs the command that follows it."""
        asked = {
            "needs": self.needs,
            "private": str(Path.home()),
            "folder": str(self.folder),
            "access": self.access.to_json(),
            "memory_bytes": self.limits.memory_bytes,
            "written_bytes": self.limits.written_bytes,
            "browser": self.browser,
        }
        return (sys.executable, "-I", "-S", str(_ENCLOSED), json.dumps(asked))


class Worker:
    """One worker process. It does nothing until `run`; `events` reads its events when `descriptor` is readable."""

    def __init__(
        self,
        name: str,
        launch: Launch,
        preload: tuple[str, ...],
        log: Path,
        enclosure: Enclosure | None = None,
    ) -> None:
        self.name = name
        self.alone = enclosure is not None  # has one job, and is confined to it as a whole
        before = () if enclosure is None else enclosure.command()
        command = (*before, *_command(launch, preload))
        self.ready = False
        self.began = time.monotonic()
        self.confined = NOT_CONFINED  # how its jobs are confined, in the worker's words
        self._text = b""
        self._log = log
        scratch = str(log.parent)  # jobs have folders of their own for both
        self._elsewhere = launch.transport is not None
        with open(log, "wb") as output:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    env={
                        **by_everybody(),
                        **_UNLESS_THE_USER_SAYS,
                        **_QUIET,
                        "TMPDIR": scratch,
                        "HOME": scratch,
                        **{key: value for key, value in launch.variables.items() if key != MOUNT},
                    },
                    start_new_session=True,
                )
            except OSError as error:
                raise EnvironmentUnavailable(
                    f"{name}: {launch.command[0]} cannot be started ({error.strerror})"
                ) from error
        if self._process.stdout is None or self._process.stdin is None:
            raise EnvironmentUnavailable(f"{name}: no pipes")
        self.descriptor = self._process.stdout.fileno()
        os.set_blocking(self.descriptor, False)
        self._commands = self._process.stdin

    def run(self, number: int, folder: Path, limits: Limits, access: Access, modules: Sequence[str] = ()) -> None:
        """Start the job in `folder`, which may reach no more than `access`; an `EndedEvent` with this number follows.

        `modules` are the toolkit's modules that the job may import, as far as known.
        """
        command: RunCommand = {
            "do": "run",
            "id": number,
            "folder": str(folder),
            "timeout_s": limits.timeout_s,
            "memory_bytes": limits.memory_bytes,
            "written_bytes": limits.written_bytes,
            "access": access.to_json(),
            "modules": list(modules),
        }
        with contextlib.suppress(BrokenPipeError):  # `events` notices a dead worker
            self._commands.write(json.dumps(command).encode() + b"\n")
            self._commands.flush()

    def cancel(self, number: int) -> None:
        """Kill a job; its `EndedEvent` still follows."""
        with contextlib.suppress(BrokenPipeError):
            self._commands.write(json.dumps({"do": "cancel", "id": number}).encode() + b"\n")
            self._commands.flush()

    def events(self) -> Iterator[Event]:
        """Yield the events that have arrived; raise WorkerCrashed where the process is gone, WorkerLied for a line that is no event."""
        try:
            text = os.read(self.descriptor, 1 << 16)
        except BlockingIOError:
            return
        if not text:
            raise self._death()
        *lines, self._text = (self._text + text).split(b"\n")
        for line in lines:
            event = _event(line)
            if event is None:
                raise self.lie(line)
            if event["event"] == "ready":
                self.ready, self.confined = True, event["confined"]
            if event["event"] == "failed":
                raise EnvironmentUnavailable(f"{self.name}: {event['problem']}", self.last_words())
            yield event
        if len(self._text) > _LONGEST_EVENT:
            raise self.lie(self._text)

    def lie(self, said: bytes) -> WorkerLied:
        """Return the error for a line of the worker's that makes no sense."""
        return WorkerLied(f"{self.name}: sent {said[:60]!r}, which is no event", self.last_words())

    def _death(self) -> EdgeToolkitError:
        status, words = self._process.wait(), self.last_words()
        if not self.ready and _NO_LIBRARY in (words or ""):
            words = printable.lines([*filter(None, [words]), f"        {_WITHHELD}"])
        return WorkerCrashed(f"{self.name}: the worker {ending(status)}", words)

    def last_words(self) -> Text | None:
        """Return the last lines that the worker itself printed, not those of its jobs."""
        return last_lines(self._log)

    def close(self) -> None:
        """End the worker and every job of it; nothing of it is left when this returns."""
        with contextlib.suppress(OSError):
            self._commands.close()
        try:
            self._process.wait(_END_ELSEWHERE_S if self._elsewhere else _END_S if self.ready else 0)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.unlink(missing_ok=True)


def _command(launch: Launch, preload: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that starts the worker: the launch's own, or the carrier that starts it elsewhere."""
    worker = launch.command
    if launch.script is not None:
        worker += (launch.script, *(argument for module in preload for argument in ("--preload", module)))
        if launch.transport is None:  # elsewhere this home folder is not the private one
            worker += ("--private", str(Path.home()))
        if MOUNT in launch.variables:
            worker += ("--mount", launch.variables[MOUNT])
    return worker if launch.transport is None else launch.transport.carrier(worker)


def _event(line: bytes) -> Event | None:
    """Return a line as an event; None where a field is missing or has another type."""
    try:
        said = parse_json(line, "event")
        fields = _FIELDS[said["event"]]
        whole = all(type(said[name]) in types for name, types in fields.items())
    except (DamagedFile, TypeError, KeyError):
        return None
    event: Event = said
    return event if whole else None
