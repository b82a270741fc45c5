"""Folders that are made once, whole or not at all, by one process at a time.

A folder is built under the name `<folder>.partial`, gets the file `made.json`, and takes its own name when it is finished. The builder holds a lock
on a file in the partial folder, and so do the programs that it runs: the kernel releases it when the last of them ends, however that happens. The
next builder removes what it finds and starts over. No lock outlives the folder that it guards.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from toolkit import printable
from toolkit.errors import DamagedFile, EnvironmentUnavailable
from toolkit.files.foreign import read_json
from toolkit.files.private import make_private, require_unshared
from toolkit.files.shapes import Each
from toolkit.settings.environment_variables import by_installers

MARKER = "made.json"
_SHAPE = {
    "versions": Each(str),
    **dict.fromkeys(("python", "platform", "lock_sha256"), str),
    "packages": [{"package": str, "sha256": str}],
}

_LOCK = "making.lock"  # a file, because network file systems lock no folders
_DISCARDED = ".discarded."
_ELSEWHERE = "free some, or set EDGE_TOOLKIT_HOME to a folder on another disk"
_TAIL_LINES = 8
_TIMEOUT_S = (
    3600  # the longest step downloads 600 MB; a program that takes longer hangs, as apt-get does on a full disk
)
_FIRST_WORDS_OF_ERROR = ("error", "E: ", "dpkg-deb: error", "Traceback")
_WORTH_SAYING = ("Downloading", "Bytecode compiled")  # of uv's lines: the long steps, with sizes
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded|os error 28\b", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"error sending request|dns error|failed to lookup address|Could not (?:resolve|connect)|Temporary failure resolving"
    r"|Connection (?:refused|timed out|failed)|Network is unreachable|client error \(Connect\)|tunnel error|operation timed out",
    re.IGNORECASE,
)


class PackageFile(TypedDict):
    """A package of the system that was unpacked into a folder; `sha256` is that of its file."""

    package: str
    version: str
    architecture: str
    sha256: str


class Marker(TypedDict, total=False):
    """What a finished folder says of itself: `versions` are of the distributions in it; each kind of folder has its own of these."""

    versions: dict[str, str]
    python: str
    platform: str
    lock_sha256: str
    release: str
    packages: list[PackageFile]
    cpu: str
    root: str


@dataclass(frozen=True, slots=True)
class Making:
    """The making of one folder: `what` it is called in messages, the partial `folder`, and the `lock` that its programs share."""

    what: str
    folder: Path
    lock: int
    say: Callable[[str], None]

    def run(
        self,
        command: Sequence[str | Path],
        *,
        variables: Mapping[str, str | None] | None = None,
        folder: Path | None = None,
    ) -> list[str]:
        """Run a program, by default in the partial folder, and return the lines it printed.

        `variables` are set over those of `toolkit.settings.environment_variables.by_installers`; None takes one away.
        Raises `EnvironmentUnavailable` with its last lines where it fails.
        """
        given = {**by_installers(), "LC_ALL": "C.UTF-8", **(variables or {})}
        environment = {name: value for name, value in given.items() if value is not None}
        lines: deque[str] = deque(maxlen=10_000)
        with self._start(command, environment, folder or self.folder) as process:
            watch = threading.Timer(_TIMEOUT_S, process.kill)
            watch.start()
            try:
                for line in process.stdout or ():
                    lines.append(line.rstrip())
                    if line.lstrip().startswith(_WORTH_SAYING):
                        self.say(f"{self.what}: {line.strip()}")
            except BaseException:
                process.kill()
                raise
            finally:
                watch.cancel()
        if process.returncode != 0:
            raise self._failed(Path(str(command[0])).name, process.returncode, list(lines))
        return list(lines)

    def _start(
        self, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path
    ) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=(self.lock,),
            )
        except OSError as error:
            raise EnvironmentUnavailable(f"{self.what}: {command[0]} cannot be started: {error.strerror}") from error

    def _failed(self, program: str, status: int, lines: list[str]) -> EnvironmentUnavailable:
        text = "\n".join(lines)
        first = next((at for at, line in enumerate(lines) if line.startswith(_FIRST_WORDS_OF_ERROR)), 0)
        tail = printable.lines([line for line in lines[first:] if line][-_TAIL_LINES:]) or f"{program} printed nothing"
        if _NO_SPACE.search(text):
            return EnvironmentUnavailable(f"{self.what}: no space left on the disk, for {self.folder.parent}", tail)
        if _NO_NETWORK.search(text):
            return EnvironmentUnavailable(f"{self.what}: {program} could not reach the network", tail)
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        return EnvironmentUnavailable(f"{self.what}: {program} failed ({how})", tail)


def read_marker(folder: Path, needs: Sequence[str] = ()) -> Marker | None:
    """Return what the finished folder says of itself; None if it is not finished, or lacks a key of `needs`.

    StoreFailed where somebody else may have put programs there: the folder is another user's, or others may write to it or to the one around it.
    """
    try:
        facts: Marker = read_json(folder / MARKER, {name: _SHAPE[name] for name in needs} or dict)
    except (OSError, DamagedFile):
        return None
    for place in (folder.parent, folder):
        require_unshared(place)
    return facts


def make_once(
    folder: Path,
    build: Callable[[Making], Marker],
    *,
    what: str,
    say: Callable[[str], None],
    usable: Callable[[Path], bool] = lambda folder: True,
    needs_bytes: int = 0,
) -> Marker:
    """Return what the marker of `folder` says, after `build` has filled it if that was not done yet.

    `build` gets the partial folder, empty, and returns the marker's content (JSON). A finished folder that is not `usable` is made again.
    Raises `EnvironmentUnavailable`, also for a full disk (before it starts, if fewer than `needs_bytes` are free) or a home that
    cannot be written.
    """
    while True:
        facts = read_marker(folder)
        if facts is not None and usable(folder):
            return facts
        with _plainly(what, folder.parent):
            make_private(folder.parent.parent)  # the user's cache folder
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            with _locked(folder.with_name(folder.name + ".partial"), what, say) as making:
                if making is None:
                    continue  # another process finished, or gave up: look again
                facts = read_marker(folder)
                if facts is not None and usable(folder):
                    _discard(making.folder)
                    return facts
                for discarded in folder.parent.glob(f"{folder.name}*{_DISCARDED}*"):
                    shutil.rmtree(discarded, ignore_errors=True)
                _clear(making.folder)
                try:
                    _need(needs_bytes, what, folder.parent)
                    return _finish(making, folder, build(making))
                except BaseException:
                    _discard(making.folder)
                    raise


@contextlib.contextmanager
def _locked(partial: Path, what: str, say: Callable[[str], None]) -> Iterator[Making | None]:
    with contextlib.suppress(FileExistsError):
        os.mkdir(partial)  # Path.mkdir looks twice at an existing folder, and fails if it is gone by then
    try:
        lock = os.open(partial / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:  # finished or given up between the two lines above
        yield None
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{what}: waiting for another process that installs it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Making(what, partial, lock, say) if _is_still(partial, lock) else None
    finally:
        os.close(lock)


def _is_still(partial: Path, lock: int) -> bool:
    """Return whether the folder with this lock still has this name; after a wait it may be renamed or removed."""
    try:
        return os.path.samestat(os.stat(partial / _LOCK), os.fstat(lock))
    except FileNotFoundError:
        return False


def _need(needs_bytes: int, what: str, home: Path) -> None:
    free_bytes = shutil.disk_usage(home).free
    if free_bytes < needs_bytes:
        raise EnvironmentUnavailable(
            f"{what}: needs {needs_bytes // 10**6} MB while it is made; the disk of {home} has {free_bytes // 10**6} MB left",
            _ELSEWHERE,
        )


def _clear(partial: Path) -> None:
    for entry in list(partial.iterdir()):
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _discard(folder: Path) -> None:
    """Rename a folder and remove it: another process may already make the next one in its place. After a kill, the next process removes the rest."""
    aside = folder.with_name(f"{folder.name}{_DISCARDED}{os.getpid()}.{time.monotonic_ns()}")
    os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def _finish(making: Making, folder: Path, facts: Marker) -> Marker:
    _sync(making.lock)  # what was built, before the marker that vouches for it
    with open(making.folder / MARKER, "w") as file:
        json.dump(facts, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    if os.path.lexists(folder):  # finished once, no longer usable
        if not folder.is_symlink() and not (folder / MARKER).exists() and any(folder.iterdir()):
            problem = f"{making.what}: {folder} holds files, and this program did not make it"
            raise EnvironmentUnavailable(problem, "move it away, or set EDGE_TOOLKIT_HOME to another folder")
        _discard(folder)
    os.rename(making.folder, folder)
    (folder / _LOCK).unlink()  # after the renaming: whoever opens it before waits for this process
    parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
    return facts


def _sync(descriptor: int) -> None:
    """Bring the file system of an open folder to the disk: one call instead of an fsync for each of ten thousand files."""
    syncfs = getattr(ctypes.CDLL(None), "syncfs", None)
    if syncfs is not None:
        syncfs(descriptor)


@contextlib.contextmanager
def _plainly(what: str, home: Path) -> Iterator[None]:
    """Raise an error of the disk as EnvironmentUnavailable, in one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EnvironmentUnavailable(f"{what}: no space left on the disk of {home}", _ELSEWHERE) from error
        raise EnvironmentUnavailable(
            f"{what}: cannot write to {home}: {error.strerror or error}",
            "set EDGE_TOOLKIT_HOME to a writable folder",
        ) from error
