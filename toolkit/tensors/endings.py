"""What an output ends with: the operator that gives its numbers, found behind those that only move, round or shift them.

It is by this that one tells scores from classes and both from measurements. Every format has a reader that says of a tensor what makes it, a `Made`;
the walk is the same for all. Names of operators differ from format to format: `canonical` makes one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

Tensor = Hashable

_MOVES = frozenset(
    "dequantize quantize reshape squeeze expanddims transpose cast slice stridedslice identity identityn flatten stopgradient "
    "fakequantwithminmaxvars fakequantwithminmaxvarsperchannel ensureshape preventgradient checknumerics".split()
)
_SHIFTS = frozenset(("sub",))  # by a constant, which is how labels begin at 1
_OF_INTEGERS = frozenset(("add", "sub", "mul"))  # which give another name to the same label
_JOINS = frozenset(("pack", "concat"))
_DIVIDES = frozenset(("mul", "div", "realdiv"))
_SUMS = frozenset(("sum", "reducesum", "reducel2", "reducesumsquare", "norm", "euclideannorm"))
_ROOTS = frozenset(("sqrt", "rsqrt", "pow", "reducel2", "norm", "euclideannorm"))
_KEEPS_PARTS = frozenset(("dequantize", "quantize", "identity", "identityn", "stopgradient", "ensureshape", "cast"))
_SAME = {
    "sigmoid": "logistic",
    "concatenation": "concat",
    "lpnormalization": "l2normalization",
    "quantizelinear": "quantize",
    "dequantizelinear": "dequantize",
    "unsqueeze": "expanddims",
    "addn": "add",
    "reduceargmax": "argmax",
}
_FARTHEST = 64  # operators from an output
_NEAR = 12  # operators between a vector and its length


@dataclass(frozen=True, slots=True)
class Made:
    """What makes a tensor: an operator by its own name, and of its inputs those that are no constants.

    `position` is which of its outputs it is. `joins_last` is whether a concatenation is along the last axis, and `parts` are the sizes of what it
    joins there, empty where they are not known. `dtype` is numpy's name, "" where the file does not tell.
    """

    operator: str
    inputs: tuple[Tensor, ...]
    position: int = 0
    dtype: str = ""
    joins_last: bool = False
    parts: tuple[int, ...] = ()


Maker = Callable[[Any], Made | None]  # None for an input of the graph, and for a constant


@dataclass(frozen=True, slots=True)
class Ending:
    """The operator at which a walk from an output ended: `kind` is its canonical name, `operator` its own; both "" where there is none.

    `through` are the operators that were passed, from the output on. `parts` are the sizes, along the output's last axis, of what was joined there.
    """

    operator: str = ""
    kind: str = ""
    through: tuple[str, ...] = ()
    dtype: str = ""
    position: int = 0
    parts: tuple[int, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "operator": self.operator,
            "kind": self.kind,
            "through": list(self.through),
            "dtype": self.dtype,
            "position": self.position,
            "parts": list(self.parts),
        }

    @classmethod
    def from_json(cls, content: Any) -> Ending:
        """Return what `to_json` wrote."""
        lists = {name: tuple(content[name]) for name in ("through", "parts")}
        return cls(**{**content, **lists})


def canonical(operator: str) -> str:
    """Return one name for an operator of any format: SOFTMAX and Softmax are softmax, LOGISTIC and Sigmoid are logistic."""
    name = re.sub(r"v\d$", "", operator.replace("_", "").lower())
    return _SAME.get(name, name)


def ending(maker: Maker, output: Tensor) -> Ending:
    """Return what an output ends with."""
    return _ending(maker, output, _FARTHEST)


def _ending(maker: Maker, tensor: Tensor, farthest: int) -> Ending:
    through: list[str] = []
    while (made := maker(tensor)) is not None:
        kind = canonical(made.operator)
        farthest -= 1
        if farthest <= 0 or not made.inputs:
            break
        if kind in _JOINS and not made.joins_last:
            joined = _joined(maker, made, farthest)
            if joined is not None:
                return Ending(joined.operator, joined.kind, (*through, made.operator, *joined.through), joined.dtype)
            break
        if not _only_moves(kind, made):
            break
        through.append(made.operator)
        tensor = made.inputs[min(made.position, len(made.inputs) - 1)]
    if made is None:
        return Ending(through=tuple(through))
    if kind in _DIVIDES and _by_length(maker, made):
        kind = "l2normalization"
    parts = made.parts if made.joins_last and {canonical(each) for each in through} <= _KEEPS_PARTS else ()
    return Ending(made.operator, kind, tuple(through), made.dtype, made.position, parts)


def _only_moves(kind: str, made: Made) -> bool:
    if kind == "identityn":
        return True
    if len(made.inputs) != 1:
        return False
    is_integer = made.dtype.startswith(("int", "uint"))
    return kind in _MOVES or kind in _SHIFTS or (is_integer and kind in _OF_INTEGERS)


def _joined(maker: Maker, made: Made, farthest: int) -> Ending | None:
    """Return the ending that all joined tensors share, None where they differ."""
    endings = [_ending(maker, tensor, farthest // 2) for tensor in made.inputs[:_FARTHEST]]
    return endings[0] if endings[0].kind and len({each.kind for each in endings}) == 1 else None


def _by_length(maker: Maker, made: Made) -> bool:
    """Return whether a product or quotient is of a vector with its own length: a root of a sum that comes from the same vector."""
    if len(made.inputs) != 2:
        return False
    return any(_is_length(maker, made.inputs[other], made.inputs[1 - other]) for other in (0, 1))


def _is_length(maker: Maker, tensor: Tensor, vector: Tensor) -> bool:
    seen: set[str] = set()
    for _ in range(_NEAR):
        if tensor == vector:
            return bool(seen & _SUMS and seen & _ROOTS)
        made = maker(tensor)
        if made is None or not made.inputs or len(set(made.inputs)) != 1:
            return False
        seen.add(canonical(made.operator))
        tensor = made.inputs[0]
    return False
