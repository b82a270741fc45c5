"""The kind of a model, the files that it consists of, and their hash: told by names and first bytes, without a worker."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from toolkit import printable, registry
from toolkit.errors import InvalidSource, RequestError
from toolkit.files.foreign import require_plain_tree, require_reachable
from toolkit.jobs.job import path_digest
from toolkit.source.loading.operators import refuse_reaching
from toolkit.source.loading.own_files import links_out
from toolkit.source.original import Original


def locate(original: Original) -> tuple[str, dict[str, Path]]:
    """Return the kind of a model and its files by their roles.

    RequestError where there is no such file or the kind does not take an option that was given, InvalidSource where it is of no known kind.
    """
    path = original.path
    require_reachable(path)
    kinds = [name for name in registry.names("source/kinds") if registry.load("source/kinds", name).recognize(path)]
    if not kinds:
        if not path.exists():
            near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
            close = difflib.get_close_matches(path.name, near, n=1)
            raise RequestError(
                f"{path}: no such file or folder"
                + (f"; did you mean {str(path.parent / close[0])!r}?" if close else "")
            )
        known = ", ".join(registry.names("source/kinds"))
        raise InvalidSource(f"{path}: not a saved model of a known kind; known: {known}", _what_is_one(path))
    plugin = registry.load("source/kinds", kinds[0])
    for name in sorted(original.given - plugin.TAKES):
        flag = f"--{name.replace('_', '-')}"
        takes = ", ".join(f"--{one.replace('_', '-')}" for one in sorted(plugin.TAKES)) or "no such option"
        raise RequestError(f"{flag}: {path} is a {kinds[0]}, which does not take it; it takes {takes}")
    files = dict(plugin.locate(path, original.step))
    for folder in filter(Path.is_dir, files.values()):  # before anything reads their content, which may lie anywhere
        refuse_reaching(path, links_out(folder), original.trust)
        require_plain_tree(folder)
    if original.map is not None:
        if not original.map.is_file():
            raise RequestError(f"--map {original.map}: no such file")
        files["map"] = original.map.absolute()
    return kinds[0], files


def _what_is_one(path: Path) -> str:
    """Return what would be a model; of a bundle the file that it was written for."""
    shipped = sorted(path.glob("model.*")) if (path / "manifest.json").is_file() else []
    if shipped:
        return f"it is a bundle; what ships is {printable.name(str(shipped[0]))}, which `inspect` and `run` take"
    return "a SavedModel is a folder with saved_model.pb in it, a checkpoint a prefix with .index and .data files, Keras files end in .keras or .h5"


def digest_of(files: Mapping[str, Path]) -> str:
    """Return the hash (hexadecimal) of a model's only folder or file, or of several by their roles."""
    if len(files) == 1:
        return path_digest(next(iter(files.values())))
    digests = {role: path_digest(path) for role, path in sorted(files.items())}
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()
