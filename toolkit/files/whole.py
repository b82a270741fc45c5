"""Files and folders that are written whole or not at all, and that replace only what their writer lets them replace.

A new file is written in a folder beside its place, on the same file system, and then takes the place in one system call (renameat2):

    .NAME.xxxxxxxx.partial/    lock    held (flock) as long as the writing process lives
                               made    what is being written, a file or a folder
                               swaps   made just before the exchange: from then on `made` may be what was in the place before
                               old     what was in the place before, where the system cannot exchange two names in one step

A kill leaves the old or the new file in the place, and that folder beside it. The next writer removes the folder if nobody holds its lock; neither
its name nor a process number is enough. After an exchange, a file in the folder is removed only where its content may be replaced.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from toolkit.errors import RequestError, StoreFailed
from toolkit.files.places import make_folders
from toolkit.files.renaming import exchange, exchange_back, rename_new

Refusal = Callable[[Path], "str | None"]
"""Returns why what lies at a path must not be replaced, "is ...", or None where it may be; None too where nothing lies there."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TRIES = 16  # how often a place is tried again that others change meanwhile
_LONGEST_NAME = 200  # bytes of a place's name in the name of the folder beside it; file systems allow 255
_LOCK, _MADE, _SWAPS, _OLD = "lock", "made", "swaps", "old"
_MARK = b"edge-toolkit writes beside this folder\n"
_WAITS_S = 60.0  # for another process that writes to the same folder: copying a bundle takes it a second


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_failed(path: Path, error: OSError) -> StoreFailed:
    """Return the error that says what keeps `path` from being written, and what to do."""
    if error.errno in _FULL:
        return StoreFailed(
            f"{path}: no space left", "free some space, `edge-toolkit cache prune`, or set EDGE_TOOLKIT_HOME"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreFailed(f"{path}: may not be written ({error.strerror})", "choose a folder that you may write to")
    return StoreFailed(f"{path}: {error.strerror or error}")


@contextlib.contextmanager
def whole_file(place: Path, refusal: Refusal) -> Iterator[Path]:
    """Give a path to write a file to, which takes its place if there was no error.

    Raises RequestError where what lies in the place may not be replaced, also where it came meanwhile; StoreFailed where the disk refuses.
    """
    with _beside(place, refusal) as aside:
        yield aside.made
        sync(aside.made)
        aside.put()


@contextlib.contextmanager
def whole_folder(place: Path, refusal: Refusal) -> Iterator[Path]:
    """Give an empty folder, which takes its place as a whole if there was no error; raises as `whole_file`."""
    with _beside(place, refusal) as aside:
        aside.made.mkdir()
        yield aside.made
        for path in aside.made.rglob("*"):
            sync(path)
        sync(aside.made)
        aside.put()


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep the folder to this process: others that ask the same wait, a minute at most. On file systems without locks nobody waits."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # a user may be allowed to write there and not to list it
        yield
        return
    try:
        ends = time.monotonic() + _WAITS_S
        while _held_by_another(descriptor) and time.monotonic() < ends:
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def remove_leftovers(place: Path, refusal: Refusal) -> None:
    """Remove what killed processes left beside a place. What a living process writes there stays, and so does anything else.

    Where a process was killed between the two steps of an exchange, the old file is put back.
    """
    is_one = re.compile(rf"\.{re.escape(_short(place.name))}\.[0-9a-f]{{8}}\.partial")
    found: list[str] = []
    with contextlib.suppress(FileNotFoundError, PermissionError), os.scandir(place.parent) as entries:
        found = [
            entry.path for entry in entries if is_one.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
    for path in found:
        _remove_if_left(Path(path), place, refusal)


class _Aside:
    """The folder beside a place, held by this process."""

    def __init__(self, place: Path, refusal: Refusal) -> None:
        self._place, self._refusal = place, refusal
        self.folder, self._lock = _made_beside(place)
        self.made = self.folder / _MADE

    def put(self) -> None:
        """Put what was made into its place; RequestError where what lies there may not be replaced."""
        for _ in range(_TRIES):
            if rename_new(self.made, self._place) or self._replaced():
                with contextlib.suppress(PermissionError):  # a folder may be writable and not readable
                    sync(self._place.parent)
                return
        raise RequestError(f"{self._place}: is changed by somebody else again and again; choose another place")

    def _replaced(self) -> bool:
        """Exchange what was made and what lies there, and check what came out; return False where nothing lies there any more."""
        swaps = self.folder / _SWAPS
        try:
            before = _identity(self._place)
            self._refuse(self._place)
            swaps.touch()
            sync(self.folder)
            gone = exchange(self.made, self._place, self.folder / _OLD)
        except FileNotFoundError:
            return False
        if _identity(gone) != before:
            try:  # somebody else changed the place meanwhile: check again, now that nobody finds it by its name
                self._refuse(gone)
            except RequestError:
                exchange_back(gone, self._place, self.made)
                raise  # `swaps` stays: a third process may have come before this step back, so the content is checked before it is removed
        swaps.unlink()
        return True

    def _refuse(self, path: Path) -> None:
        problem = self._refusal(path)
        if problem is not None:
            raise RequestError(f"{self._place}: {problem}")

    def close(self) -> None:
        """Remove the folder, with a file that was not put into its place, or that was replaced."""
        _empty(self.folder, self._place, self._refusal)
        os.close(self._lock)


@contextlib.contextmanager
def _beside(place: Path, refusal: Refusal) -> Iterator[_Aside]:
    try:
        make_folders(place.parent)
        remove_leftovers(place, refusal)
        aside = _Aside(place, refusal)
        try:
            yield aside
        finally:
            aside.close()
    except OSError as error:
        raise storage_failed(place, error) from error


def _made_beside(place: Path) -> tuple[Path, int]:
    """Return a new folder beside the place, and its lock, held. Until it is held another process may remove the folder: then it is made again."""
    for _ in range(_TRIES):
        folder = place.with_name(f".{_short(place.name)}.{secrets.token_hex(4)}.partial")
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.mkdir(folder)
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            os.write(lock, _MARK)
            if not _held_by_another(lock) and _is_still(folder / _LOCK, lock):
                return folder, lock
            os.close(lock)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(place))


def _short(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:_LONGEST_NAME])


def _held_by_another(descriptor: int) -> bool:
    """Lock an open file or folder, and return whether another process holds the lock; False on file systems without locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_if_left(folder: Path, place: Path, refusal: Refusal) -> None:
    """Remove a folder of this module's whose process has ended. A folder without a lock file was just made, or just left: it goes if it is empty."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        return
    except OSError:  # a link, a folder, another user's file: not ours
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISREG(os.fstat(lock).st_mode) and os.read(lock, len(_MARK) + 1) in (_MARK, b""):
            _empty(folder, place, refusal)
    except OSError:  # its process lives, or it cannot be known
        return
    finally:
        os.close(lock)


def _empty(folder: Path, place: Path, refusal: Refusal) -> None:
    """Remove a folder of this module's, whose lock is held, as far as its content may be removed."""
    if not {path.name for path in folder.iterdir()} <= {_LOCK, _MADE, _SWAPS, _OLD}:
        return
    old, made = folder / _OLD, folder / _MADE
    if os.path.lexists(old) and not os.path.lexists(place):
        rename_new(old, place)
    swapped = os.path.lexists(folder / _SWAPS)
    for path in (old, made):
        if os.path.lexists(path) and not (swapped and refusal(path) is not None):
            _remove(path)
    if not (os.path.lexists(old) or os.path.lexists(made)):
        shutil.rmtree(folder, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _identity(path: Path) -> list[tuple[str, int, int, int, int]]:
    """Return what changes with any change in a file or folder but that of its own name; from its status alone, nothing is read."""
    paths = [path, *sorted(path.rglob("*"))] if path.is_dir() and not path.is_symlink() else [path]
    seen = [(str(each.relative_to(path)), os.lstat(each)) for each in paths]
    return [(name, held.st_dev, held.st_ino, held.st_size, held.st_mtime_ns) for name, held in seen]
