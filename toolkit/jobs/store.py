"""Finished jobs, kept by the hash of their content; an unfinished job is never taken for a finished one.

    objects/ab/abcdef.../   a finished job: manifest.json, request, response, log, out/
    work/abcdef.../         a job being done, with links to its inputs; the folder carries the lock itself (flock), which ends with its process
    failed/abcdef.../       a job that failed, for a person to read and to run again by hand
    running/                which processes use the store: see `toolkit.jobs.presence`
    size                    about how many bytes the finished and failed jobs take: see `toolkit.jobs.pruning`

All of it is this user's alone. An entry that is not what was written, down to the kind of each file, is removed and made again: no link in it is
followed, and nothing that is no file is opened.

Two processes share a store safely: one does a job, the other waits for it; a folder that nobody holds any more is taken over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import DamagedFile, StoreFailed
from toolkit.files.foreign import parse_json, read_bytes
from toolkit.files.private import make_private
from toolkit.files.removal import remove_tree, tree_bytes
from toolkit.files.shapes import AMOUNT, SHA256
from toolkit.files.whole import storage_failed, sync
from toolkit.jobs.presence import Presence
from toolkit.wire.request import INPUTS, sha256, write_whole

_KEEP_FAILED = 20
_PROBE_BYTES = 1 << 18
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # nothing there, or a file, or a link
_SEAL = b'{"sha256": "%s",'
_SEAL_BYTES = len(_SEAL % bytes(64))
_MANIFEST = {
    **dict.fromkeys(("key", "digest"), SHA256),
    **dict.fromkeys(("result", "about", "files"), dict),  # `files` is held against what is there
    "seconds": AMOUNT,
}


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
            for leftover in ("tmp", "progress", INPUTS):
                _remove(self.folder / leftover)
            for path in sorted((self.folder / "out").rglob("*")):
                sync(path)
            held = {f"out/{name}": [size, known] for name, (size, known) in sorted(files.items())}
            manifest = {"key": self.key, "result": result, "files": held, "seconds": seconds, "about": about}
            manifest["digest"] = digest(result, held)
            write_whole(self.folder / "manifest.json", _written(manifest))
            place = self._store.place(self.key)
            make_folder(place.parent)
            _remove(place)
            os.rename(self.folder, place)
            sync(place.parent)
            self._store.added_bytes += tree_bytes(place)
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
            make_folder(place.parent)
            _remove(place)
            os.rename(self.folder, place)
            self._store.added_bytes += tree_bytes(place)
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
    """has, get, claim: everything else is the folder's business.

    `root` is made if it is not there; StoreFailed where others may write to it. `claims` are this process's, and `added_bytes` is what it added.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.claims: set[Claim] = set()
        self.added_bytes = 0
        self.presence = Presence(root / "running")
        with said_plainly(root):
            make_private(root)
            for name in ("objects", "work", "running"):
                _require_no_link(root / name)
                make_folder(root / name)
            _require_no_link(root / "failed")
            self._sweep()

    def place(self, key: str) -> Path:
        """Return the folder of a finished job, there or not."""
        return self.root / "objects" / key[:2] / key

    def get(self, key: str, *, reading: bool = True) -> Entry | None:
        """Return the finished job if it is there and every byte of it is what was written; a damaged one is removed.

        Without `reading` only the sizes of its files are looked at.
        """
        place = self.place(key)
        self._begin()
        try:
            return self._entry(place, key, reading=reading) if os.path.lexists(place) else None
        except (OSError, ValueError, TypeError, RecursionError, DamagedFile):
            pass
        _remove(place if _is_folder(place.parent) else place.parent)
        return None

    def _entry(self, place: Path, key: str, *, reading: bool) -> Entry:
        """Return a finished job; DamagedFile, OSError, ValueError or TypeError where it is not what was written."""
        where = str(place)
        if not (_is_folder(os.path.dirname(where)) and _is_folder(where)):
            raise DamagedFile(where, ["is no folder"])
        path = f"{where}/manifest.json"
        manifest = _read_manifest(path)
        self.presence.touch(path)
        said: dict[str, tuple[int, str]] = manifest["files"]
        found = {f"out/{name}": size for name, size in _sizes(f"{where}/out")}
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
            descriptor = _lock(folder, create=True)
            if descriptor is None:
                return None
            for leftover in folder.iterdir():
                _remove(leftover)
        return Claim(self, key, descriptor)

    def close(self) -> None:
        """Drop the claims of this process that are left, and say that it uses the store no more."""
        for claim in list(self.claims):
            claim.drop()
        self.presence.end()

    def _begin(self) -> None:
        if not self.presence.begun:
            with said_plainly(self.root):
                self.presence.begin()

    def _sweep(self) -> None:
        for folder in (self.root / "work").iterdir():
            if not _is_folder(folder):
                _remove(folder)
                continue
            descriptor = _lock(folder, create=False)
            if descriptor is not None:
                _remove(folder)
                os.close(descriptor)


def open_store(home: Path) -> Store:
    """Return the store in a cache folder, which is made if it is not there; StoreFailed where others may write to that folder."""
    with said_plainly(home):
        make_private(home)
    return Store(home / "store")


def digest(result: dict[str, Any], files: dict[str, Any]) -> str:
    """Return the SHA-256 over a job's result and the hashes of its files: what those who read it depend on."""
    return hashlib.sha256(json.dumps([result, files], sort_keys=True).encode()).hexdigest()


def _written(manifest: Mapping[str, Any]) -> bytes:
    """Return the content of a manifest's file: a JSON table whose first key is the SHA-256 over all that comes behind it."""
    body = json.dumps(manifest, sort_keys=True, indent=1).encode()[1:]
    return _SEAL % hashlib.sha256(body).hexdigest().encode() + body


def _read_manifest(path: str) -> dict[str, Any]:
    """Return what a manifest says; one that is not there is looked for once more where its folder is: it came, whole, between the two looks.

    FileNotFoundError where it is not there, DamagedFile where it is not what was written.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        if not _is_folder(os.path.dirname(path)):
            raise
        content = read_bytes(path)
    body = content[_SEAL_BYTES:]
    if content[:_SEAL_BYTES] != _SEAL % hashlib.sha256(body).hexdigest().encode():
        raise DamagedFile(path, ["was changed after it was written"])
    manifest: dict[str, Any] = parse_json(content, path, _MANIFEST, finite=False)
    return manifest


def _sizes(folder: str, inside: str = "") -> Iterator[tuple[str, int]]:
    """Yield the name below `folder` and the size of each file; DamagedFile for anything that is neither a file nor a folder, links too."""
    with os.scandir(folder) as found:
        for entry in found:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                yield from _sizes(entry.path, f"{inside}{entry.name}/")
            elif stat.S_ISREG(status.st_mode):
                yield inside + entry.name, status.st_size
            else:
                raise DamagedFile(entry.path, ["is neither a file nor a folder"])


def make_folder(folder: Path) -> None:
    """Make a folder for this user alone; anything else of this name, a link or a file, is removed for it."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if stat.S_ISDIR(os.lstat(folder).st_mode):
            return
        os.unlink(folder)
        os.mkdir(folder, 0o700)
    os.chmod(folder, 0o700)  # whatever the umask took away


def _require_no_link(folder: Path) -> None:
    """Raise StoreFailed where one of the store's own folders is a link: jobs are renamed from one into another, which no other disk allows."""
    if folder.is_symlink():
        raise StoreFailed(
            f"{folder}: is a link; the folders of the store are no links",
            f"remove it; {folder.parent} itself may be one",
        )


def _lock(folder: Path, *, create: bool) -> int | None:
    """Return a descriptor that holds the folder's lock, or None if it is held elsewhere or the folder is not there."""
    while True:
        try:
            if create:
                make_folder(folder)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno == errno.ENOENT and create:
                continue
            if error.errno in _NO_FOLDER:
                return None
            raise
        held = _held(descriptor, folder)
        if held:
            return descriptor
        os.close(descriptor)
        if held is None or not create:
            return None


def _held(descriptor: int, folder: Path) -> bool | None:
    """Lock an open folder: True where it is ours now, False where it was finished and moved meanwhile, None where it is held elsewhere."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == folder.stat().st_ino
    except BlockingIOError:
        return None
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    if _is_folder(path):
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def _is_folder(path: Path | str) -> bool:
    """Whether there is a folder of this name, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def said_plainly(root: Path) -> Iterator[None]:
    """Turn the system's refusal to write under `root` into `StoreFailed`."""
    try:
        yield
    except OSError as error:
        raise storage_failed(root, error) from error
