"""Folders that only their owner may change: the cache, which holds programs and trusted results.

Others who may write to a folder may have put a program there already, so such a folder is refused, and not only closed. Its owner must be this
user or root. Others must not be able to exchange the folders above: none of these may be writable by them without the sticky bit, which /tmp has.
The owners of the folders above do not matter.

    EDGE_TOOLKIT_TRUST_HOME=1       accepts the folder as it is: for a container, or a machine, that nobody else uses
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from toolkit.errors import StoreFailed

TRUST = "EDGE_TOOLKIT_TRUST_HOME"
_ROOT = 0
_ELSEWHERE = "set EDGE_TOOLKIT_HOME to a folder of your own"
_ALONE = f"on a machine, or in a container, that nobody else uses: {TRUST}=1"


def make_private(path: Path) -> None:
    """Make a folder, and those above it, if they are not there, for this user alone; StoreFailed where others may write to it.

    This user's folder that others may only read is closed to them, where they can write to nothing in it. OSError where the system refuses.
    """
    if not os.path.lexists(path):
        for folder in [*reversed(path.parents), path]:
            _make(folder)
    found = os.stat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise StoreFailed(f"{path}: is not a folder; the cache belongs there", _ELSEWHERE)
    if os.environ.get(TRUST, "").strip() in {"", "0"}:
        _require_ours(path, found)
        _require_safe_above(path)
        _close(path, found)


def require_private(path: Path) -> None:
    """Raise StoreFailed as `make_private` does, without making or closing anything. FileNotFoundError where nothing is."""
    require_unshared(path)
    if os.environ.get(TRUST, "").strip() in {"", "0"}:
        _require_safe_above(path)


def require_unshared(path: Path) -> None:
    """Raise StoreFailed where a folder is somebody else's, or others may write to it; FileNotFoundError where nothing is."""
    found = os.stat(path)
    if os.environ.get(TRUST, "").strip() in {"", "0"}:
        _require_ours(path, found)


def _make(folder: Path) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    except OSError:
        if not folder.is_dir():  # it exists, on a disk that may only be read
            raise
        return
    os.chmod(folder, 0o700)  # whatever the umask took away


def _require_ours(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in {os.geteuid(), _ROOT}:
        problem = f"{path}: belongs to {_user(found.st_uid)}, and this runs as {_user(os.geteuid())}"
        raise StoreFailed(f"{problem}; who owns it can put programs there that would be run", f"{_ELSEWHERE}; {_ALONE}")
    if _others_may_write(found):
        problem = f"{path}: others may write to it, and may have put programs there that would be run"
        raise StoreFailed(
            problem, f"if nobody else could, `chmod -R go-w {path}`; else remove it; or {_ELSEWHERE}; {_ALONE}"
        )


def _require_safe_above(path: Path) -> None:
    for folder in dict.fromkeys((*Path(os.path.abspath(path)).parents, *Path(os.path.realpath(path)).parents)):
        found = os.stat(folder)
        if _others_may_write(found) and not found.st_mode & stat.S_ISVTX:
            problem = f"{folder}: others may write to it, so that they could exchange {path}"
            raise StoreFailed(problem, f"`chmod go-w {folder}`, or {_ELSEWHERE}; {_ALONE}")


def _close(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid() or not mode & 0o077:
        return
    open_to_others = next(_writable_by_others(path), None)
    if open_to_others is not None:
        problem = f"{open_to_others}: others may write to it, and may have put programs there that would be run"
        raise StoreFailed(
            problem, f"if nobody else could, `chmod -R go-w {path}`; else remove it; or {_ELSEWHERE}; {_ALONE}"
        )
    os.chmod(path, mode & 0o700)


def _writable_by_others(path: Path) -> Iterator[str]:
    """Yield what others may write below a folder; links are not followed.

    The empty `.lock` files of uv are left out: uv lets all users of a machine write to them, and reads none.
    """
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            place = os.path.join(folder, name)
            found = os.lstat(place)
            is_lock = name == ".lock" and stat.S_ISREG(found.st_mode) and found.st_size == 0
            if not stat.S_ISLNK(found.st_mode) and not is_lock and _others_may_write(found):
                yield place


def _others_may_write(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_nobody_elses(found.st_gid)


def _is_nobody_elses(group: int) -> bool:
    """Return whether a group is root's or this user's own: with the user's name and without members, as most systems make one for each user."""
    if group == _ROOT:
        return True
    import grp
    import pwd

    try:
        user, held = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return (user.pw_gid, user.pw_name) == (group, held.gr_name) and set(held.gr_mem) <= {user.pw_name}


def _user(number: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(number).pw_name} (user {number})"
    except KeyError:
        return f"user {number}"
