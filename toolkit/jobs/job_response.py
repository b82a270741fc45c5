"""Reads what a job answered, with distrust: its result and its files, or the error that says how it ended."""

from __future__ import annotations

import math
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from toolkit import printable
from toolkit.confinement.resources import MOST_PROCESSES
from toolkit.errors import (
    DamagedFile,
    EdgeToolkitError,
    LimitReached,
    WorkerCrashed,
    WorkerLied,
    WorkerOutOfMemory,
    WorkerTimeout,
    WorkerWroteTooMuch,
    revive,
)
from toolkit.files.foreign import parse_json, require_plain
from toolkit.jobs.last_words import ending, last_lines, tail
from toolkit.jobs.store_manifest import Files
from toolkit.printable import Text
from toolkit.settings import Limits
from toolkit.wire.request import read_progress, sha256
from toolkit.wire.worker_protocol import EndedEvent

_MORE_MEMORY = "--memory GB allows each job more"
# What the C++ library, the C library and the engines print before they end a process that got no memory.
_NO_MEMORY = re.compile(r"std::bad_alloc|Cannot allocate memory|OOM when allocating|[Oo]ut of memory|MemoryError")


def read_response(who: str, limits: Limits, folder: Path, event: EndedEvent) -> tuple[dict[str, Any], float, Files]:
    """Return a job's (result, seconds, files); raise the error that names what happened where it gave no whole and honest answer.

    `files` has the size and the SHA-256 of each file in `folder`/out; they are exactly those that the response names.
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


def _require_well_ended(who: str, limits: Limits, folder: Path, event: EndedEvent) -> None:
    """Raise the error of a process that was killed for a limit, or that ended by a signal or with another status than 0."""
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
    if event["status"] != 0 and _NO_MEMORY.search(tail(folder / "log")):
        raise WorkerOutOfMemory(_ran_out(told, limits), _advised(_MORE_MEMORY, words))
    if event["status"] != 0:
        raise WorkerCrashed(told, words)


def no_answer(who: str, limits: Limits, folder: Path, words: Text | None = None) -> WorkerTimeout:
    """Return the error of a job whose time was over: how far it had come, and which option gives it more time."""
    done = read_progress(folder)
    far = "" if done is None else f"; it had done {done[0]} of {done[1]}"
    advice = f"--timeout S allows each job more than {limits.timeout_s:g} seconds"
    return WorkerTimeout(
        f"{who}: no answer in {limits.timeout_s:g} s{far}", _advised(advice, words or last_lines(folder / "log"))
    )


def _answered(who: str, result: Mapping[str, Any], limits: Limits) -> EdgeToolkitError:
    """Return the error that a worker answered with; where memory ran out, it names the limit."""
    hint = result.get("hint")
    error = revive(who, str(result.get("kind")), str(result.get("problem")), None if hint is None else str(hint))
    if isinstance(error, WorkerOutOfMemory):
        return WorkerOutOfMemory(_ran_out(error.problem, limits), _advised(_MORE_MEMORY, error.hint))
    return error


def _ran_out(problem: str, limits: Limits) -> str:
    return f"{problem.rstrip(': ')}; it asked for more memory than it was given; its limit is {limits.memory_bytes / 1e6:.0f} MB"


def _advised(advice: str, words: Text | None) -> Text:
    return printable.lines([advice, *([printable.together("        ", words)] if words else [])])


def _checked_files(who: str, out: Path, said: Mapping[str, object]) -> Files:
    try:
        found = _found_files(who, out)
    except OSError as error:  # folders nested deeper than a path can say, or a folder that nobody may list
        raise WorkerLied(f"{who}: what it wrote cannot be looked through ({error})") from error
    if set(found) != set(said):
        missing, unexpected = sorted(set(said) - set(found)), sorted(set(found) - set(said))
        raise WorkerLied(f"{who}: files do not match its response; missing {missing}, unexpected {unexpected}")
    files: dict[str, tuple[int, str]] = {}
    for name, path in found.items():
        try:
            size, digest = path.stat().st_size, sha256(path)
        except OSError as error:
            raise WorkerLied(f"{who}: {name} cannot be read ({error})") from error
        if said[name] != [size, digest]:
            raise WorkerLied(f"{who}: {name} is not what its response says")
        files[name] = (size, digest)
    return files


def _found_files(who: str, out: Path) -> dict[str, Path]:
    """Return the files of `out` by their names in it; OSError for a folder that cannot be listed (a glob would skip it)."""
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
