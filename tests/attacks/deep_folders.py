"""Folders inside each other, deeper than Python's recursion, and with a path that is longer than any that the system takes."""

from __future__ import annotations

import os
from pathlib import Path


def deep(folder: Path, folders: int, *, closed: bool = False) -> None:
    """Make so many folders in each other; where they are to be `closed`, with a file in the innermost, which nobody may write to."""
    folder.mkdir(parents=True, exist_ok=True)
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        for _ in range(folders):
            os.mkdir("d")
            os.chdir("d")
        if closed:
            Path("file").write_text("deep")
            os.chmod("../../d", 0o500)
    finally:
        os.fchdir(here)
        os.close(here)
