"""Which constant of an artifact corresponds to which of the float file: those of matching operators first, then the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from toolkit.engines.tflite.constants import Constant, Values
from toolkit.engines.tflite.graphs import ComputingOperator
from toolkit.weights.alignment import aligned, is_matrix

_COMMUTE = ("ADD", "MUL", "MAXIMUM", "MINIMUM")
# What they read and give shares one grid, so that a constant beyond it is held at its end, where it decides the same.
_BY_ORDER = ("MAXIMUM", "MINIMUM", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
# All that they read and give is held by one scale, that of activations beside which a constant may be small.
_ONE_SCALE = (
    *_BY_ORDER,
    "CONCATENATION",
    "PACK",
    "PAD",
    "PADV2",
    "MIRROR_PAD",
    "SELECT",
    "SELECT_V2",
    "SCATTER_ND",
    "DYNAMIC_UPDATE_SLICE",
    "GATHER",
    "GATHER_ND",
)
_SAME_DB = 20.0  # what lies elsewhere is taken for the same from here on; the limits then judge it like any other
_MOST_AXES = 4


@dataclass(frozen=True, slots=True)
class ConstantPlace:
    """A constant where an operator reads it: which of its inputs it is."""

    of: ComputingOperator
    at: int
    constant: Constant

    @property
    def role(self) -> str:
        """What it is for: "bias", "matrix" (a table too), "scalar", "vector"; "whole" for ids and whatever else is no real number."""
        if not self.constant.is_real:
            return "whole"
        if self.at == self.of.bias:
            return "bias"
        if is_matrix(self.constant.shape):
            return "matrix"
        return "scalar" if self.constant.size == 1 else "vector"

    @property
    def axis(self) -> int:
        """The axis along which its channels lie."""
        if self.constant.axis is not None:
            return self.constant.axis
        return self.of.channels if self.at == 1 else -1

    @property
    def shares_a_range(self) -> bool:
        """Whether it is held by the scale of what is computed beside it, and not by one of its own."""
        return self.of.name in _ONE_SCALE

    def values(self) -> Values:
        """Return its numbers, those of a bias by the step that kernels take; ValueError where they cannot be read."""
        return self.constant.values(self.of.bias_step if self.at == self.of.bias else None)


@dataclass(frozen=True, slots=True)
class Pair:
    """A constant, and the real numbers float64 that it stands for, in its own order; `by` is how it was found: "operator" or "values".

    `ours` is None for a bias that the artifact leaves out, `theirs` for one that it adds.
    """

    ours: ConstantPlace | None
    theirs: ConstantPlace | None
    by: str = "operator"


@dataclass(slots=True)
class Pairs:
    """What was found: pairs of operators and of constants, and what is left on either side."""

    operators: list[tuple[ComputingOperator, ComputingOperator]]
    added: list[ComputingOperator]
    missing: list[ComputingOperator]
    pairs: list[Pair] = field(default_factory=list)
    ours: list[ConstantPlace] = field(default_factory=list)
    theirs: list[ConstantPlace] = field(default_factory=list)


def paired(ours: Sequence[ComputingOperator], theirs: Sequence[ComputingOperator]) -> Pairs:
    """Return which constant stands for which."""
    places = aligned(ours, theirs)
    matched = [{pair[side] for pair in places} for side in (0, 1)]
    found = Pairs(
        [(ours[one], theirs[other]) for one, other in places],
        [each for place, each in enumerate(ours) if place not in matched[0]],
        [each for place, each in enumerate(theirs) if place not in matched[1]],
    )
    found.ours = [ConstantPlace(each, at, held) for each in found.added for at, held in each.constants.items()]
    found.theirs = [ConstantPlace(each, at, held) for each in found.missing for at, held in each.constants.items()]
    for one, other in found.operators:
        _of_operators(one, other, found)
    _elsewhere(found)
    _biases_alone(found)
    return found


def values_of(pair: Pair) -> tuple[Values, np.ndarray]:
    """Return what the artifact holds, and what it should hold: float64 of the same shape. ValueError where one of them cannot be read."""
    if pair.theirs is None:
        held = _read(pair.ours)
        return held, np.zeros(held.real.shape)
    wanted = _read(pair.theirs).real
    if pair.ours is None:
        return Values(np.zeros(wanted.shape), np.zeros(wanted.shape), np.zeros(()), None), wanted
    held = _read(pair.ours)
    if held.real.shape != wanted.shape:
        wanted = _laid_out(wanted, held.real)
    if pair.ours.of.name in _BY_ORDER and held.ends is not None:
        low, high = (_real_end(held, end) for end in held.ends)
        wanted = np.clip(wanted, low, high)
    return held, wanted


def _of_operators(one: ComputingOperator, other: ComputingOperator, found: Pairs) -> None:
    taken = set()
    for at, constant in other.constants.items():
        place = ConstantPlace(other, at, constant)
        partner = at
        if at not in one.constants and one.name in _COMMUTE and len(one.constants) == len(other.constants) == 1:
            (partner,) = one.constants
        held = one.constants.get(partner)
        if held is not None and held.size == constant.size:
            found.pairs.append(Pair(ConstantPlace(one, partner, held), place))
            taken.add(partner)
        else:
            found.theirs.append(place)
    found.ours += [ConstantPlace(one, at, held) for at, held in one.constants.items() if at not in taken]


def _elsewhere(found: Pairs) -> None:
    """Pair what is left on both sides and has the same values, in whatever layout: another converter fuses and orders otherwise."""
    for place in list(found.theirs):
        for other in found.ours:
            if other.constant.size == place.constant.size and _agree(other, place):
                found.pairs.append(Pair(other, place, "values"))
                found.theirs.remove(place)
                found.ours.remove(other)
                break


def _biases_alone(found: Pairs) -> None:
    """Pair biases of matched operators that only one side has with nothing, which stands for zeros."""
    ours = {id(other): one for one, other in found.operators}
    theirs = {id(one): other for one, other in found.operators}
    for place in list(found.theirs):
        partner = ours.get(id(place.of))
        if place.role == "bias" and partner is not None and not {place.at} & {*partner.constants, *partner.feeds}:
            found.pairs.append(Pair(None, place))
            found.theirs.remove(place)
    for place in list(found.ours):
        partner = theirs.get(id(place.of))
        if place.role == "bias" and partner is not None and not {place.at} & {*partner.constants, *partner.feeds}:
            found.pairs.append(Pair(place, None))
            found.ours.remove(place)


def _agree(ours: ConstantPlace, theirs: ConstantPlace) -> bool:
    if ours.constant.is_real != theirs.constant.is_real:
        return False
    try:
        held, wanted = values_of(Pair(ours, theirs))
    except ValueError:
        return False
    noise, size = float(np.linalg.norm(held.real - wanted)), float(np.linalg.norm(wanted))
    return noise <= size * 10 ** (-_SAME_DB / 20)


def _laid_out(wanted: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return the wanted numbers in the shape of what is held, with the axes in that order which comes nearest to it."""
    best = wanted.reshape(held.shape)
    if wanted.ndim > _MOST_AXES:
        return best
    least = float(np.linalg.norm(best - held))
    for order in permutations(range(wanted.ndim)):
        turned = wanted.transpose(order).reshape(held.shape)
        off = float(np.linalg.norm(turned - held))
        if off < least:
            best, least = turned, off
    return best


def _read(place: ConstantPlace | None) -> Values:
    if place is None:
        raise ValueError("is not there")
    return place.values()


def _real_end(held: Values, end: int) -> np.ndarray:
    """Return the real number that an end of the stored range stands for: from any value, as the grid is even."""
    return held.real + (end - held.stored.astype(np.float64)) * held.step
