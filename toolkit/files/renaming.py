"""Renames that replace nothing, and exchanges of two names: in one system call (renameat2), or in several where there is none."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path

from toolkit.errors import RequestError

_AT_FDCWD, _NOREPLACE, _EXCHANGE = -100, 1, 2  # linux/fcntl.h, linux/fs.h
_UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)  # an old kernel, or a file system that cannot (NFS, FAT)


def rename_new(source: Path, place: Path) -> bool:
    """Move a file or folder to its place if nothing is there, not even a dangling link; return whether it was moved."""
    try:
        if _renameat2(source, place, _NOREPLACE):
            return True
        if not stat.S_ISREG(os.lstat(source).st_mode):
            if os.path.lexists(place):
                return False
            os.rename(
                source, place
            )  # fails where something came meanwhile, except onto an empty folder, which loses nothing
            return True
        os.link(source, place)
        source.unlink()
    except FileExistsError:
        return False
    return True


def exchange(made: Path, place: Path, old: Path) -> Path:
    """Exchange what was made and what lies in the place; return where the latter is then. In two steps where the system has no exchange."""
    if _renameat2(made, place, _EXCHANGE):
        return made
    os.rename(place, old)
    if not rename_new(made, place):
        raise RequestError(f"{place}: somebody else wrote there meanwhile, and that stays; try again")
    return old


def exchange_back(gone: Path, place: Path, made: Path) -> None:
    """Undo an `exchange` that returned `gone`: what was made lies at `made` again."""
    if gone == made:
        _renameat2(gone, place, _EXCHANGE)
        return
    os.rename(place, made)
    rename_new(gone, place)


def _renameat2(source: Path, place: Path, flags: int) -> bool:
    """Rename as the flags say; return False where the system cannot. Raises the OSError of what went wrong."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(place), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(place))
