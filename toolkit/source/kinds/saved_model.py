"""SavedModel folders, of TensorFlow 2 and of TensorFlow 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.source.loading import Inspected, LoadedOriginal
from toolkit.wire.request import Request

TAKES = frozenset(("inputs", "outputs", "bind"))
_FILES = ("saved_model.pb", "saved_model.pbtxt")


def recognize(path: Path) -> bool:
    """Return whether the folder holds a SavedModel."""
    return any((path / name).is_file() for name in _FILES)


def locate(path: Path, step: int | None) -> dict[str, Path]:
    """Return the folder."""
    return {"source": path.absolute()}


def inspect(request: Request) -> Inspected:
    """Return signatures, operators, tags, variables and writer, only from the protocol buffer and the index of the variables."""
    from toolkit.source.kinds import _saved_model

    return _saved_model.inspect(request)


def load(request: Request) -> LoadedOriginal:
    """Return the model: its signatures as TensorFlow loads them, or the part between the tensors that the user named."""
    from toolkit.source.kinds import _saved_model

    return _saved_model.load(request)


def propose(request: Request) -> dict[str, Any]:
    """Return where a signature that takes strings can be cut: {"inputs": {name: tensor}, "outputs": {name: tensor}}, no inputs if unknown.

    The cut lies behind the operators that turn strings into numbers, as far as an output depends on them.
    """
    from toolkit.source.kinds import _saved_model

    return _saved_model.propose(request)
