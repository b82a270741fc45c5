"""Makes, locks and removes the folders of a store: for this user alone, and following no link."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

from toolkit.errors import StoreFailed
from toolkit.files.removal import remove_tree

_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # nothing there, or a file, or a link


def make_folder(folder: Path) -> None:
    """Make a folder for this user alone; a link or a file with its name is removed."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if stat.S_ISDIR(os.lstat(folder).st_mode):
            return
        os.unlink(folder)
        os.mkdir(folder, 0o700)
    os.chmod(folder, 0o700)  # the umask may have taken rights away


def require_no_link(folder: Path) -> None:
    """Raise StoreFailed where one of the store's own folders is a link: jobs are renamed from one into another, which works on one disk only."""
    if folder.is_symlink():
        raise StoreFailed(
            f"{folder}: is a link; the folders of the store are no links",
            f"remove it; {folder.parent} itself may be one",
        )


def lock_folder(folder: Path, *, create: bool) -> int | None:
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
    """Lock an open folder: True where this process has it now, False where it was finished and moved, None where another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == folder.stat().st_ino
    except BlockingIOError:
        return None
    except FileNotFoundError:
        return False


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it; nothing happens where there is none."""
    if is_folder(path):
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def is_folder(path: Path | str) -> bool:
    """Whether there is a folder of this name, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
