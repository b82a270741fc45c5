"""Finished jobs, kept by the hash of their content; what is not finished is never taken for it.

    objects/ab/abcdef.../   a finished job: manifest.json, request, response, log, out/
    work/abcdef.../         a job being done; the folder itself carries the lock (flock), so a killed process leaves no lock behind
    failed/abcdef.../       a job that failed, for a person to read and to run again by hand

Two processes share a store safely: one does a job, the other waits for it; a folder that nobody holds any more is taken over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import StoreFailed
from toolkit.files.whole import storage_failed, sync
from toolkit.worker.request import sha256, write_whole

_KEEP_FAILED = 20
_PROBE_BYTES = 1 << 18
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished job: its folder, its result, the digest of all that it gave, and the seconds that it took when it ran."""

    key: str
    folder: Path
    result: dict[str, Any]
    digest: str
    seconds: float
    about: dict[str, Any]

    @property
    def out(self) -> Path:
        """The folder with the files that the job wrote; never to be written to."""
        return self.folder / "out"


Files = Mapping[str, tuple[int, str]]
"""The size in bytes and the SHA-256 of each file that a job gave, by its path under `out`."""


class Claim:
    """The right to do one job: `folder` is empty and ours until `seal`, `fail` or `drop`."""

    def __init__(self, store: Store, key: str, descriptor: int) -> None:
        self.key = key
        self.folder = store.root / "work" / key
        self._store = store
        self._descriptor: int | None = descriptor
        store.claims.add(self)

    def seal(self, result: dict[str, Any], seconds: float, about: dict[str, Any], files: Files) -> Entry:
        """Make the folder a finished job, all of it on the disk first. `files` are those in `out`, as they were read a moment ago.

        StoreFailed where a file is gone by now or of another size; every later process reads them all again.
        """
        with said_plainly(self._store.root):
            for leftover in (self.folder / "tmp", self.folder / "progress"):
                _remove(leftover)
            for path in sorted((self.folder / "out").rglob("*")):
                sync(path)
            held = {f"out/{name}": [size, known] for name, (size, known) in sorted(files.items())}
            manifest = {"key": self.key, "result": result, "files": held, "seconds": seconds, "about": about}
            manifest["digest"] = digest(result, held)
            write_whole(self.folder / "manifest.json", json.dumps(manifest, sort_keys=True, indent=1).encode())
            place = self._store.place(self.key)
            place.parent.mkdir(parents=True, exist_ok=True)
            _remove(place)
            os.rename(self.folder, place)
            sync(place.parent)
        self._release()
        entry = self._store.get(self.key, reading=False)
        if entry is None:
            raise StoreFailed(f"{place}: changed while it was being written")
        return entry

    def full(self) -> OSError | None:
        """Return the error that the system gives for want of space where the job writes, or None while there is some left.

        A full disk reads as anything in what an engine says: a damaged file, a failed write, an exit status.
        """
        if self._descriptor is None:
            return None
        try:
            with open(self.folder / "probe", "wb") as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return error if error.errno in _FULL else None
        finally:
            _remove(self.folder / "probe")
        return None

    def fail(self) -> Path | None:
        """Keep the folder where a person can look at it, and return where; None where even that cannot be done.

        Nothing happens if it was sealed: what has its name now may be another process's.
        """
        if self._descriptor is None:
            return None
        place = self._store.root / "failed" / self.key
        try:
            place.parent.mkdir(exist_ok=True)
            _remove(place)
            os.rename(self.folder, place)
            for old in sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEEP_FAILED]:
                _remove(old)
        except OSError:
            _remove(self.folder)
            return None
        finally:
            self._release()
        return place

    def drop(self) -> None:
        """Give the job back undone; nothing happens if it was sealed, failed or dropped before."""
        if self._descriptor is not None:
            _remove(self.folder)
            self._release()

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        self._store.claims.discard(self)
        if descriptor is not None:
            os.close(descriptor)


class Store:
    """has, get, claim: everything else is the folder's business. `root` is made if it is not there; `claims` are those of this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.claims: set[Claim] = set()
        with said_plainly(root):
            (root / "objects").mkdir(parents=True, exist_ok=True)
            (root / "work").mkdir(exist_ok=True)
            self._sweep()

    def place(self, key: str) -> Path:
        """Return the folder of a finished job, there or not."""
        return self.root / "objects" / key[:2] / key

    def get(self, key: str, *, reading: bool = True) -> Entry | None:
        """Return the finished job if it is there and every byte of it is what was written; a damaged one is removed.

        Without `reading` only the sizes of its files are looked at.
        """
        place = self.place(key)
        try:
            manifest = json.loads(_settled(place / "manifest.json"))
            whole = manifest["key"] == key and manifest["digest"] == digest(manifest["result"], manifest["files"])
            for name, (size, known) in manifest["files"].items():
                path = place / name
                whole = whole and path.stat().st_size == size and (not reading or sha256(path) == known)
        except FileNotFoundError:
            whole = False
            if not place.exists():
                return None
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            _remove(place)
            return None
        with contextlib.suppress(OSError):
            os.utime(place / "manifest.json")
        return Entry(key, place, manifest["result"], manifest["digest"], manifest["seconds"], manifest["about"])

    def claim(self, key: str) -> Claim | None:
        """Return the right to do a job, in an empty folder; None while another process has it."""
        folder = self.root / "work" / key
        with said_plainly(self.root):
            descriptor = _lock(folder, create=True)
            if descriptor is None:
                return None
            for leftover in folder.iterdir():
                _remove(leftover)
        return Claim(self, key, descriptor)

    def entries(self) -> Iterator[tuple[Path, int, float]]:
        """Yield (folder, size_bytes, last used as a time stamp) of every finished job."""
        for manifest in (self.root / "objects").glob("*/*/manifest.json"):
            with contextlib.suppress(OSError):
                size = sum(path.stat().st_size for path in manifest.parent.rglob("*") if path.is_file())
                yield manifest.parent, size, manifest.stat().st_mtime

    def prune(self, unused_for_s: float = 0.0) -> tuple[int, int]:
        """Remove the finished jobs not used for so many seconds, and all failed ones; return (how many, bytes)."""
        count = freed = 0
        for folder, size, used in list(self.entries()):
            if time.time() - used >= unused_for_s:
                _remove(folder)
                with contextlib.suppress(OSError):  # the folder above holds others too
                    folder.parent.rmdir()
                count, freed = count + 1, freed + size
        _remove(self.root / "failed")
        return count, freed

    def _sweep(self) -> None:
        for folder in (self.root / "work").iterdir():
            descriptor = _lock(folder, create=False)
            if descriptor is not None:
                _remove(folder)
                os.close(descriptor)


def digest(result: dict[str, Any], files: dict[str, Any]) -> str:
    """Return the SHA-256 over a job's result and the hashes of its files: what those who read it depend on."""
    return hashlib.sha256(json.dumps([result, files], sort_keys=True).encode()).hexdigest()


def _lock(folder: Path, *, create: bool) -> int | None:
    """Return a descriptor that holds the folder's lock, or None if it is held elsewhere or the folder is not there."""
    while True:
        try:
            if create:
                folder.mkdir(exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            if create:
                continue
            return None
        except NotADirectoryError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == folder.stat().st_ino:  # else it was finished and moved meanwhile
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        os.close(descriptor)
        if not create:
            return None


def _settled(path: Path) -> bytes:
    """Return a file's content; one that is not there is looked for once more where its folder is: it came, whole, between the two looks."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if not path.parent.exists():
            raise
        return path.read_bytes()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def said_plainly(root: Path) -> Iterator[None]:
    """Turn the system's refusal to write under `root` into `StoreFailed`."""
    try:
        yield
    except OSError as error:
        raise storage_failed(root, error) from error
