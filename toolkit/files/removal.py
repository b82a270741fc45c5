"""Counts and removes folders of jobs, which foreign code filled: at any depth, without recursion or long paths.

Python's own functions (`shutil.rmtree`, `Path.rglob`, `os.walk` before Python 3.12) call themselves for each nested folder: a thousand nested folders
end in RecursionError, and paths of more than 4,096 bytes, PATH_MAX, in an error of the system.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def tree_bytes(folder: Path) -> int:
    """Return the bytes of the files below a folder, without following links. A file that is removed meanwhile, or lies too deep, counts 0."""
    total, waiting = 0, [os.fspath(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    with contextlib.suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_size
    return total


def remove_tree(folder: Path) -> None:
    """Remove a folder that nobody writes to any more, with its content; links are not followed. What the system refuses to remove stays.

    Each folder two levels down is moved up into `folder` first, so that nothing is ever more than two names deep.
    """
    with contextlib.suppress(OSError):
        _open_up(os.fspath(folder))
        top = os.open(folder, _OPEN_FOLDER)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _empty(top: int) -> None:
    stay: set[str] = set()
    while names := [name for name in os.listdir(top) if name not in stay]:
        for name in names:
            try:
                if _is_folder(name, top):
                    _flatten(name, top)
                    os.rmdir(name, dir_fd=top)
                else:
                    os.unlink(name, dir_fd=top)
            except OSError:  # another file system may be mounted there
                stay.add(name)


def _flatten(name: str, top: int) -> None:
    """Remove the files in a folder that lies in `top`, and move the folders in it beside it."""
    _open_up(name, top)
    inside = os.open(name, _OPEN_FOLDER, dir_fd=top)
    try:
        for entry in os.listdir(inside):
            with contextlib.suppress(OSError):
                if _is_folder(entry, inside):
                    _open_up(entry, inside)  # else only root moves it
                    os.rename(entry, secrets.token_hex(16), src_dir_fd=inside, dst_dir_fd=top)
                else:
                    os.unlink(entry, dir_fd=inside)
    finally:
        os.close(inside)


def _open_up(name: str, within: int | None = None) -> None:
    """Open this user's folder to him again, where a job closed it. Another user's folder may be open anyway."""
    with contextlib.suppress(OSError):
        os.chmod(name, 0o700, dir_fd=within)


def _is_folder(name: str, within: int) -> bool:
    return stat.S_ISDIR(os.lstat(name, dir_fd=within).st_mode)
