"""Finished jobs, kept by the hash of their content; an unfinished job is never taken for a finished one.

    objects/ab/abcdef.../   a finished job: manifest.json, request, response, log, out/
    work/abcdef.../         a job being done, with links to its inputs; the folder carries the lock itself (flock), which ends with its process
    failed/abcdef.../       a job that failed, for a person to read and to run again by hand
    running/                which processes use the store: see `toolkit.jobs.presence`
    size                    about how many bytes the finished and failed jobs take: see `toolkit.jobs.pruning`

All of it is for this user alone. An entry that differs from what was written, even in the kind of a file, is removed and made again. No link in it is
followed, and only plain files are opened.

Two processes share a store safely: one does a job, the other waits for it. A folder whose lock nobody holds any more is taken over.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import DamagedFile, StoreFailed
from toolkit.files.private import make_private
from toolkit.files.removal import tree_bytes
from toolkit.files.whole import storage_failed, sync
from toolkit.jobs.presence import Presence
from toolkit.jobs.store_folders import is_folder, lock_folder, make_folder, remove, require_no_link
from toolkit.jobs.store_manifest import Files, Manifest, digest, read_manifest, sealed, sizes
from toolkit.wire.request import INPUTS, sha256, write_whole

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
    about: Mapping[str, str | int]

    @property
    def out(self) -> Path:
        """The folder with the files that the job wrote; never to be written to."""
        return self.folder / "out"


class Claim:
    """The right to do one job: `folder` is empty and ours until `seal`, `fail` or `drop`."""

    def __init__(self, store: Store, key: str, descriptor: int) -> None:
        self.key = key
        self.folder = store.root / "work" / key
        self._store = store
        self._descriptor: int | None = descriptor
        store.claims.add(self)

    def seal(self, result: dict[str, Any], seconds: float, about: Mapping[str, str | int], files: Files) -> Entry:
        """Make the folder a finished job, after all of it is on the disk. `files` are those in `out`, as they were just read.

        StoreFailed where a file is gone or has another size by now. Their content is checked by each process that uses the job later.
        """
        with said_plainly(self._store.root):
            for leftover in ("tmp", "progress", INPUTS):
                remove(self.folder / leftover)
            for path in sorted((self.folder / "out").rglob("*")):
                sync(path)
            held = {f"out/{name}": (size, known) for name, (size, known) in sorted(files.items())}
            manifest: Manifest = {
                "key": self.key,
                "digest": digest(result, held),
                "result": result,
                "files": held,
                "seconds": seconds,
                "about": about,
            }
            write_whole(self.folder / "manifest.json", sealed(manifest))
            place = self._store.place(self.key)
            make_folder(place.parent)
            remove(place)
            os.rename(self.folder, place)
            sync(place.parent)
            self._store.added_bytes += tree_bytes(place)
        self._release()
        entry = self._store.get(self.key, reading=False)
        if entry is None:
            raise StoreFailed(f"{place}: changed while it was being written")
        return entry

    def full(self) -> OSError | None:
        """Return the system's error where the disk that the job writes to is full; None while there is space.

        An engine may report a full disk as anything: a damaged file, a failed write, an exit status.
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
            remove(self.folder / "probe")
        return None

    def fail(self) -> Path | None:
        """Keep the folder for a person to read, and return its place; None where that is not possible.

        Nothing happens if it was sealed: a folder with its name may be another process's by now.
        """
        if self._descriptor is None:
            return None
        place = self._store.root / "failed" / self.key
        try:
            make_folder(place.parent)
            remove(place)
            os.rename(self.folder, place)
            self._store.added_bytes += tree_bytes(place)
            for old in sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEEP_FAILED]:
                remove(old)
        except OSError:
            remove(self.folder)
            return None
        finally:
            self._release()
        return place

    def drop(self) -> None:
        """Give the job back undone; nothing happens if it was sealed, failed or dropped before."""
        if self._descriptor is not None:
            remove(self.folder)
            self._release()

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        self._store.claims.discard(self)
        if descriptor is not None:
            os.close(descriptor)


class Store:
    """The store in the folder `root`, which is made if it is not there; StoreFailed where others may write to it.

    `claims` are those that this process holds, and `added_bytes` is what it added.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.claims: set[Claim] = set()
        self.added_bytes = 0
        self.presence = Presence(root / "running")
        with said_plainly(root):
            make_private(root)
            for name in ("objects", "work", "running"):
                require_no_link(root / name)
                make_folder(root / name)
            require_no_link(root / "failed")
            self._sweep()

    def place(self, key: str) -> Path:
        """Return the folder of a finished job, there or not."""
        return self.root / "objects" / key[:2] / key

    def get(self, key: str, *, reading: bool = True) -> Entry | None:
        """Return a finished job, None where there is none. Each byte of it is what was written; a damaged entry is removed.

        Without `reading` only the sizes of its files are checked.
        """
        place = self.place(key)
        self._begin()
        try:
            return self._entry(place, key, reading=reading) if os.path.lexists(place) else None
        except (OSError, ValueError, TypeError, RecursionError, DamagedFile):
            pass
        remove(place if is_folder(place.parent) else place.parent)
        return None

    def _entry(self, place: Path, key: str, *, reading: bool) -> Entry:
        """Return a finished job; DamagedFile, OSError, ValueError or TypeError where it is not what was written."""
        where = str(place)
        if not (is_folder(os.path.dirname(where)) and is_folder(where)):
            raise DamagedFile(where, ["is no folder"])
        path = f"{where}/manifest.json"
        manifest = read_manifest(path)
        self.presence.touch(path)
        said = manifest["files"]
        found = {f"out/{name}": size for name, size in sizes(f"{where}/out")}
        if manifest["key"] != key or found != {name: size for name, (size, _) in said.items()}:
            raise DamagedFile(where, ["is another job's, or its files are not those that were written"])
        if reading and any(sha256(f"{where}/{name}") != known for name, (_, known) in said.items()):
            raise DamagedFile(where, ["a file in it was changed"])
        return Entry(key, place, manifest["result"], manifest["digest"], manifest["seconds"], manifest["about"])

    def claim(self, key: str) -> Claim | None:
        """Return the right to do a job, in an empty folder; None while another process has it."""
        folder = self.root / "work" / key
        self._begin()
        with said_plainly(self.root):
            descriptor = lock_folder(folder, create=True)
            if descriptor is None:
                return None
            for leftover in folder.iterdir():
                remove(leftover)
        return Claim(self, key, descriptor)

    def close(self) -> None:
        """Drop the claims that this process still holds, and end its presence in the store."""
        for claim in list(self.claims):
            claim.drop()
        self.presence.end()

    def _begin(self) -> None:
        if not self.presence.begun:
            with said_plainly(self.root):
                self.presence.begin()

    def _sweep(self) -> None:
        for folder in (self.root / "work").iterdir():
            if not is_folder(folder):
                remove(folder)
                continue
            descriptor = lock_folder(folder, create=False)
            if descriptor is not None:
                remove(folder)
                os.close(descriptor)


def open_store(home: Path) -> Store:
    """Return the store in a cache folder, which is made if it is not there; StoreFailed where others may write to that folder."""
    with said_plainly(home):
        make_private(home)
    return Store(home / "store")


@contextlib.contextmanager
def said_plainly(root: Path) -> Iterator[None]:
    """Turn the system's refusal to write under `root` into `StoreFailed`."""
    try:
        yield
    except OSError as error:
        raise storage_failed(root, error) from error
