"""What an output means, one kind a TOML file: how to recognize outputs of this kind, and which bounds judge them.

The file's name is the kind's name; a new kind is one file. It says

    about          in a few words, after "is"
    shape          what it looks like, in words for messages
    [fits]         what it can be said of
        numbers    "real" (floats, and integers with a scale), "whole" (integers without one), "truth" (bool)
        rows       "one" or "several": how many rows there are on the last axis, all axes before it together; without it, any number
        last       [least] or [least, most] elements on the last axis
        elements   "one" or "several" elements of each sample
    [inferred]     by what it is recognized; without it, only whoever says so knows
        operators  canonical names (`toolkit.tensors.endings`) of operators that an output ends with
        last       the most elements on the last axis that this goes for
        numbers    what of all numbers nothing else explains
        names      parts of the output's name; a guess, which is said
        labels     true: where a label of each sample is the place of its largest number, more often than always the same one
        otherwise  true: for what is none of the others
    [inferred.rows]
        are        what the reference's rows look like: a key of `toolkit.comparison.output_kinds.rows.LOOKS`
        within     how near to that
        because    why so near
    [[bounds]]     as in a profile; they go for outputs of this kind, and are the lowest layer of every profile
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from toolkit import config
from toolkit.comparison.output_kinds.file import OutputKindSpec
from toolkit.errors import UnknownName

__all__ = ["KindName", "OutputKindSpec", "all_kinds", "bounds_of", "load", "names", "path_of"]

_FOLDER = Path(__file__).resolve().parent


def names() -> tuple[str, ...]:
    """Return the names of all kinds, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def _known(name: str) -> str:
    if name not in names():
        raise config.unknown(names())
    return name


KindName = Annotated[str, AfterValidator(_known)]  # of a field in a file


def path_of(name: str) -> Path:
    """Return the file of a kind."""
    return _FOLDER / f"{name}.toml"


@functools.cache
def load(name: str) -> OutputKindSpec:
    """Return a kind; UnknownName, with the closest name, where it does not exist."""
    if name not in names():
        raise UnknownName("kind of output", name, names())
    return config.parsed(path_of(name), _tables(name), OutputKindSpec)


def all_kinds() -> dict[str, OutputKindSpec]:
    """Return all kinds by name."""
    return {name: load(name) for name in names()}


@functools.cache  # each profile ends with these bounds
def bounds_of(name: str) -> list[dict[str, Any]]:
    """Return the [[bounds]] tables of a kind, restricted to outputs of this kind."""
    return [{**table, "kinds": [name]} for table in _tables(name).get("bounds", [])]


@functools.cache
def _tables(name: str) -> Mapping[str, Any]:
    return config.read(path_of(name))
