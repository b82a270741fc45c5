"""Checkpoints of `tf.train.Checkpoint`: prefixes, a CheckpointManager's folders, tf-keras' weights in TensorFlow's format, a SavedModel's own."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import InvalidSource
from toolkit.source.loading import Inspected, LoadedOriginal
from toolkit.source.loading.variables.table import (
    find_prefix,
    holds_object_graph,
    locate_prefix,
)
from toolkit.wire.request import Request

TAKES = frozenset(("builder", "step", "allow_unrestored"))


def recognize(path: Path) -> bool:
    """Return whether a path is the prefix, a file, or a folder of a checkpoint that tf.train.Checkpoint wrote."""
    if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
        return False
    try:
        prefix = find_prefix(path.absolute())
    except InvalidSource:  # none here, or several: `locate` raises the error
        indices = list(path.glob("*.index"))
        parts = [path / "checkpoint", *path.glob("*.data-?????-of-?????")]
        return (
            any(map(holds_object_graph, indices)) if indices else parts[-1].is_file() and not list(path.glob("*.meta"))
        )
    except OSError:
        return False
    index = prefix.with_name(f"{prefix.name}.index")
    if index.is_file():
        return holds_object_graph(index)
    values = list(prefix.parent.glob("*.data-?????-of-?????")) if prefix.parent.is_dir() else []
    alone = any(value.name.rpartition(".")[0] == prefix.name for value in values)
    return alone and not prefix.with_name(f"{prefix.name}.meta").is_file()


def locate(path: Path, step: int | None) -> dict[str, Path]:
    """Return the index and the files of values; see `locate_prefix`."""
    return locate_prefix(path, step)


def inspect(request: Request) -> Inspected:
    """Return what the file tells: all variables, and how many each part of it has."""
    from toolkit.source.kinds import _checkpoint

    return _checkpoint.inspect(request)


def load(request: Request) -> LoadedOriginal:
    """Return the builder's model with the checkpoint's variables; InvalidSource where one has no partner, or another shape or value."""
    from toolkit.source.kinds import _checkpoint

    return _checkpoint.load(request)
