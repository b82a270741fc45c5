"""Whether a SavedModel's files are all its own: links, and names of assets, that lead out of its folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolkit.files.foreign import looking_through

# tensorflow/python/saved_model/constants.py; no loader reads other folders
_READ = ("variables", "assets", "debug")


def links_out(folder: Path) -> list[str]:
    """Return the links that lead out of a SavedModel's folder, each as `variables (reads files: it is a link to /etc)`.

    A cache of the Hugging Face Hub keeps a model's files beside its snapshots, which link to them. These links count as the model's own.
    """
    with looking_through(folder):
        found = list(_links(folder))
    return [_said(path.relative_to(folder).as_posix(), f"it is a link to {target}") for path, target in found]


def strange_assets(names: Iterable[str]) -> list[str]:
    """Return the names of assets that lead out of a SavedModel's folder, in the form of `links_out`."""
    inside = "assets" + os.sep
    return [
        _said(f"the asset {name!r}", "it does not lie in the model's folder assets")
        for name in names
        if os.path.isabs(name) or not os.path.normpath(os.path.join("assets", name)).startswith(inside)
    ]


def _said(what: str, why: str) -> str:
    return f"{what} (reads files: {why})"


def _links(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the links that lead out of a folder, and where to."""
    own = os.path.realpath(folder)
    kept = (own, *_hub(own))
    for path in _entries(folder):
        if not stat.S_ISLNK(os.lstat(path).st_mode):
            continue  # realpath reads each folder above, so only links are resolved
        target = os.path.realpath(path)
        if not any(target.startswith(place + os.sep) for place in kept):
            yield path, target


def _entries(folder: Path) -> Iterator[Path]:
    """Yield the entries of the folder itself and of the folders in it that loaders read."""
    yield from sorted(folder.iterdir())
    for name in _READ:
        inside = os.path.realpath(folder / name).startswith(os.path.realpath(folder) + os.sep)
        for where, folders, files in os.walk(folder / name) if inside else ():
            yield from (Path(where, each) for each in sorted((*folders, *files)))


def _hub(folder: str) -> list[str]:
    """Return the folder of files that belongs to a snapshot: .../models--NAME/blobs for .../models--NAME/snapshots/REVISION[/...]."""
    before, snapshots, _ = folder.rpartition(os.sep + "snapshots" + os.sep)
    named = os.path.basename(before).startswith("models--")
    return [os.path.join(before, "blobs")] if snapshots and named else []
