"""Removes finished jobs from a store: those not used for a while, or those not used longest until the rest is small enough.

A job that a living process made or used (`toolkit.jobs.presence`) stays; this process counts too. A job is renamed into `work` while the lock is
held, and removed afterwards; where the process is killed in between, the next one removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments import Status
from toolkit.errors import DamagedFile, EdgeToolkitError, StoreFailed
from toolkit.files.foreign import read_text
from toolkit.files.private import require_private
from toolkit.files.removal import tree_bytes
from toolkit.jobs.store import Store, said_plainly
from toolkit.settings import CACHE_LIMIT, Settings
from toolkit.wire.request import write_whole

_KEY = re.compile(r"[0-9a-f]{64}")
_SHARE_LEFT = 0.8  # of the limit, so that the next build does not exceed it again
_SIZE = "size"


@dataclass(frozen=True, slots=True)
class Held:
    """A job that a store keeps: its folder, its bytes, and when it was last used, as a time stamp. `failed` jobs are kept for a person to read."""

    folder: Path
    size_bytes: int
    used: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, and what is left; `in_use` is how many more jobs would have been removed, were they not in use."""

    jobs: int = 0
    freed_bytes: int = 0
    left_bytes: int = 0
    in_use: int = 0


def held(store: Store) -> list[Held]:
    """Return all finished and failed jobs of a store; links and other folders are skipped."""
    return _held(store.root)


def status(settings: Settings) -> Status:
    """Return the cache folder's state for `doctor`: what finished jobs take, and may take. Makes nothing."""
    size, home = sum(each.size_bytes for each in _held(settings.home / "store")), settings.home
    most = "no limit" if math.isinf(settings.cache_bytes) else f"at most {settings.cache_bytes / 1e9:.3g} GB"
    about = f"finished jobs: {size / 1e6:,.0f} MB, {most} ({CACHE_LIMIT})"
    try:
        with said_plainly(home):
            require_private(home)
    except StoreFailed as error:
        if home.exists():
            return Status("cache", "store", False, about, home, error.problem, error.hint)
    return Status("cache", "store", True, about, home)


def _held(root: Path) -> list[Held]:
    found = []
    for failed, folder in _folders(root):
        with contextlib.suppress(OSError):
            found.append(Held(folder, tree_bytes(folder), _used(folder), failed))
    return found


def prune(store: Store, unused_for_s: float | None = None, most_bytes: float | None = None) -> Pruned:
    """Remove jobs not used for so many seconds, then those not used longest until the rest is no larger than `most_bytes`; failed ones go first.

    StoreFailed where the system refuses.
    """
    with said_plainly(store.root):
        away = store.claim(f"pruned-{os.getpid()}-{time.monotonic_ns()}")
        if away is None:
            return Pruned()
        try:
            jobs = sorted(held(store), key=lambda each: (not each.failed, each.used))
            with store.presence.held(fcntl.LOCK_EX):
                return _prune(store, jobs, away.folder, unused_for_s, most_bytes)
        finally:
            away.drop()


def keep_within(store: Store, most_bytes: float) -> Pruned | None:
    """Remove the jobs not used longest where this run made the store larger than its limit; None where it did not.

    Where nothing was added, it costs nothing. Else the size that was written down is used; jobs are measured only where that is too large.
    """
    added, store.added_bytes = store.added_bytes, 0
    if not added:
        return None
    with said_plainly(store.root), store.presence.held(fcntl.LOCK_EX):
        known = _known_bytes(store.root)
        if known is not None:
            _write_known(store.root, known + added)
    total = sum(each.size_bytes for each in held(store)) if known is None else known + added
    if known is None:
        _write_known(store.root, total)
    return prune(store, most_bytes=_SHARE_LEFT * most_bytes) if total > most_bytes else None


def keep_within_limit(store: Store, settings: Settings) -> None:
    """Keep a store within the limit of the settings, and say what was removed. A failure is said too, and raises nothing."""
    try:
        pruned = keep_within(store, settings.cache_bytes)
    except EdgeToolkitError as error:
        settings.say(f"cache: its size cannot be kept: {error.problem}")
        return
    if pruned is not None and pruned.jobs:
        most, freed = (f"{size / 1e9:.1f} GB" for size in (settings.cache_bytes, pruned.freed_bytes))
        settings.say(
            f"cache: removed {pruned.jobs} finished jobs not used longest, {freed}: above its limit of {most} ({CACHE_LIMIT})"
        )


def _prune(
    store: Store, jobs: Iterable[Held], away: Path, unused_for_s: float | None, most_bytes: float | None
) -> Pruned:
    jobs = list(jobs)
    left, began, now = sum(each.size_bytes for each in jobs), store.presence.oldest(), time.time()
    count = freed = in_use = 0
    for job in jobs:
        old = unused_for_s is not None and (job.failed or now - job.used >= unused_for_s)
        if not old and (most_bytes is None or left <= most_bytes):
            continue
        with contextlib.suppress(OSError):  # gone meanwhile
            if _used(job.folder) >= began:
                in_use += 1
                continue
            os.rename(job.folder, away / f"{count}-{job.folder.name}")
            count, freed, left = count + 1, freed + job.size_bytes, left - job.size_bytes
            job.folder.parent.rmdir()  # unless it holds others too
    _write_known(store.root, left)
    return Pruned(count, freed, left, in_use)


def _used(folder: Path) -> float:
    """Return when a job was last used, or when it failed."""
    manifest = folder / "manifest.json"
    return os.lstat(manifest if os.path.lexists(manifest) else folder).st_mtime


def _folders(root: Path) -> Iterator[tuple[bool, Path]]:
    """Yield (whether it failed, its folder) of each job that is kept."""
    for above in _inside(root / "objects"):
        yield from ((False, folder) for folder in _inside(above) if _KEY.fullmatch(folder.name))
    yield from ((True, folder) for folder in _inside(root / "failed"))


def _inside(folder: Path) -> list[Path]:
    """Return the folders in a folder, none that is a link."""
    try:
        with os.scandir(folder) as found:
            return [folder / entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _known_bytes(root: Path) -> int | None:
    """Return about how many bytes the jobs take, as the last process wrote it; None where nobody has."""
    try:
        text = read_text(root / _SIZE, 20)
    except (OSError, DamagedFile):
        return None
    return int(text) if text.isascii() and text.isdecimal() else None


def _write_known(root: Path, size_bytes: int) -> None:
    with contextlib.suppress(OSError):  # then the next process counts
        write_whole(root / _SIZE, str(size_bytes).encode())
