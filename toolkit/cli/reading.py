"""Read the texts of the command line: pairs, shapes, tensors, interpreters, kinds of outputs, sets of samples."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from toolkit.errors import RequestError

if TYPE_CHECKING:
    from toolkit.pipeline.prepare import Sets


def _pair(flag: str, text: str, example: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise RequestError(f"{flag} {text!r}: expected NAME=VALUE, as in {flag} {example}")
    return name, value


def environment_and_path(text: str) -> tuple[str, str]:
    """Return the environment of a `--python` (`litert==2.1.0` if a release is named) and its interpreter."""
    name, path = _pair("--python", text, "tensorflow=/path/to/python")
    if not path.startswith("="):
        return name, path
    release, interpreter = _pair("--python", path[1:], "litert==2.1.0=/path/to/python")
    return f"{name}=={release}", interpreter


def pairs_of(flag: str, texts: list[str] | None, example: str) -> dict[str, str]:
    """Return values by name; RequestError for a text that is not NAME=VALUE, and for a repeated name."""
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, value = _pair(flag, text, example)
        _refuse_twice(flag, name, pairs)
        pairs[name] = value
    return pairs


def tensors_of(flag: str, texts: list[str] | None) -> dict[str, str]:
    """Return tensors by their new names: the text before `=`, else the operator's own name."""
    tensors: dict[str, str] = {}
    for part in (part.strip() for text in texts or () for part in text.split(",")):
        name, sign, tensor = part.partition("=")
        if not name or (sign and not tensor):
            raise RequestError(f"{flag} {part!r}: expected NAME=TENSOR, as in {flag} image=IteratorGetNext:0")
        name, tensor = (name, tensor) if sign else (name.partition(":")[0], name)
        _refuse_twice(flag, name, tensors)
        tensors[name] = tensor
    return tensors


def _refuse_twice(flag: str, name: str, known: dict[str, str]) -> None:
    if name in known:
        raise RequestError(f"{flag} {name}: given twice; use each name once")


def shapes_of(texts: list[str] | None) -> list[tuple[str, list[int]]]:
    """Return the name and the sizes of each `--shape`, in their order; RequestError for a text that is no shape."""
    shapes = []
    for text in texts or ():
        name, sign, value = text.partition("=")
        try:
            sizes = [int(size) for size in value.split(",") if size.strip()] if value != "scalar" else []
        except ValueError:
            sizes = [-1]
        if not (name and sign and value) or any(size < 1 for size in sizes):
            raise RequestError(f"--shape {text!r}: expected NAME=SIZES, as in --shape image=1,8,8,1, or NAME=scalar")
        shapes.append((name, sizes))
    return shapes


def kinds_of(texts: list[str] | None) -> dict[str, str]:
    """Return kinds by output; RequestError with all mistakes."""
    if not texts:
        return {}
    from toolkit.comparison.output_kinds.declaring import read

    return read(texts)


def sets_of(flag: str, texts: list[str] | None) -> Sets:
    """Return the one set, or the sets by the name of a signature or size; a set without a name is for all others. RequestError for a repeated one."""
    from toolkit.pipeline.prepare import OTHERS

    sets: dict[str, str] = {}
    for text in texts or ():
        name, sign, place = text.partition("=")
        name, place = (name, place) if sign and not os.path.exists(text) else (OTHERS, text)
        if not place:
            raise RequestError(f"{flag} {text!r}: names no set; expected SET or NAME=SET")
        if name in sets:
            raise RequestError(f"{flag} {text}: the second for {'all' if name == OTHERS else name}; give one for each")
        sets[name] = place
    return sets[OTHERS] if list(sets) == [OTHERS] else sets or None
