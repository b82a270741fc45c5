"""Brings folders to a board, each once and whole: the engine's packages, and the toolkit's own modules.

A folder is unpacked under another name. It gets its own name when its last file has arrived: `whole`, which holds that name. So an interrupted
transfer is never taken for a finished one.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from toolkit.environments import transport
from toolkit.environments.site_packages import SitePackages
from toolkit.errors import TargetUnavailable
from toolkit.launchers.boards.line import Line
from toolkit.launchers.boards.probe import Board

_WHOLE = "whole"
_TRANSFER_S = 3600.0  # 100 MB over a slow radio link take a quarter of an hour
_SPARE_BYTES = 50_000_000  # for bytecode, and the files of a job
_BLOCK_BYTES = 4096  # of a file system: each file takes whole blocks
_LONG_AGO = 1_000_000_000  # seconds since 1970: the same each time, and a time that `tar` accepts without a warning
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)


def bring_packages(line: Line, board: Board, packages: SitePackages, say: Callable[[str], None]) -> str:
    """Return the folder on the board that holds an engine's packages, copied there first if it is missing.

    TargetUnavailable where the board has no space for it, and where the transfer does not end well.
    """
    name = f"environments/{packages.folder.parent.name}"
    if name in board.there:
        return f"{board.folder}/{name}"
    files = list(_files(packages.folder))
    size = sum(-(-os.stat(path).st_size // _BLOCK_BYTES) * _BLOCK_BYTES for path, _ in files)
    _require_space(line, board, size)
    say(f"{packages.engine} on {line.host}: copying its packages there, once ({size / 1e6:.0f} MB)")

    def write(stream: IO[bytes]) -> None:
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as archive:
            for path, called in files:
                with open(path, "rb") as file:
                    archive.addfile(_told(called, os.fstat(file.fileno()).st_size, path), file)
            _add_whole(archive, name)

    _bring(line, board, name, write)
    return f"{board.folder}/{name}"


def bring_worker(line: Line, board: Board) -> str:
    """Return the path on the board of the worker's script, after the toolkit's modules have been copied there if they are missing."""
    packed = io.BytesIO()
    name = f"code/{transport.pack_worker(packed)[:16]}"
    if name not in board.there:
        _require_space(line, board, len(packed.getvalue()))
        packed.seek(0)
        with tarfile.open(fileobj=packed, mode="a", format=tarfile.GNU_FORMAT) as archive:
            _add_whole(archive, name)
        _bring(line, board, name, lambda stream: _write(stream, packed.getvalue()))
    return f"{board.folder}/{name}/toolkit/jobs/worker_main.py"


def _bring(line: Line, board: Board, name: str, write: Callable[[IO[bytes]], None]) -> None:
    """Unpack an archive into the folder `name` below the toolkit's own on the board, whole or not at all."""
    kind, last = name.split("/")
    partial = f"{last}.partial-{secrets.token_hex(8)}"
    script = (
        f"umask 077 && mkdir -p {board.folder}/{kind} && cd {board.folder}/{kind} && mkdir {partial} || exit 1; "
        f'if tar -xof - -C {partial} && test "$(cat {partial}/{_WHOLE})" = {last} && sync; '
        f"then if test -e {last}/{_WHOLE}; then rm -rf {partial}; else rm -rf {last} && mv {partial} {last}; fi; "
        f"else rm -rf {partial}; exit 1; fi"
    )
    try:
        line.say(script, write, _TRANSFER_S)
    except TargetUnavailable as error:
        if _NO_SPACE.search(f"{error.problem} {error.hint}"):
            raise _no_space(line, board, "not enough") from error
        raise


def _require_space(line: Line, board: Board, needs_bytes: int) -> None:
    if board.free_bytes < needs_bytes + _SPARE_BYTES:
        raise _no_space(line, board, f"{board.free_bytes / 1e6:.0f} MB of {(needs_bytes + _SPARE_BYTES) / 1e6:.0f} MB")


def _no_space(line: Line, board: Board, has: str) -> TargetUnavailable:
    return TargetUnavailable(
        f"{line.who}: no space for the engine: {has} in {board.folder}",
        "free some there, or name a folder on another disk of the board with the option folder",
    )


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the path of each file below a folder, and its name there, sorted; bytecode is this machine's own."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            path = os.path.join(place, name)
            yield path, os.path.relpath(path, folder)


def _told(name: str, size: int, path: str = "") -> tarfile.TarInfo:
    told = tarfile.TarInfo(name)
    told.size, told.mtime = size, _LONG_AGO
    told.mode = 0o700 if path and os.access(path, os.X_OK) else 0o600
    return told


def _add_whole(archive: tarfile.TarFile, name: str) -> None:
    content = name.split("/")[1].encode()
    archive.addfile(_told(_WHOLE, len(content)), io.BytesIO(content))


def _write(stream: IO[bytes], content: bytes) -> None:
    stream.write(content)
