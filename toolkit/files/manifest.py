"""The list in every bundle, `manifest.json`: each file with its size and SHA-256, the target, and the verdict.

A folder without a list is no bundle. Nothing in a folder is believed before it was compared with the list: files that are not on it, that are
missing, changed or cut, and anything that is no plain file are named. That finds accidents and careless changes. It is no signature: somebody who
changes a file can write the list anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from toolkit import printable
from toolkit.errors import DamagedFile, RequestError
from toolkit.files.foreign import check, looking_through, open_plain, read_json
from toolkit.files.places import not_a_folder
from toolkit.files.shapes import COUNT, INSIDE, SHA256, Each, Either, Where, fits

MANIFEST = "manifest.json"
SCHEMA = 2
OUTCOMES = ("passed", "failed", "inconclusive")
_PASSED_ONLY = 1  # the schema of earlier releases, which wrote a list only for bundles that passed
_EXPECTED = "expected the folder of one target of a build, as dist/host"
_MOST_TOLD = 10  # files that are wrong; with more it is the wrong folder
_FILE = {"sha256": SHA256, "size_bytes": COUNT}
_LIST = {
    "schema": Where(int, lambda number: number in (_PASSED_ONLY, SCHEMA), f"schema {SCHEMA}"),
    "target": str,
    "files": Each(_FILE),
    "artifact": Either(str, None),
}
_OF_NOW = {"verdict": Either(*OUTCOMES)}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself: `files` by their path in it, each (SHA-256, size in bytes); `artifact` is None where it holds none."""

    target: str
    verdict: str
    artifact: str | None
    files: Mapping[str, tuple[str, int]] = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether the build that wrote it passed."""
        return self.verdict == "passed"


class FileHash(TypedDict):
    """A file's SHA-256, in hexadecimal, and its size."""

    sha256: str
    size_bytes: int


def write(folder: Path, said: Mapping[str, object]) -> None:
    """Write the list of all files in a folder; `said` is its other content: target, verdict, artifact, and their origin."""
    files = {name: _hashed(folder / name) for name, _ in _entries(folder) if name != MANIFEST}
    document = {"schema": SCHEMA, **said, "files": files}
    (folder / MANIFEST).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by its path in it; DamagedFile for what is no plain file."""
    return {name: str(_hashed(folder / name)["sha256"]) for name, _ in _entries(folder)}


def is_bundle(folder: Path) -> bool:
    """Return whether a folder has a list of ours, whatever became of its files. A list that cannot be read is none; nothing is raised."""
    try:
        _read(folder)
    except (OSError, RequestError):
        return False
    return True


def enclosing(path: Path) -> Path | None:
    """Return the bundle that a path would lie in, by its name or by the links in it; None where it lies in none. The path itself does not count."""
    named = Path(os.path.abspath(path))
    parents = dict.fromkeys((*named.parents, *Path(os.path.realpath(named.parent), named.name).parents))
    return next((folder for folder in parents if is_bundle(folder)), None)


def verified(folder: Path) -> Manifest:
    """Return the list of a bundle whose files are exactly those on it; RequestError names each file that is not."""
    held, problems = _verified(folder)
    if problems:
        told = [f"{folder}/{problem}" for problem in _shortened(problems)]
        raise RequestError(printable.lines(told), "build it again: a bundle is used as it was written")
    return held


def refusal(folder: Path, target: str) -> str | None:
    """Return why a bundle for the target must not replace what lies at a path; None for nothing, an empty folder, or such a bundle."""
    problem = not_a_folder(folder)
    if problem is not None:
        return problem
    try:
        if not any(folder.iterdir()):
            return None
        held, problems = _verified(folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except DamagedFile as error:
        return f"holds files, and is not a bundle of a build ({error.problem})"
    except RequestError:
        return f"holds files, and is not a bundle of a build: it has no {MANIFEST}"
    if held.target != target:
        return f"is the bundle of another target, {held.target!r}"
    problem = "; ".join(_shortened(problems))
    return f"is not as its build left it: {problem}" if problems else None


def _verified(folder: Path) -> tuple[Manifest, list[str]]:
    """Return the list of a bundle, and what is wrong with each file; RequestError where there is no readable list."""
    held = _read(folder)
    try:
        with looking_through(folder):
            found = dict(_entries(folder))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedFile(folder, [f"cannot be looked through ({error.filename}: {error.strerror})"]) from error
    found.pop(MANIFEST, None)
    problems = [
        f"{name}: is {kind}, not a file" if kind else f"{name}: is not on the bundle's list"
        for name, kind in found.items()
        if kind or name not in held.files
    ]
    for name, (sha256, size_bytes) in held.files.items():
        if name not in found:
            problems.append(f"{name}: is on the bundle's list, but missing")
        elif not found[name]:
            problems += _changed(folder, name, sha256, size_bytes)
    return held, problems


def _changed(folder: Path, name: str, sha256: str, size_bytes: int) -> Iterator[str]:
    try:
        said = _hashed(folder / name)
    except (OSError, DamagedFile) as error:
        yield f"{name}: cannot be read ({error})"
        return
    if said["size_bytes"] != size_bytes:
        yield f"{name}: has {said['size_bytes']} bytes, {size_bytes} were written"
    elif said["sha256"] != sha256:
        yield f"{name}: is not the file that the build wrote"


def _read(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if os.path.isfile(folder):
        raise RequestError(f"{folder}: is a file; {_EXPECTED}")
    if os.path.islink(path):
        raise DamagedFile(path, ["is a symbolic link; expected the file that a build wrote"])
    try:
        held = read_json(path, _LIST)
        if held["schema"] != _PASSED_ONLY:
            check(held, _OF_NOW, path)
    except FileNotFoundError:
        problem = f"{folder}: has no {MANIFEST}, so it is not a bundle; {_EXPECTED}"
        raise RequestError(problem, _what_to_do(folder)) from None
    wrong = [name for name in held["files"] if not fits(name, INSIDE) or name == MANIFEST]
    if wrong:
        raise DamagedFile(path, [f"files[{wrong[0]!r}]: expected the path of a file inside the folder"])
    files = {name: (each["sha256"], each["size_bytes"]) for name, each in held["files"].items()}
    return Manifest(held["target"], held.get("verdict", "passed"), held["artifact"], files)


def _what_to_do(folder: Path) -> str | None:
    """Return the next step for a folder without a list: the bundles in it, or the build that writes one."""
    inside = sorted(str(each.parent) for each in folder.glob(f"*/{MANIFEST}")) if folder.is_dir() else []
    if inside:
        return f"bundles in it: {', '.join(inside)}"
    return "build it again" if (folder / "report.json").is_file() else None


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (path inside, what it is where it is no plain file) of everything in a folder but folders; nothing is opened, no link followed."""
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            name = f"{inside}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{name}/")
            else:
                yield name, _kind(entry)


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a symbolic link"
    return "" if entry.is_file(follow_symlinks=False) else "a pipe, a socket or a device"


def _hashed(path: Path) -> FileHash:
    digest, size_bytes = hashlib.sha256(), 0
    with open_plain(path) as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
            size_bytes += len(block)
    return {"sha256": digest.hexdigest(), "size_bytes": size_bytes}


def _shortened(problems: list[str]) -> list[str]:
    more = len(problems) - _MOST_TOLD
    return [*problems[:_MOST_TOLD], f"... and {more} more"] if more > 0 else problems
