"""Declares the expected shape of JSON as plain Python values, and checks what was read against it.

    str  bool  dict  list           a value of this type
    int                             an integer; `true` is none
    float                           an integer or a float; `true` is none
    object                          anything
    None                            null
    "passed"  1                     this string, this number
    [str]                           a list, every item of which fits
    (int, str)                      a list of exactly two items
    {"name": str, "note?": str}     a table with the key `name`, and perhaps with `note`; other keys pass: a later release may write some
    Each(int)                       a table of any keys, every value of which fits
    Either(str, None)               one of several
    Where(int, test, "an even int") what fits and passes a test; the text says what was expected

A part whose shape says nothing of its content (`dict`, `list`, `object`) is not checked further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

_SHOWN_CHARACTERS = 60
_NAMES = {str: "str", bool: "bool", int: "int", float: "float", dict: "table", list: "list", object: "any value"}
_SHA256_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Each:
    """A table of any keys whose values have this shape."""

    shape: object


@dataclass(frozen=True, slots=True, init=False)
class Either:
    """A value that has one of these shapes."""

    shapes: tuple[object, ...]

    def __init__(self, *shapes: object) -> None:
        object.__setattr__(self, "shapes", shapes)


@dataclass(frozen=True, slots=True)
class Where:
    """A value that has this shape and passes a test; `expected` says so in words."""

    shape: object
    test: Callable[[Any], bool]
    expected: str


class Misfit(NamedTuple):
    """A place where a value does not fit: the keys that lead there, and what is wrong."""

    where: tuple[str | int, ...]
    what: str

    def __str__(self) -> str:
        return f"{dotted(self.where)}: {self.what}" if self.where else self.what


def misfits(value: object, shape: object, where: tuple[str | int, ...] = ()) -> Iterator[Misfit]:
    """Yield every place where a value, as JSON is read, does not have a shape."""
    if isinstance(shape, dict | Each):
        yield from _misfits_of_table(value, shape, where)
    elif isinstance(shape, list | tuple):
        yield from _misfits_of_list(value, shape, where)
    elif isinstance(shape, Either):
        yield from _misfits_of_either(value, shape, where)
    elif isinstance(shape, Where):
        wrong = list(misfits(value, shape.shape, where))
        yield from wrong or ([] if shape.test(value) else [_misfit(value, shape, where)])
    elif not (_is(value, shape) if isinstance(shape, type) else type(value) is type(shape) and value == shape):
        yield _misfit(value, shape, where)


def fits(value: object, shape: object) -> bool:
    """Return whether a value, as JSON is read, has a shape."""
    return next(misfits(value, shape), None) is None


def described(shape: object) -> str:
    """Return a shape in words, for messages: `expected ...`."""
    if isinstance(shape, type):
        return _NAMES[shape]
    if isinstance(shape, dict | Each):
        return "table"
    if isinstance(shape, tuple):
        return f"list of {len(shape)}"
    if isinstance(shape, list):
        return "list"
    if isinstance(shape, Either):
        return " or ".join(map(described, shape.shapes))
    if isinstance(shape, Where):
        return shape.expected
    return shown(shape)


def shown(value: object) -> str:
    """Return a value as a message shows it: on one line, short, and without control characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return f"a {_NAMES[type(value)]} of {len(value)}"
    text = repr(value[: 2 * _SHOWN_CHARACTERS] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def dotted(where: tuple[str | int, ...]) -> str:
    """Return the keys that lead to a value as messages write them: comparisons[0].limit; other keys than plain words are quoted."""
    parts = (
        f"[{part}]" if isinstance(part, int) else f".{part}" if _is_plain(part) else f"[{shown(part)}]"
        for part in where
    )
    return "".join(parts).removeprefix(".")


def _is_plain(key: str) -> bool:
    return len(key) <= _SHOWN_CHARACTERS and key.isascii() and key.replace("-", "_").isidentifier()


def _is(value: object, kind: type) -> bool:
    if kind is float:
        return type(value) in {int, float}
    return kind is object or type(value) is kind


def _misfit(value: object, shape: object, where: tuple[str | int, ...]) -> Misfit:
    kind = "" if value is None or isinstance(value, bool | dict | list) else f" is {_NAMES[type(value)]}"
    of_other_type = kind if isinstance(shape, type | dict | Each | list | tuple) else ""
    return Misfit(where, f"{shown(value)}{of_other_type}, expected {described(shape)}")


def _misfits_of_table(value: object, shape: dict[str, object] | Each, where: tuple[str | int, ...]) -> Iterator[Misfit]:
    if type(value) is not dict:
        yield _misfit(value, dict, where)
        return
    for name, held in shape.items() if isinstance(shape, dict) else ((name, shape.shape) for name in value):
        key = name.removesuffix("?") if isinstance(shape, dict) else name
        if key in value:
            yield from misfits(value[key], held, (*where, key))
        elif key == name:
            yield Misfit((*where, key), f"missing, expected {described(held)}")


def _misfits_of_list(
    value: object, shape: list[object] | tuple[object, ...], where: tuple[str | int, ...]
) -> Iterator[Misfit]:
    if type(value) is not list or (isinstance(shape, tuple) and len(value) != len(shape)):
        yield _misfit(value, shape, where)
        return
    shapes = shape if isinstance(shape, tuple) else shape * len(value)
    for number, (item, held) in enumerate(zip(value, shapes, strict=True)):
        yield from misfits(item, held, (*where, number))


def _misfits_of_either(value: object, shape: Either, where: tuple[str | int, ...]) -> Iterator[Misfit]:
    """Yield what is wrong inside of the one alternative of the value's type; where there is none, or several, that none fits."""
    found = [list(misfits(value, each, where)) for each in shape.shapes]
    if all(found):
        inside = [each for each in found if len(each[0].where) > len(where)]
        yield from inside[0] if len(inside) == 1 else [_misfit(value, shape, where)]


def _is_inside(name: str) -> bool:
    """Whether a path leads from a folder to a place inside of it, written as this program writes it."""
    return "\0" not in name and all(part not in {"", ".", ".."} for part in name.split("/"))


def _is_sha256(text: str) -> bool:
    return len(text) == _SHA256_DIGITS and set(text) <= set("0123456789abcdef")


COUNT = Where(int, lambda value: value >= 0, "an int of at least 0")
AMOUNT = Where(float, lambda value: value >= 0, "a number of at least 0")
SHA256 = Where(str, _is_sha256, "64 hexadecimal digits")
INSIDE = Where(str, _is_inside, "the path of a file inside the folder")
