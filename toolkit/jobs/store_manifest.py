"""The manifest of a finished job, sealed: its first key is the SHA-256 of all that follows."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from toolkit.errors import DamagedFile
from toolkit.files.foreign import parse_json, read_bytes
from toolkit.files.shapes import AMOUNT, SHA256
from toolkit.jobs.store_folders import is_folder

_SEAL = b'{"sha256": "%s",'
_SEAL_BYTES = len(_SEAL % bytes(64))
_MANIFEST = {
    **dict.fromkeys(("key", "digest"), SHA256),
    **dict.fromkeys(("result", "about", "files"), dict),  # `files` is compared with the files that are there
    "seconds": AMOUNT,
}


class Manifest(TypedDict):
    """A finished job: `files` has the size in bytes and the SHA-256 of each, by its path in the job's folder; `about` is what reports say of it."""

    key: str
    digest: str
    result: dict[str, Any]
    files: Files
    seconds: float
    about: Mapping[str, str | int]


Files = Mapping[str, tuple[int, str]]
"""The size in bytes and the SHA-256 of each file that a job gave, by its path."""


def digest(result: Mapping[str, Any], files: Files) -> str:
    """Return the SHA-256 of a job's result and the hashes of its files: what the jobs that read it depend on."""
    return hashlib.sha256(json.dumps([result, files], sort_keys=True).encode()).hexdigest()


def sealed(manifest: Manifest) -> bytes:
    """Return the content of a manifest's file: a JSON table whose first key is the SHA-256 of all that follows."""
    body = json.dumps(manifest, sort_keys=True, indent=1).encode()[1:]
    return _SEAL % hashlib.sha256(body).hexdigest().encode() + body


def read_manifest(path: str) -> Manifest:
    """Return what a manifest says. Where the file is missing and its folder is there, it is read once more: another process just put both there.

    FileNotFoundError where it is not there, DamagedFile where it is not what was written.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        if not is_folder(os.path.dirname(path)):
            raise
        content = read_bytes(path)
    body = content[_SEAL_BYTES:]
    if content[:_SEAL_BYTES] != _SEAL % hashlib.sha256(body).hexdigest().encode():
        raise DamagedFile(path, ["was changed after it was written"])
    manifest: Manifest = parse_json(content, path, _MANIFEST, finite=False)
    return manifest


def sizes(folder: str, inside: str = "") -> Iterator[tuple[str, int]]:
    """Yield the name below `folder` and the size of each file; DamagedFile for anything else, as a link."""
    with os.scandir(folder) as found:
        for entry in found:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                yield from sizes(entry.path, f"{inside}{entry.name}/")
            elif stat.S_ISREG(status.st_mode):
                yield inside + entry.name, status.st_size
            else:
                raise DamagedFile(entry.path, ["is neither a file nor a folder"])
