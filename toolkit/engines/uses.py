"""Uses of operators: how often a file uses an operator in one version with one combination of dtypes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from toolkit.engines.description import OperatorUse

NONE = "none"
"""An optional input that is left out."""

UNKNOWN = "unknown"
"""A tensor whose dtype the file does not tell."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One operator of a file with its place: the number of its graph, and its own number there, both from 0."""

    name: str
    version: int
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    graph: int
    index: int


def grouped(operators: Iterable[Placed]) -> list[OperatorUse]:
    """Return the different uses, in the order of their first operators, each with its count."""
    found: dict[tuple[str, int, tuple[str, ...], tuple[str, ...]], OperatorUse] = {}
    for each in operators:
        use = found.setdefault(
            (each.name, each.version, each.takes, each.gives),
            {
                "name": each.name,
                "version": each.version,
                "takes": list(each.takes),
                "gives": list(each.gives),
                "graph": each.graph,
                "index": each.index,
                "count": 0,
            },
        )
        use["count"] += 1
    return list(found.values())


def without_ends(dtypes: Sequence[str]) -> tuple[str, ...]:
    """Return dtypes without the optional tensors at the end that are left out."""
    kept = list(dtypes)
    while kept and kept[-1] == NONE:
        kept.pop()
    return tuple(kept)


def once(dtypes: Sequence[str]) -> tuple[str, ...]:
    """Return dtypes with neighbours that are equal given once: for operators that take any number of tensors."""
    return tuple(dtype for place, dtype in enumerate(dtypes) if place == 0 or dtype != dtypes[place - 1])
