"""Files of tf.train.Saver: variables by name, and mostly the training graph beside them, as a MetaGraph."""

from __future__ import annotations

import contextlib
from pathlib import Path

from toolkit.errors import InvalidSource
from toolkit.source.loading import Inspected, LoadedOriginal
from toolkit.source.loading.variables.table import find_prefix, holds_object_graph, is_table, locate_prefix
from toolkit.wire.request import Request

TAKES = frozenset(("builder", "step", "inputs", "outputs", "bind", "map", "allow_unrestored"))


def recognize(path: Path) -> bool:
    """Return whether the path is of a tf.train.Saver, complete or not: a MetaGraph, or a file of variables that tf.train.Checkpoint did not write."""
    if path.suffix == ".meta" and path.is_file():
        return True
    if path.is_file() and path.suffix not in ("", ".index") and ".data-" not in path.name and not is_table(path):
        return False
    with contextlib.suppress(InvalidSource):
        prefix = find_prefix(path.absolute())
        index = prefix.with_name(f"{prefix.name}.index")
        if index.is_file():
            return not holds_object_graph(index)
        if prefix.is_file() and is_table(prefix):
            return True
        return prefix.with_name(f"{prefix.name}.meta").is_file()
    if not path.is_dir():
        return False
    indexes = list(path.glob("*.index"))
    return not any(holds_object_graph(index) for index in indexes) and (bool(indexes) or any(path.glob("*.meta")))


def locate(path: Path, step: int | None = None) -> dict[str, Path]:
    """Return the files of variables by role, and "meta" where the MetaGraph is there; InvalidSource where one is missing or cut short."""
    files = locate_prefix(path, step)
    first = files.get("index") or files["slices"]
    own = first.with_name(f"{first.name.removesuffix('.index')}.meta")
    # Training code may write it only once, with the first checkpoint.
    others = sorted(first.parent.glob("*.meta"))
    if path.suffix == ".meta" and path.is_file():
        files["meta"] = path.absolute()
    elif own.is_file():
        files["meta"] = own
    elif len(others) == 1:
        files["meta"] = others[0]
    return files


def inspect(request: Request) -> Inspected:
    """Return the variables, and what the MetaGraph tells; it is parsed, and nothing is run."""
    from toolkit.source.kinds import _saver

    return _saver.inspect(request)


def load(request: Request) -> LoadedOriginal:
    """Return the graph in a session, or the builder's model, with its variables restored from the file, and the proof of it in `coverage`."""
    from toolkit.source.kinds import _saver

    return _saver.load(request)
