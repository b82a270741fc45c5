"""The host's end of a worker: starts it, sends requests, and reads its answers with distrust."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from toolkit import printable
from toolkit.confinement import NOT_CONFINED
from toolkit.confinement.resources import MOST_PROCESSES
from toolkit.environments import MOUNT
from toolkit.errors import (
    DamagedFile,
    EdgeToolkitError,
    EnvironmentUnavailable,
    LimitReached,
    WorkerCrashed,
    WorkerLied,
    WorkerOutOfMemory,
    WorkerTimeout,
    WorkerWroteTooMuch,
    revive,
)
from toolkit.files.foreign import open_plain, parse_json, require_plain
from toolkit.jobs.access import Access
from toolkit.jobs.store import Files
from toolkit.launchers import WORKER, Launch
from toolkit.printable import Text
from toolkit.settings import Limits
from toolkit.settings.environment_variables import by_everybody
from toolkit.wire.request import read_progress, sha256

_ENCLOSED = Path(WORKER).parents[1] / "confinement" / "enclosed.py"
_END_S = 5.0
_END_ELSEWHERE_S = 30.0  # with what it brought there
_LONGEST_EVENT = 1 << 20
_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "ready": {"confined": (str,)},
    "failed": {"problem": (str,)},
    "ended": {"id": (int,), "status": (int,), "killed_for": (str, type(None)), "peak_bytes": (int,)},
}
_LAST_WORDS = 12
_TAIL_BYTES = 8192  # of a log that are looked at
_NO_LIBRARY = "error while loading shared libraries"  # says the system's loader (glibc, elf/dl-error.c)
_WITHHELD = "workers do not get LD_LIBRARY_PATH; if its interpreter needs it: --allow-env LD_LIBRARY_PATH"
_MORE_MEMORY = "--memory GB allows each job more"
# What the C++ library, the C library and the engines say before they end a process that got no memory.
_NO_MEMORY = re.compile(r"std::bad_alloc|Cannot allocate memory|OOM when allocating|[Oo]ut of memory|MemoryError")
# What an engine prints and how it starts is the same for everybody: no user's settings, no colours.
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
    "NO_COLOR": "1",
}
# Nearly always another job runs beside one of TensorFlow's: with all cores for each, both wait for one another.
_HALF_OF_THE_CORES = str(max(1, len(os.sched_getaffinity(0)) // 2))
_UNLESS_THE_USER_SAYS = {"TF_NUM_INTRAOP_THREADS": _HALF_OF_THE_CORES, "TF_NUM_INTEROP_THREADS": _HALF_OF_THE_CORES}


@dataclass(frozen=True, slots=True)
class Enclosure:
    """The one job of a worker that is confined from outside: its folder, what it may reach, its limits, and what the worker itself `needs`."""

    needs: tuple[str, ...]
    folder: Path
    access: Access
    limits: Limits

    def command(self) -> tuple[str, ...]:
        """Return the command that confines itself, and becomes the one that follows."""
        asked = {
            "needs": self.needs,
            "private": str(Path.home()),
            "folder": str(self.folder),
            "access": self.access.to_json(),
            "memory_bytes": self.limits.memory_bytes,
            "written_bytes": self.limits.written_bytes,
        }
        return (sys.executable, "-I", "-S", str(_ENCLOSED), json.dumps(asked))


class Worker:
    """One worker process. It does nothing until `run`; its events are read with `events` when `descriptor` is readable."""

    def __init__(
        self,
        name: str,
        launch: Launch,
        preload: tuple[str, ...],
        log: Path,
        enclosure: Enclosure | None = None,
    ) -> None:
        self.name = name
        self.alone = enclosure is not None  # with one job, to which it is confined as a whole
        before = () if enclosure is None else enclosure.command()
        command = (*before, *_command(launch, preload))
        self.ready = False
        self.confined = NOT_CONFINED  # what the worker said of it, in words
        self._text = b""
        self._log = log
        scratch = str(log.parent)  # a job has a folder of its own for both
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
        """Ask for the job in `folder`, which may reach no more than `access`; the answer comes as an `ended` event with this number.

        `modules` are those of the toolkit's that the job will import, as far as they are known.
        """
        command = {
            "do": "run",
            "id": number,
            "folder": str(folder),
            "timeout_s": limits.timeout_s,
            "memory_bytes": limits.memory_bytes,
            "written_bytes": limits.written_bytes,
            "access": access.to_json(),
            "modules": list(modules),
        }
        with contextlib.suppress(BrokenPipeError):  # a dead worker is noticed where its events are read
            self._commands.write(json.dumps(command).encode() + b"\n")
            self._commands.flush()

    def cancel(self, number: int) -> None:
        """Have a job killed; its `ended` event still comes."""
        with contextlib.suppress(BrokenPipeError):
            self._commands.write(json.dumps({"do": "cancel", "id": number}).encode() + b"\n")
            self._commands.flush()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the events that have arrived; raise WorkerCrashed when the process is gone, WorkerLied for what is no event."""
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
        """Return the error for something that the worker said and that makes no sense."""
        return WorkerLied(f"{self.name}: sent {said[:60]!r}, which is no event", self.last_words())

    def _death(self) -> EdgeToolkitError:
        status, words = self._process.wait(), self.last_words()
        if not self.ready and _NO_LIBRARY in (words or ""):
            words = printable.lines([*filter(None, [words]), f"        {_WITHHELD}"])
        return WorkerCrashed(f"{self.name}: the worker {ending(status)}", words)

    def last_words(self) -> Text | None:
        """Return the last lines that the worker itself printed, outside of any job."""
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
    """Return the command that is a worker for this process, whatever it starts, and wherever."""
    worker = launch.command
    if launch.script is not None:
        worker += (launch.script, *(argument for module in preload for argument in ("--preload", module)))
        if launch.transport is None:  # else what is private there is not this home folder
            worker += ("--private", str(Path.home()))
        if MOUNT in launch.variables:
            worker += ("--mount", launch.variables[MOUNT])
    return worker if launch.transport is None else launch.transport.carrier(worker)


def _event(line: bytes) -> dict[str, Any] | None:
    """Return the event that a line is, with all its fields and each of its type; None if it is none."""
    try:
        event: dict[str, Any] = parse_json(line, "event")
        fields = _FIELDS[event["event"]]
        whole = all(type(event[name]) in types for name, types in fields.items())
    except (DamagedFile, TypeError, KeyError):
        return None
    return event if whole else None


def read_response(
    who: str, limits: Limits, folder: Path, event: Mapping[str, Any]
) -> tuple[dict[str, Any], float, Files]:
    """Return a job's (result, seconds, files); the error that names what happened, for every other ending than a whole and honest answer.

    The files are the size and the SHA-256 of each in `folder`/out, which are those that the response names.
    """
    words = last_lines(folder / "log")
    _require_well_ended(who, limits, folder, event)
    if not (folder / "response").is_file():  # a pipe is none
        raise WorkerCrashed(f"{who}: ended without a response", words)
    try:
        with safe_open(folder / "response", framework="np") as file:
            said = file.metadata()
        request, status, seconds = said["request"], said["status"], float(said["seconds"])
        require_plain(folder / "request")  # where the job may have put anything
        asked = sha256(folder / "request")
        result = parse_json(said["result"], "result", finite=False)
        files = parse_json(said["files"], "files")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, DamagedFile) as error:
        raise WorkerLied(f"{who}: its response cannot be read ({error})", words) from error
    if request != asked:
        raise WorkerLied(f"{who}: its response answers another request", words)
    if not (isinstance(result, dict) and isinstance(files, dict)):
        kinds = f"{type(result).__name__} and {type(files).__name__}"
        raise WorkerLied(f"{who}: its result and files are {kinds}, not JSON objects", words)
    if not 0 <= seconds < math.inf:
        raise WorkerLied(f"{who}: says that it took {seconds} s", words)
    if status != "ok":
        raise _answered(who, result, limits)
    return result, seconds, _checked_files(who, folder / "out", files)


def _require_well_ended(who: str, limits: Limits, folder: Path, event: Mapping[str, Any]) -> None:
    """Raise the error for a process that was killed for a limit, or that ended without being done."""
    words, told = last_lines(folder / "log"), f"{who}: {ending(event['status'])}"
    if event["killed_for"] == "timeout":
        raise no_answer(who, limits, folder)
    if event["killed_for"] == "memory":
        used, limit = event["peak_bytes"] / 1e6, limits.memory_bytes / 1e6
        problem = f"{who}: used {used:.0f} MB, more than its limit of {limit:.0f} MB"
        raise WorkerOutOfMemory(problem, _advised(_MORE_MEMORY, words))
    if event["killed_for"] == "written" or event["status"] == -signal.SIGXFSZ:
        raise WorkerWroteTooMuch(f"{who}: wrote more than its limit of {limits.written_bytes / 1e6:.0f} MB", words)
    if event["killed_for"] == "processes":
        raise LimitReached(f"{who}: started more than {MOST_PROCESSES} processes", words)
    if event["status"] != 0 and _NO_MEMORY.search(_tail(folder / "log")):
        raise WorkerOutOfMemory(_ran_out(told, limits), _advised(_MORE_MEMORY, words))
    if event["status"] != 0:
        raise WorkerCrashed(told, words)


def no_answer(who: str, limits: Limits, folder: Path, words: Text | None = None) -> WorkerTimeout:
    """Return the error of a job that its time was over for: how far it had come, and what allows it more."""
    done = read_progress(folder)
    far = "" if done is None else f"; it had done {done[0]} of {done[1]}"
    advice = f"--timeout S allows each job more than {limits.timeout_s:g} seconds"
    return WorkerTimeout(
        f"{who}: no answer in {limits.timeout_s:g} s{far}", _advised(advice, words or last_lines(folder / "log"))
    )


def _answered(who: str, result: Mapping[str, Any], limits: Limits) -> EdgeToolkitError:
    """Return the error that a worker answered with; one for want of memory says what the limit is."""
    hint = result.get("hint")
    error = revive(who, str(result.get("kind")), str(result.get("problem")), None if hint is None else str(hint))
    if isinstance(error, WorkerOutOfMemory):
        return WorkerOutOfMemory(_ran_out(error.problem, limits), _advised(_MORE_MEMORY, error.hint))
    return error


def _ran_out(problem: str, limits: Limits) -> str:
    return f"{problem.rstrip(': ')}; it asked for more memory than it was given; its limit is {limits.memory_bytes / 1e6:.0f} MB"


def _advised(advice: str, words: Text | None) -> Text:
    return printable.lines([advice, *([printable.together("        ", words)] if words else [])])


def _checked_files(who: str, out: Path, said: Mapping[str, Any]) -> Files:
    try:
        found = _found_files(who, out)
    except OSError as error:  # folders in folders, deeper than a path can say; one that nobody may list
        raise WorkerLied(f"{who}: what it wrote cannot be looked through ({error})") from error
    if set(found) != set(said):
        missing, unexpected = sorted(set(said) - set(found)), sorted(set(found) - set(said))
        raise WorkerLied(f"{who}: files do not match its response; missing {missing}, unexpected {unexpected}")
    for name, path in found.items():
        try:
            held = [path.stat().st_size, sha256(path)]
        except OSError as error:
            raise WorkerLied(f"{who}: {name} cannot be read ({error})") from error
        if held != said[name]:
            raise WorkerLied(f"{who}: {name} is not what its response says")
    return {name: (size, digest) for name, (size, digest) in said.items()}


def _found_files(who: str, out: Path) -> dict[str, Path]:
    """Return the files of `out` by their names in it; OSError for a folder that cannot be listed, which a glob would pass over."""
    found, waiting = dict[str, Path](), [str(out)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(out).as_posix()
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    found[name] = Path(entry.path)
                else:  # the content of a link may be another each time it is read
                    raise WorkerLied(f"{who}: {name} is neither a file nor a folder")
    return found


def ending(status: int) -> str:
    """Return `killed by SIGSEGV` or `exited with status 3` for an exit status as `subprocess` gives it."""
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return f"was killed by {name}" + (
            " (by the system for want of memory, or by hand)" if name == "SIGKILL" else ""
        )
    return f"exited with status {status}"


def last_lines(log: Path) -> Text | None:
    """Return the end of a log, for a hint, or None if there is nothing in it."""
    lines = [line.rstrip() for line in _tail(log).splitlines()]
    lines = _without_tracebacks(line for line in lines if line and not line.startswith("Extension modules:"))
    fatal = [number for number, line in enumerate(lines) if line.startswith("Fatal Python error:")]
    # faulthandler says the innermost call first: that is the line which called the engine.
    chosen = lines[fatal[-1] :][:_LAST_WORDS] if fatal else lines[-_LAST_WORDS:]
    return printable.lines(chosen[:1] + [f"        {line}" for line in chosen[1:]]) if chosen else None


def _without_tracebacks(lines: Iterable[str]) -> list[str]:
    """Return the lines without Python's own way to an exception, which stays in the log; the exception itself is told."""
    kept: list[str] = []
    inside = False
    for line in lines:
        inside = line.startswith("Traceback (most recent call last):") or (inside and line.startswith(" "))
        if not inside:
            kept.append(line)
    return kept


def _tail(log: Path) -> str:
    """Return the last bytes of a log as text, nothing where there is no log."""
    try:
        with open_plain(log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode(errors="replace")
    except (OSError, DamagedFile):
        return ""
