"""A job's folder as one archive (tar) on a pipe: request and inputs on the way there, what the job wrote on the way back.

What comes back is another machine's: no link and no name that leads out of the folder is taken, nor more than the job may write.
Standard library only.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

_INPUTS = "inputs"
_LINKED = f"{_INPUTS}/linked"  # what links inside of inputs lead to
_WRITTEN = ("log", "response", "out")


class CarryingFailed(Exception):
    """A job's folder did not get there, or not back; says why."""


def pack(folder: Path, stream: IO[bytes]) -> None:
    """Write an archive of a job's request and inputs; the links to these become what they lead to.

    A link inside of an input stays one, to what it leads to, which is brought along: who does not follow links there does not here.
    """
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        places: dict[str, str] = {}  # where things really are: what they are called in the archive
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
    """Add a file, or a folder with all that is in it; what links lead to comes to `places` and `waiting`."""
    told = archive.gettarinfo(place, name)
    told.uid, told.gid, told.uname, told.gname, told.mode = 0, 0, "", "", 0o700 if told.isdir() else 0o600
    if told.isfile() or told.islnk():
        told.type = tarfile.REGTYPE  # a file of several names is one of each name there
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
    """Return what a file or folder is called in the archive; what is not in it by itself will be."""
    for known, name in places.items():
        if place == known or place.startswith(f"{known}{os.sep}"):
            return os.path.normpath(f"{name}/{os.path.relpath(place, known)}")
    name = places[place] = f"{_LINKED}/{len(places)}/{os.path.basename(place) or 'root'}"
    waiting.append((place, name))
    return name


def unpack(stream: IO[bytes], folder: Path, most_bytes: int) -> None:
    """Write what a job gave into its folder: its log, its response and `out`; CarryingFailed for what is neither a file nor a folder, or too much."""
    total = 0
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts
            if not parts or parts[0] not in _WRITTEN:
                continue
            if ".." in parts or not (member.isfile() or member.isdir()):
                raise CarryingFailed(f"{member.name!r} came back, which is neither a file nor a folder")
            total += member.size
            if total > most_bytes:
                raise CarryingFailed(f"more came back than the {most_bytes} bytes that the job may write")
            _write_member(archive, member, folder.joinpath(*parts))


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = archive.extractfile(member)
    with open(path, "xb") as file:
        while content is not None and (block := content.read(1 << 20)):
            file.write(block)
