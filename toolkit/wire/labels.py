"""Labels of a set of samples on disk: one target without a name, or several by name.

labels.npy           (N, ...): one target without a name, whose labels are numbers of one shape
labels.safetensors   all others: an array (N, ...) by target. Labels of different lengths, as boxes are, are joined along the first axis, and
                     "TARGET/lengths" (N,) says how many entries belong to each sample. A text is its UTF-8 bytes. The metadata
                     "texts" is a JSON list of the targets that are texts
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from toolkit.files.foreign import parse_json, require_plain
from toolkit.wire.request import write_whole

UNNAMED = "labels"
_LENGTHS = "/lengths"

Label = Mapping[str, np.ndarray | str]
Column = np.ndarray | Sequence[np.ndarray | str]
"""The labels of one target: numbers (N, ...), or an array or a text for each sample."""

Labels = np.ndarray | dict[str, Column]


def mismatch(first: Label, other: Label) -> str | None:
    """Return None where two samples' labels can be in one set, else what differs: the targets, text or number, or an axis other than the length."""
    if first.keys() != other.keys():
        return f"label of targets {sorted(other)}, others have {sorted(first)}"
    for target, value in other.items():
        ours, theirs = _kind(first[target]), _kind(value)
        if ours != theirs:
            named = "" if target == UNNAMED else f" {target!r}"
            return f"label{named} {theirs}, others have {ours}"
    return None


def _kind(value: np.ndarray | str) -> str:
    if isinstance(value, str):
        return "of text"
    rest = "".join(f", {size}" for size in value.shape[1:])
    return f"of shape ({'any length' if value.ndim else ''}{rest})"


def write(folder: Path, labels: Sequence[Label]) -> None:
    """Write the labels of all samples, each with the same targets, to labels.npy or labels.safetensors."""
    columns = {target: [label[target] for label in labels] for target in labels[0]}
    if list(columns) == [UNNAMED] and _is_even(columns[UNNAMED]):
        np.save(folder / "labels.npy", np.stack(columns[UNNAMED]), allow_pickle=False)
        return
    write_whole(folder / "labels.safetensors", packed(columns))


def packed(columns: Mapping[str, Column]) -> bytes:
    """Return the content of a labels.safetensors."""
    arrays: dict[str, np.ndarray] = {}
    texts = [target for target, column in columns.items() if isinstance(column[0], str)]
    for target, column in columns.items():
        parts = [np.frombuffer(each.encode(), np.uint8) if isinstance(each, str) else each for each in column]
        if target not in texts and _is_even(parts):
            arrays[target] = np.ascontiguousarray(np.stack(list(parts)))
        else:
            arrays[target] = np.concatenate(list(parts))
            arrays[target + _LENGTHS] = np.array([len(part) for part in parts], np.int64)
    return save(arrays, {"texts": json.dumps(texts)})


def _is_even(values: Column) -> bool:
    return all(not isinstance(value, str) and np.shape(value) == np.shape(values[0]) for value in values)


def read(place: Path) -> Labels | None:
    """Return the labels in a folder of samples, or in one of the two files: (N, ...), or by target; None for a folder without labels."""
    if place.is_dir():
        there = [path for path in (place / "labels.npy", place / "labels.safetensors") if path.is_file()]
        return read(there[0]) if there else None
    require_plain(place)
    if place.suffix == ".npy":
        held: np.ndarray = np.load(place, allow_pickle=False)
        return held
    with safe_open(place, framework="np") as file:
        texts = parse_json((file.metadata() or {}).get("texts", "[]"), f"{place}, its metadata", [str])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    columns: dict[str, Column] = {name: array for name, array in arrays.items() if not name.endswith(_LENGTHS)}
    for target in columns:
        if target + _LENGTHS in arrays:
            parts = np.split(arrays[target], np.cumsum(arrays[target + _LENGTHS])[:-1])
            columns[target] = [part.tobytes().decode() for part in parts] if target in texts else parts
    return columns
