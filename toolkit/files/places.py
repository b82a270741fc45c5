"""Checks what lies at a path that is to be written, without opening it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path


def not_a_file(path: Path) -> str | None:
    """Return why no file may replace what lies at a path, "is ...", or None."""
    return _in_the_way(path, stat.S_ISREG, "expected the name of a file")


def not_a_folder(path: Path) -> str | None:
    """Return why no folder may replace what lies at a path, "is ...", or None."""
    return _in_the_way(path, stat.S_ISDIR, "expected the name of a folder")


def make_folders(path: Path) -> None:
    """Make a folder and those above it, where they are not there; OSError where the system refuses, or something else lies there.

    `Path.mkdir` and `os.makedirs` call themselves for each folder above: a path of a thousand names ends them in RecursionError.
    """
    lacking = []
    for folder in (path, *path.parents):
        if os.path.lexists(folder):
            break
        lacking.append(folder)
    for folder in reversed(lacking):
        folder.mkdir(exist_ok=True)
    path.mkdir(exist_ok=True)  # FileExistsError where it is no folder


def _in_the_way(path: Path, fits: Callable[[int], bool], right: str) -> str | None:
    """Return in words what lies at a path, where it does not fit; None where it fits, and where nothing lies."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:  # a part of the path may be no folder
        return f"cannot be written ({error.strerror})"
    if fits(mode):
        return None
    kinds = {stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link"}
    return f"is {kinds.get(stat.S_IFMT(mode), 'a pipe, a socket or a device')}; {right}"
