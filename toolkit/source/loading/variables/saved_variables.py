"""The variables in a tf.train.Saver's file: names, dtypes, shapes, and their values one by one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import InvalidSource, causes
from toolkit.source.loading.coverage import UnusedVariable
from toolkit.source.loading.variables.table import read_bundle, read_slices

_SLOT = re.compile(
    r"(^|/)(Adam|AdamW|AdaMax|Nadam|Adagrad|Adadelta|RMSProp|Momentum|Ftrl|Lamb|ExponentialMovingAverage|GradientDescent|SGD|optimizer\w*|adam_[mv])(_\d+)?(/|$)"
    r"|(^|/)(beta[12]_power|local_step|loss_scale|good_steps)(_\d+)?$|(^|/)training/"
)

_COUNTER = re.compile(
    r"(^|/)(global_step|step|epoch|iterations?|save_counter|current_loss_scale)(_\d+)?$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class SavedVariables:
    """The variables in a file, without their values: (dtype, shape) and size in bytes by name; `prefix` is TensorFlow's name of the file."""

    path: str
    prefix: Path
    variables: Mapping[str, tuple[str, list[int]]]
    sizes: Mapping[str, int]

    def reader(self) -> Any:
        """Return TensorFlow's reader; InvalidSource where it refuses the file."""
        import tensorflow as tf

        try:
            return tf.train.load_checkpoint(str(self.prefix))
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise InvalidSource(
                f"{self.path}: TensorFlow cannot read its variables: {causes(error)}", "copy it again"
            ) from error

    def value(self, reader: Any, name: str, part: str = "") -> np.ndarray:
        """Return a variable's value, or the `part` of a partitioned one; InvalidSource where it cannot be read.

        A part is in TensorFlow's notation, "20 10 0,10:0,10": the whole shape, then (start, length) by axis.
        """
        import tensorflow as tf

        try:
            value = np.asarray(reader.get_tensor(name))
        except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
            raise InvalidSource(
                f"{self.path}: the value of {name!r} cannot be read: {causes(error)}", "copy it again"
            ) from error
        for axis, piece in enumerate(_pieces(part)):
            if piece is not None:
                value = value.take(range(piece[0], sum(piece)), axis)
        return value

    def unused(self, used: Iterable[str], elsewhere: str) -> list[UnusedVariable]:
        """Return the variables that are not `used`; `elsewhere` is the kind of those that are neither an optimizer's nor counters."""
        left = sorted(set(self.variables) - set(used))
        return [{"name": name, "what": self._what(name, elsewhere)} for name in left]

    def _what(self, name: str, elsewhere: str) -> str:
        if _COUNTER.search(name):
            return "counter"
        # A slot has the shape of its variable, and its name with one more part.
        base = name.rpartition("/")[0]
        slot = base in self.variables and self.variables[base][1] == self.variables[name][1]
        return "optimizer" if slot or _SLOT.search(name) else elsewhere


def saved(path: str, inputs: Mapping[str, Path]) -> SavedVariables:
    """Return the variables in a Saver's file, of format V2 ("index") or V1 ("slices")."""
    if "slices" in inputs:
        found = read_slices(inputs["slices"])
        return SavedVariables(
            path, inputs["slices"], found, {name: _size(dtype, shape) for name, (dtype, shape) in found.items()}
        )
    index = inputs["index"]
    entries = read_bundle(index).entries
    found = {name: (entry.dtype, entry.shape) for name, entry in entries.items()}
    lengths = {name: entry.size or _size(entry.dtype, entry.shape) for name, entry in entries.items()}
    return SavedVariables(path, index.with_name(index.name.removesuffix(".index")), found, lengths)


def _size(dtype: str, shape: list[int]) -> int:
    """Return the size of a value in bytes; 0 where its elements have no fixed size."""
    item = {"bfloat16": 2, "qint8": 1, "quint8": 1, "qint32": 4}.get(dtype)
    if item is None:
        try:
            item = np.dtype(dtype).itemsize if dtype != "string" else 0
        except TypeError:
            item = 0
    return item * math.prod(shape)


def _pieces(part: str) -> list[tuple[int, int] | None]:
    """Return (start, length) by axis from TensorFlow's notation of a slice, None for a whole axis (tensorflow/core/framework/tensor_slice.h)."""
    if not part.strip():
        return []
    pieces: list[tuple[int, int] | None] = []
    for text in part.rpartition(" ")[2].split(":"):
        start, comma, length = text.partition(",")
        pieces.append((int(start), int(length)) if comma else None)
    return pieces
