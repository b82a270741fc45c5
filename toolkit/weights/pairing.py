"""Pairs the constants of an artifact with those of the float file: first those of matching operators, then the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from toolkit.engines.tflite.constants import Constant, Values
from toolkit.engines.tflite.graphs import ComputingOperator
from toolkit.weights.alignment import aligned, is_matrix

_COMMUTE = ("ADD", "MUL", "MAXIMUM", "MINIMUM")
# Their inputs and output share one grid. A constant beyond the grid is stored at its end, and there it decides the same.
_BY_ORDER = ("MAXIMUM", "MINIMUM", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
# One scale, that of activations, is used for all their inputs and outputs. A constant may be small beside these.
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
_SAME_DB = 20.0  # unmatched constants this similar count as the same; the limits then judge them like any others
_MOST_AXES = 4


@dataclass(frozen=True, slots=True)
class ConstantPlace:
    """A constant where an operator reads it: which of its inputs it is."""

    of: ComputingOperator
    at: int
    constant: Constant

    @property
    def role(self) -> str:
        """The role: "bias", "matrix" (also a table), "scalar", "vector"; "whole" for ids and other numbers that are not real."""
        if not self.constant.is_real:
            return "whole"
        if self.at == self.of.bias:
            return "bias"
        if is_matrix(self.constant.shape):
            return "matrix"
        return "scalar" if self.constant.size == 1 else "vector"

    @property
    def axis(self) -> int:
        """The axis of its channels."""
        if self.constant.axis is not None:
            return self.constant.axis
        return self.of.channels if self.at == 1 else -1

    @property
    def shares_a_range(self) -> bool:
        """Whether it is stored with the scale of its operator's activations, and not with its own."""
        return self.of.name in _ONE_SCALE

    @property
    def factors(self) -> np.ndarray | None:
        """The factors of its columns, float64 (columns,), which meet what it is multiplied with; None for a constant without them."""
        return self.of.factors if self.at == 1 else None

    def values(self) -> Values:
        """Return the constant's numbers, those of a bias with the step that kernels use; ValueError where they cannot be read."""
        return self.constant.values(self.of.bias_step if self.at == self.of.bias else None)


@dataclass(frozen=True, slots=True)
class Pair:
    """A constant of the artifact and its counterpart in the float file; `by` is how they were paired: "operator" or "values".

    `ours` is None for a bias that the artifact leaves out, `theirs` for a bias that it adds.
    """

    ours: ConstantPlace | None
    theirs: ConstantPlace | None
    by: str = "operator"


@dataclass(slots=True)
class Pairs:
    """The pairs of operators and of constants, and what is left on either side."""

    operators: list[tuple[ComputingOperator, ComputingOperator]]
    added: list[ComputingOperator]
    missing: list[ComputingOperator]
    pairs: list[Pair] = field(default_factory=list)
    ours: list[ConstantPlace] = field(default_factory=list)
    theirs: list[ConstantPlace] = field(default_factory=list)


def paired(ours: Sequence[ComputingOperator], theirs: Sequence[ComputingOperator]) -> Pairs:
    """Return the pairs of constants that correspond."""
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
    """Return the artifact's values, and the wanted ones, float64 of the same shape. ValueError where one of them cannot be read.

    Of a matrix whose columns have factors, the wanted values are the original's divided by these.
    """
    if pair.theirs is None:
        held = _read(pair.ours)
        return held, np.zeros(held.real.shape)
    wanted = _read(pair.theirs).real
    if pair.ours is None:
        return Values(np.zeros(wanted.shape), np.zeros(wanted.shape), np.zeros(()), None), wanted
    held = _read(pair.ours)
    if held.real.shape != wanted.shape:
        wanted = _laid_out(wanted, held.real)
    if pair.ours.factors is not None:
        wanted = wanted / pair.ours.factors
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
    """Pair leftover constants with the same values, in any layout: another converter fuses and orders operators differently."""
    for place in list(found.theirs):
        for other in found.ours:
            if other.constant.size == place.constant.size and _agree(other, place):
                found.pairs.append(Pair(other, place, "values"))
                found.theirs.remove(place)
                found.ours.remove(other)
                break


def _biases_alone(found: Pairs) -> None:
    """Pair a bias that only one of two matched operators has with None, which means zeros."""
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
    """Return the wanted numbers in the shape of `held`, with the order of axes that is nearest to it."""
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
    """Return the real number of an end of the stored range, computed from each value; the grid is even."""
    return held.real + (end - held.stored.astype(np.float64)) * held.step
