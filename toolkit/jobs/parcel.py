"""A job's folder as one archive (tar) on a pipe: request and inputs on the way there, what the job wrote on the way back.

Another machine writes what comes back: links, names that lead out of the folder, and more bytes than the job may write are refused.
Standard library only.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

_INPUTS = "inputs"
_LINKED = f"{_INPUTS}/linked"  # files that links inside of inputs lead to
_WRITTEN = ("log", "response", "out")
_HEADER_BYTES = 1 << 20  # of a member, with a long name; a path has 4096 bytes at most (PATH_MAX)
_MOST_MEMBERS = 100_000  # Python keeps what it knows of each


class CarryingFailed(Exception):
    """Says why a job's folder did not get there, or not back."""


def pack(folder: Path, stream: IO[bytes]) -> None:
    """Write an archive of a job's request and inputs, with the inputs themselves in place of the links to them.

    A link inside of an input stays a link, and its target is packed too: a job that follows no links follows none there either.
    """
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        places: dict[str, str] = {}  # real path: name in the archive
        waiting = [(str(folder / "request"), "request")]
        for link in sorted((folder / _INPUTS).glob("*/*")):
            place, name = os.path.realpath(link), link.relative_to(folder).as_posix()
            places.setdefault(place, name)
            waiting.append((place, name))
        for place, name in waiting:
            _add(archive, place, name, places, waiting)


def _add(
    archive: tarfile.TarFile, place: str, name: str, places: dict[str, str], waiting: list[tuple[str, str]]
) -> None:
    """Add a file, or a folder with its content; targets of links are added to `places` and `waiting`."""
    told = archive.gettarinfo(place, name)
    told.uid, told.gid, told.uname, told.gname, told.mode = 0, 0, "", "", 0o700 if told.isdir() else 0o600
    if told.isfile() or told.islnk():
        told.type = tarfile.REGTYPE  # a file with several names becomes several files there
        told.size = os.stat(place).st_size
        with open(place, "rb") as file:
            archive.addfile(told, file)
    elif told.isdir():
        archive.addfile(told)
        for entry in sorted(os.listdir(place)):
            inside, called = os.path.join(place, entry), f"{name}/{entry}"
            if not os.path.islink(inside):
                _add(archive, inside, called, places, waiting)
            elif os.path.exists(inside):
                link = tarfile.TarInfo(called)
                link.type = tarfile.SYMTYPE
                target = _called(os.path.realpath(inside), places, waiting)
                link.linkname = os.path.relpath(target, os.path.dirname(called))
                archive.addfile(link)


def _called(place: str, places: dict[str, str], waiting: list[tuple[str, str]]) -> str:
    """Return the name of a file or folder in the archive; it is added where it is not in it yet."""
    for known, name in places.items():
        if place == known or place.startswith(f"{known}{os.sep}"):
            return os.path.normpath(f"{name}/{os.path.relpath(place, known)}")
    name = places[place] = f"{_LINKED}/{len(places)}/{os.path.basename(place) or 'root'}"
    waiting.append((place, name))
    return name


def clear(folder: Path) -> None:
    """Remove what a job wrote that came back before, in part."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    for name in ("log", "response"):
        (folder / name).unlink(missing_ok=True)


def unpack(stream: IO[bytes], folder: Path, most_bytes: int) -> None:
    """Write a job's log, response and `out` into its folder; TarError for what is no archive.

    CarryingFailed for what is neither file nor folder, for too many bytes or members, and for headers and names that nobody would write.
    """
    metered = _Metered(stream)
    total = 0
    try:
        with tarfile.open(fileobj=metered, mode="r|") as archive:
            for number, member in enumerate(iter(archive.next, None)):
                total += _size(member)
                if total > most_bytes or number >= _MOST_MEMBERS:
                    raise CarryingFailed(
                        f"more came back than the {most_bytes} bytes, or {_MOST_MEMBERS} files, that the job may write"
                    )
                metered.left = member.size + _HEADER_BYTES
                parts = PurePosixPath(member.name).parts
                if parts and parts[0] in _WRITTEN:
                    _write_member(archive, member, folder.joinpath(*parts))
    except (ValueError, ArithmeticError, RecursionError) as error:  # Python's own, for names and headers
        raise CarryingFailed(f"what came back makes no sense ({error})") from error


class _Metered(io.RawIOBase):
    """A stream of which no more than `left` bytes are read: `tarfile` keeps a whole header in memory, and the header says how long it is."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self.left = _HEADER_BYTES

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        content = self._stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise CarryingFailed(f"a header came back that is longer than {_HEADER_BYTES} bytes")
        return content


def _size(member: tarfile.TarInfo) -> int:
    """Return the bytes of a member that the job wrote, 0 for any other; CarryingFailed for one that is neither a file nor a folder."""
    parts = PurePosixPath(member.name).parts
    if member.size < 0:
        raise CarryingFailed(f"{member.name!r} came back with a size of {member.size}")
    if not parts or parts[0] not in _WRITTEN:
        return 0
    if ".." in parts or member.issparse() or not (member.isfile() or member.isdir()):
        raise CarryingFailed(f"{member.name!r} came back, which is neither a file nor a folder")
    return member.size


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = archive.extractfile(member)
    with open(path, "xb") as file:
        while content is not None and (block := content.read(1 << 20)):
            file.write(block)
