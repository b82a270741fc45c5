"""A frozen GraphDef, .pb or .pbtxt: a graph of TensorFlow 1 whose variables are constants."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import InvalidSource
from toolkit.source.loading import Inspected, LoadedOriginal
from toolkit.wire.request import Request

TAKES = frozenset(("inputs", "outputs", "bind"))
_FIRST = b"\x08"  # a SavedModel starts with a number, saved_model_schema_version; a GraphDef starts with a message
_FIRST_TEXT = b"saved_model_schema_version"


def recognize(path: Path) -> bool:
    """Return whether the path is a GraphDef, damaged or not, and no file of a SavedModel."""
    if path.suffix not in (".pb", ".pbtxt") or not path.is_file() or path.stem == "saved_model":
        return False
    with open(path, "rb") as file:
        first = file.read(256)
    return not first.startswith(_FIRST) and _FIRST_TEXT not in first


def locate(path: Path, step: int | None = None) -> dict[str, Path]:
    """Return the one file."""
    if step is not None:
        raise InvalidSource(f"{path}: a frozen graph has no steps", "leave --step out")
    return {"graph": path}


def inspect(request: Request) -> Inspected:
    """Return inputs, outputs and operators from the file; it is parsed, and nothing is run."""
    from toolkit.source.kinds import _frozen_graph

    return _frozen_graph.inspect(request)


def load(request: Request) -> LoadedOriginal:
    """Return the graph in a session; InvalidSource where it is damaged or still holds variables."""
    from toolkit.source.kinds import _frozen_graph

    return _frozen_graph.load(request)
