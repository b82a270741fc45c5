"""Samples from a function of the user's: `package.module:function`, or `path/to/file.py:function`.

It is called once, with the recipe's `args` as keyword arguments, and returns one of

    an iterable of samples      each a dict by input name, or an array if the model has one input, or (such, label)
    columns                     an array, or a dict of arrays by input name, whose first axis counts the samples, or
                                (such, labels)

A label is a number or an array, or a dict of numbers, arrays and texts by target; arrays of a target may differ in length.

The reader takes no more from a generator than it needs, in the generator's order, so it may be endless. The seed draws only from results that have a
length. Output of the function goes to the job's log. Its results are never taken from the cache, because the files that it reads are unknown.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from toolkit.errors import InvalidSamples
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample
from toolkit.wire.user_function import EXPECTED, SPELLING, blame, import_function

CACHED = False
ENVIRONMENT = "dataset"


@dataclass(frozen=True)
class Options:
    """`function`: its name; a module is searched in the recipe's folder, then in the current one. `args`: its arguments."""

    function: str
    args: dict[str, Any] = field(default_factory=dict)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if SPELLING.fullmatch(self.function) is None:
            raise ValueError(f"function {self.function!r}; {EXPECTED}")
        try:
            json.dumps(self.args)
        except TypeError as error:
            raise ValueError(
                f"args: {error}; expected texts, numbers, booleans, and lists and tables of them"
            ) from error


def recognize(data: str) -> tuple[Path, Options] | None:
    """Return options for a function's name."""
    return (Path(), Options(data)) if SPELLING.fullmatch(data) else None


def files(options: Options) -> dict[str, str]:
    """Return the function's file, if the recipe names one."""
    place = options.function.rpartition(":")[0]
    return {"function": place} if place.endswith(".py") else {}


def read(options: Options, files: Mapping[str, Path], asked: ReadRequest) -> Reading:
    """Return the samples of the function."""
    with _blame(options.function, "cannot be imported"):
        folder = asked.folder or Path.cwd()
        # The path in the recipe, and not the link in the job's folder: the module may import files beside it.
        file = Path(os.path.abspath(folder / options.function.rpartition(":")[0])) if "function" in files else None
        function = import_function(options.function, file, [folder, Path.cwd()], InvalidSamples)
    with _blame(options.function, "failed"):
        given = function(**options.args)
    columns, labels = _pair(given)
    place = f"{options.function}: "
    if isinstance(columns, np.ndarray) or (isinstance(columns, Mapping) and columns):
        return Reading(_table(options.function, columns, labels, asked.names), place=place)
    if hasattr(given, "__len__") and hasattr(given, "__getitem__") and not isinstance(given, (str, bytes, Mapping)):
        return Reading(_sequence(options.function, given, asked.names), place=place)
    if not hasattr(given, "__iter__"):
        raise InvalidSamples(
            f"{options.function}: gave {type(given).__name__}; expected an iterable of samples, or arrays"
        )
    return Reading(_stream(options.function, given, asked.names), place=place)


def _pair(given: Any) -> tuple[Any, Any]:
    """Return the samples and their labels, None if there are none."""
    if not isinstance(given, tuple):
        return given, None
    try:
        values, labels = given
    except ValueError:
        raise InvalidSamples(
            f"a tuple of {len(given)}; expected a pair (inputs, label), or a dict by input name"
        ) from None
    return values, labels


def _table(function: str, columns: Any, labels: Any, names: tuple[str, ...]) -> Indexed:
    """Return the samples of arrays whose first axis counts them."""
    whole = _sample(columns, 0, names).inputs
    targets = _targets(labels)
    counts = {name: array.shape[0] if array.shape else None for name, array in whole.items()}
    for target, column in targets.items():
        key = f"labels.{target}" if isinstance(labels, Mapping) else "labels"
        counts[key] = len(column) if isinstance(column, list) or np.ndim(column) else None
    if len(set(counts.values())) != 1 or None in counts.values():
        raise InvalidSamples(
            f"{function}: gave arrays that do not agree on the number of samples along their first axis: {counts}"
        )

    def at(index: int) -> Sample:
        row = {name: np.asarray(array[index]) for name, array in whole.items()}
        truth = {target: column[index] for target, column in targets.items()}
        label = truth if isinstance(labels, Mapping) else truth.get("labels")
        return Sample(row, label, f"sample {index}")

    return Indexed(next(iter(counts.values())) or 0, at)


def _targets(labels: Any) -> dict[str, Any]:
    """Return columns of labels by target (a single unnamed one as `labels`); lists stay lists, since their entries may differ in length."""
    if labels is None:
        return {}
    if isinstance(labels, Mapping):
        return dict(labels)
    return {"labels": labels if isinstance(labels, list) else np.asarray(labels)}


def _sequence(function: str, given: Any, names: tuple[str, ...]) -> Indexed:
    def at(index: int) -> Sample:
        with _blame(function, f"failed at sample {index}"):
            item = given[index]
        return _sample(item, index, names)

    return Indexed(len(given), at)


def _stream(function: str, given: Any, names: tuple[str, ...]) -> Iterator[Sample]:
    index = 0
    with _blame(function, "failed"):
        iterator = iter(given)
    while True:
        with _blame(function, f"failed after {index} samples"):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield _sample(item, index, names)
        index += 1


def _sample(item: Any, index: int, names: tuple[str, ...]) -> Sample:
    """Return an item of the function's result as a sample."""
    origin = f"sample {index}"
    values, label = _pair(item)
    try:
        if isinstance(values, Mapping):
            return Sample({str(name): np.asarray(value) for name, value in values.items()}, label, origin)
        if len(names) != 1:
            raise InvalidSamples(
                f"{origin}: is {type(values).__name__}; expected a dict with the model's inputs {list(names)}"
            )
        return Sample({names[0]: np.asarray(values)}, label, origin)
    except ValueError as error:  # rows with different lengths
        raise InvalidSamples(f"{origin}: is not an array: {error}") from error


def _blame(function: str, what: str) -> contextlib.AbstractContextManager[None]:
    return blame(function, what, InvalidSamples, "dataset")
