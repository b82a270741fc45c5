"""An index outside its table (in an embedding or a gather): from each engine's own error to an error that names the sample.

TensorFlow on a CPU, LiteRT and ONNX Runtime raise an error; TensorFlow on a GPU silently gives zeros. LiteRT's error has neither the index nor the
size of the table, but both can be read from the interpreter that failed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.errors import EdgeToolkitError, InvalidSamples, causes

# the index, and the size of the table or its last index
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
    """An interpreter's error about an index, with the index and the size of its table."""


@contextmanager
def read_in(interpreter: Any) -> Iterator[None]:
    """Turn a TFLite interpreter's error about an index, raised in here, into OutsideTableError with the index and the table's size."""
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
    """Turn an error about an index, raised in here, into InvalidSamples that names the sample: its number (from 0) in the shards, and its origin.

    `of` is the purpose of the set: "calibration" or "evaluation". Several samples in one call have a range of `numbers`; `each` then calls them one
    by one in their order, to find the one at fault.
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
    """Return whether an error is an engine's, about an index outside its table."""
    text = f"{error} {causes(error)}"
    return not isinstance(error, EdgeToolkitError) and any(each.search(text) for each in (*_SAID, _UNSAID))


def _at_fault(each: Callable[[], Iterable[Any]], error: Exception) -> tuple[int, Exception]:
    """Return the place and the error of the first sample that fails alone; 0 and the given error where none does."""
    row = 0
    try:
        for row, _ in enumerate(each(), 1):  # noqa: B007 (row counts the calls before the one that fails)
            pass
    except Exception as own:  # noqa: BLE001 (engines raise any class; the message has the error)
        return row, own
    return 0, error


def _told(error: Exception) -> str:
    """Return `: 99, where the table has 50 rows (0 to 49)`, "" where the engine does not tell it."""
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
    """Return the sample's name for messages: its place in the user's set, else its number here."""
    try:
        return str(json.loads((samples / "origins.json").read_text())[number])
    except (OSError, ValueError, IndexError):
        return f"sample {number}"


def _wrong_index(interpreter: Any, node: int) -> tuple[int, int] | None:
    """Return the first index outside its table, and the table's size; None where the interpreter does not show them.

    For GATHER, the axis is where the shapes of table, indices and result fit; for a lookup, and for the first part of GATHER_ND, it is 0.
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
