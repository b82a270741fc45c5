"""An index outside of its table (an embedding, a gather): each engine says it in its own words; here it becomes the sample that holds it.

TensorFlow on a CPU raises, and so do LiteRT and ONNX Runtime; TensorFlow on a GPU gives zeros and says nothing. LiteRT tells neither the index nor
the size of the table, but leaves both to be read in the interpreter that failed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.errors import EdgeToolkitError, InvalidSamples, causes

# index and size of the table, or the first and the last index that it has
_TENSORFLOW = re.compile(r"indices\S* = \[?(?P<index>-?\d+)[^\n]*? is not in \[0, (?P<size>\d+)\)")
_TENSORFLOW_ND = re.compile(
    r"indices\S* = \[(?P<index>[-\d, ]+)\] does not index into param shape \[(?P<size>[\d, ]+)\]"
)
_LOOKUP = re.compile(r"index out of bounds\. Got (?P<index>-?\d+), and bounds are \[0, (?P<last>\d+)\]")
_ONNX = re.compile(r"idx=(?P<index>-?\d+) must be within the inclusive range \[-?\d+,(?P<last>-?\d+)\]")
_SAID = (_TENSORFLOW, _TENSORFLOW_ND, _LOOKUP, _ONNX)
_UNSAID = re.compile(r"gather(?:_nd)? index out of bounds")
_NODE = re.compile(r"Node number (\d+) \((?:GATHER|GATHER_ND|EMBEDDING_LOOKUP)\)")


class OutsideTableError(RuntimeError):
    """What an interpreter said of an index, with the index and the size of its table."""


@contextmanager
def read_in(interpreter: Any) -> Iterator[None]:
    """Let an index outside of its table be an OutsideTableError that tells it, as long as a TFLite interpreter works in here."""
    try:
        yield
    except RuntimeError as error:
        node = _NODE.search(str(error))
        told = None if node is None or not _UNSAID.search(str(error)) else _wrong_index(interpreter, int(node[1]))
        if told is None:
            raise
        index, size = told
        raise OutsideTableError(f"indices = {index} is not in [0, {size})") from error


@contextmanager
def naming(
    samples: Path, numbers: int | range, of: str, each: Callable[[], Iterable[Any]] | None = None
) -> Iterator[None]:
    """Let an error about an index in here be InvalidSamples that names the sample: its number (from 0) in the folder of shards, and its origin.

    `of` says what the set is for: "calibration" or "evaluation". Several samples in one call have a range of `numbers`; `each` calls them one by one
    in their order then, to see which of them it is.
    """
    try:
        yield
    except Exception as error:
        if not _is_said(error):
            raise
        row, own = (0, error) if each is None else _at_fault(each, error)
        first = numbers if isinstance(numbers, int) else numbers[row]
        raise InvalidSamples(
            f"{of}: {_origin(samples, first)} holds an index outside of its table{_told(own)}",
            "correct that sample (ids begin at 0), or make it with the vocabulary that the model was trained with",
        ) from error


def _is_said(error: Exception) -> bool:
    """Return whether an error is an engine's, about an index outside of its table."""
    text = f"{error} {causes(error)}"
    return not isinstance(error, EdgeToolkitError) and any(each.search(text) for each in (*_SAID, _UNSAID))


def _at_fault(each: Callable[[], Iterable[Any]], error: Exception) -> tuple[int, Exception]:
    """Return which of several samples fails by itself, and how; the first, with the given error, where none does."""
    row = 0
    try:
        for row, _ in enumerate(each(), 1):  # noqa: B007 (how many were called before the one that fails)
            pass
    except Exception as own:  # noqa: BLE001 (an engine's, of any class: it is told)
        return row, own
    return 0, error


def _told(error: Exception) -> str:
    """Return `: 99, where the table has 50 rows (0 to 49)`, as far as the engine tells it."""
    text = f"{error} {causes(error)}"
    said = next((found for pattern in _SAID if (found := pattern.search(text))), None)
    if said is None:
        return ""
    parts = said.groupdict()
    size = parts["size"] if parts.get("size") else str(int(parts["last"]) + 1)
    if "," in size:
        return f": [{parts['index']}], where the table is of shape [{size}]"
    return f": {parts['index']}, where the table has {size} rows (0 to {int(size) - 1})"


def _origin(samples: Path, number: int) -> str:
    """Return what messages call the sample, which is its place in the user's set; its number here where the set does not tell it."""
    try:
        return str(json.loads((samples / "origins.json").read_text())[number])
    except (OSError, ValueError, IndexError):
        return f"sample {number}"


def _wrong_index(interpreter: Any, node: int) -> tuple[int, int] | None:
    """Return the first index that its table has not, and the table's size; None where the interpreter does not show them.

    The axis is where the shapes of table, indices and result fit one another (GATHER); that of a lookup, and of GATHER_ND's first part, is 0.
    """
    try:
        details = interpreter._get_op_details(node)  # noqa: SLF001 (no public call tells a node's tensors)
        known = {each["index"]: each for each in interpreter.get_tensor_details()}
        operands = [int(place) for place in details["inputs"]]
        is_lookup = details["op_name"] == "EMBEDDING_LOOKUP"
        table, indices = reversed(operands[:2]) if is_lookup else operands[:2]
        sizes, held = [int(size) for size in known[table]["shape"]], interpreter.get_tensor(indices)
        given = [int(size) for size in known[int(details["outputs"][0])]["shape"]]
    except (AttributeError, KeyError, ValueError, IndexError, RuntimeError):
        return None
    axes = [0]
    if details["op_name"] == "GATHER":
        rows = list(held.shape)
        axes = [axis for axis in range(len(sizes)) if sizes[:axis] + rows + sizes[axis + 1 :] == given] or [0]
    elif details["op_name"] == "GATHER_ND":
        held = held[..., 0]
    outside = held[(held < 0) | (held >= sizes[axes[0]])]
    return (int(outside.ravel()[0]), sizes[axes[0]]) if outside.size else None
