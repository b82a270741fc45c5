"""Explains a constant that is off by operators beside it: one converter folds a factor or an offset into weights and bias, another leaves it.

The artifact's operator and what only the artifact has beside it must compute the same as the original's operator and what only the original has
beside it: all weights and all offsets, each within the rounding of the constants concerned. So an operator that changes nothing explains nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from toolkit.engines.tflite.constants import Values
from toolkit.engines.tflite.graphs import ComputingOperator
from toolkit.weights.attributes import ACTIVATION
from toolkit.weights.pairing import ConstantPlace, Pair, Pairs, values_of
from toolkit.weights.thresholds import Thresholds

_FOLDS = ("MUL", "ADD", "SUB", "DIV")  # what a converter may fold into weights and biases, or leave
_OFFSETS = ("ADD", "SUB")
_AXES = {  # of weights, as TFLite lays them out: those of output channels and of input channels
    "FULLY_CONNECTED": (0, -1),
    "CONV_2D": (0, -1),
    "TRANSPOSE_CONV": (0, -1),
    "DEPTHWISE_CONV_2D": (-1, -1),
}
_FED = {"TRANSPOSE_CONV": 2}  # the input with the data, 0 for other operators
_MOST_FOLDED = 4  # operators together: a normalization is written with four at most
_FLOAT32 = 2.0**-22  # of a value: two roundings of float32


@dataclass(frozen=True, slots=True)
class _Rounded:
    """Numbers, float64, and how far rounding may have moved each; both of one shape."""

    real: np.ndarray
    slack: np.ndarray

    def plus(self, other: _Rounded) -> _Rounded:
        return _Rounded(self.real + other.real, self.slack + other.slack)

    def times(self, other: _Rounded) -> _Rounded:
        slack = np.abs(self.real) * other.slack + np.abs(other.real) * self.slack + self.slack * other.slack
        return _Rounded(self.real * other.real, slack)

    def along(self, axis: int | None, like: _Rounded) -> _Rounded:
        """Return numbers by channel in a shape that broadcasts to `like` along an axis; ValueError where their counts do not fit."""
        if axis is None or self.real.size == 1:
            return self
        times, rest = divmod(like.real.shape[axis], self.real.size)
        if rest:
            raise ValueError(f"{self.real.size} numbers for {like.real.shape[axis]} channels")
        shape = [1] * like.real.ndim
        shape[axis] = -1  # a depthwise convolution makes several channels of each
        return _Rounded(*(np.repeat(each, times).reshape(shape) for each in (self.real, self.slack)))

    def summed(self, axis: int | None) -> _Rounded:
        """Return the sums of each channel of an axis."""
        if axis is None:
            return self
        others = tuple(each for each in range(self.real.ndim) if each != axis % self.real.ndim)
        return _Rounded(self.real.sum(axis=others), self.slack.sum(axis=others))


@dataclass(frozen=True, slots=True)
class _Affine:
    """What an operator computes: weights times input plus offset. `out` and `into` are axes of the weights, None for an operator by elements."""

    weights: _Rounded
    offset: _Rounded
    out: int | None = None
    into: int | None = None

    def then(self, step: _Affine) -> _Affine:
        """Return this one followed by a factor and an offset."""
        weights = self.weights.times(step.weights.along(self.out, self.weights))
        return replace(self, weights=weights, offset=self.offset.times(step.weights).plus(step.offset))

    def after(self, step: _Affine) -> _Affine:
        """Return this one with a factor and an offset in front of it."""
        met = self.weights.times(step.offset.along(self.into, self.weights)).summed(self.out)
        weights = self.weights.times(step.weights.along(self.into, self.weights))
        return replace(self, weights=weights, offset=self.offset.plus(met))


@dataclass(frozen=True, slots=True)
class _Side:
    """An operator, what it computes, and the operators in front of it and behind it that only its file has, the nearest first."""

    computes: _Affine
    front: Sequence[tuple[ComputingOperator, _Affine]]
    behind: Sequence[tuple[ComputingOperator, _Affine]]

    def folded(self, front: int, behind: int) -> _Affine:
        """Return what the operator computes with its nearest operators of each direction."""
        found = self.computes
        for _, step in self.front[:front]:
            found = found.after(step)
        for _, step in self.behind[:behind]:
            found = found.then(step)
        return found


def explained_by(pair: Pair, pairs: Pairs, limits: Thresholds) -> list[ComputingOperator] | None:
    """Return the operators that only the artifact has and that explain why a constant is off, the fewest; None where nothing does.

    The list is empty where operators that only the original has explain it: the artifact has folded them.
    """
    sides = _sides(pair, pairs, limits.rounded)
    if sides is None:
        return None
    place = pair.ours or pair.theirs
    offset = place is not None and (place.at == place.of.bias or place.of.name in _OFFSETS)
    ours, theirs = sides
    for mine, its in _counts(ours, theirs):
        with contextlib.suppress(ValueError), np.errstate(all="ignore"):  # numbers of another count of channels
            if _explains(ours, theirs, mine, its, limits, offset=offset):
                return [each for each, _ in (*ours.front[: mine[0]], *ours.behind[: mine[1]])]
    return None


def _counts(ours: _Side, theirs: _Side) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield how many operators of each side to fold, in front and behind, the fewest first.

    Of the original's, all of one direction or none: the artifact lacks them, so that each that is not folded would be lost.
    """
    some = [range(len(each) + 1) for each in (ours.front, ours.behind)]
    for count in sorted(product(*some, *({0, len(each)} for each in (theirs.front, theirs.behind))), key=sum):
        if 0 < sum(count) <= _MOST_FOLDED:
            yield (count[0], count[1]), (count[2], count[3])


def _explains(
    ours: _Side, theirs: _Side, mine: tuple[int, int], its: tuple[int, int], limits: Thresholds, *, offset: bool
) -> bool:
    """Return whether both sides compute the same with that many operators folded, and not without."""
    one, other = ours.folded(*mine), theirs.folded(*its)
    base = (ours.computes.offset, theirs.computes.offset)  # offsets may cancel
    if not (_same(one.weights, other.weights, limits) and _same(one.offset, other.offset, limits, *base)):
        return False
    without = (ours.computes, other) if any(mine) else (one, theirs.computes)
    before, left = (_apart(*each, offset=offset) for each in (without, (one, other)))
    return left <= limits.left * before


def _same(one: _Rounded, other: _Rounded, limits: Thresholds, *terms: _Rounded) -> bool:
    """Return whether numbers differ by no more than rounding, and that is small beside the largest of them and of the `terms` that were added."""
    apart = np.abs(one.real - other.real)
    beyond = np.maximum(apart - one.slack - other.slack, 0)
    size, *sizes = (float(np.linalg.norm(np.broadcast_to(each.real, apart.shape))) for each in (other, *terms))
    near, large = np.linalg.norm(beyond) <= limits.off * size, limits.lost * max(size, *sizes, 0.0)
    return bool(near and np.linalg.norm(apart) <= large)


def _apart(one: _Affine, other: _Affine, *, offset: bool) -> float:
    parts = (one.offset, other.offset) if offset else (one.weights, other.weights)
    return float(np.linalg.norm(parts[0].real - parts[1].real))


def _sides(pair: Pair, pairs: Pairs, rounded: float) -> tuple[_Side, _Side] | None:
    """Return both operators of a pair; None where one is not known to be affine, or has nothing beside it that the other lacks."""
    operators = _operators(pair, pairs)
    if operators is None:
        return None
    lists = (
        ([one for one, _ in pairs.operators], pairs.added),
        ([other for _, other in pairs.operators], pairs.missing),
    )
    chains = [_chains(each, *of, rounded) for each, of in zip(operators, lists, strict=True)]
    if not any(chain for each in chains for chain in each):
        return None
    try:
        computed = _computed(*operators, pairs, rounded)
    except ValueError:  # of an encoding that is not read
        return None
    if computed is None:
        return None
    ours, theirs = (_Side(of, *chain) for of, chain in zip(computed, chains, strict=True))
    return ours, theirs


def _operators(pair: Pair, pairs: Pairs) -> tuple[ComputingOperator, ComputingOperator] | None:
    """Return the operators of a pair; a bias that only one has belongs to the operators that correspond."""
    if pair.ours is not None and pair.theirs is not None:
        return pair.ours.of, pair.theirs.of
    alone = [each.of for each in (pair.ours, pair.theirs) if each is not None]
    return next((each for each in pairs.operators if any(of is alone[0] for of in each)), None)


def _computed(
    ours: ComputingOperator, theirs: ComputingOperator, pairs: Pairs, rounded: float
) -> tuple[_Affine, _Affine] | None:
    """Return what two operators compute, both with weights in the artifact's layout; ValueError for an encoding that is not read."""
    if ours.name in _FOLDS and theirs.name in _FOLDS:
        one, other = _step(ours, rounded), _step(theirs, rounded)
        return None if one is None or other is None else (one, other)
    matrix = next((each for each in pairs.pairs if _is_of(each, ours, theirs)), None)
    if ours.name != theirs.name or ours.name not in _AXES or matrix is None:
        return None
    if any(each.bias in each.feeds for each in (ours, theirs)):
        return None
    held, wanted = values_of(matrix)
    factors = np.ones(()) if ours.factors is None else ours.factors
    by, axes = _exact(factors), _AXES[ours.name]
    return (
        _Affine(_within(held, rounded).times(by), _bias(ours, rounded), *axes),
        _Affine(_exact(wanted).times(by), _bias(theirs, rounded), *axes),
    )


def _is_of(pair: Pair, ours: ComputingOperator, theirs: ComputingOperator) -> bool:
    """Return whether a pair is that of the weights of two operators."""
    if pair.ours is None or pair.theirs is None:
        return False
    return pair.ours.of is ours and pair.theirs.of is theirs and pair.ours.at == pair.theirs.at == 1


def _bias(operator: ComputingOperator, rounded: float) -> _Rounded:
    held = operator.constants.get(operator.bias)
    if held is None:
        return _exact(np.zeros(1))
    return _within(ConstantPlace(operator, operator.bias, held).values(), rounded)


def _chains(
    operator: ComputingOperator,
    matched: Sequence[ComputingOperator],
    left: Sequence[ComputingOperator],
    rounded: float,
) -> tuple[list[tuple[ComputingOperator, _Affine]], list[tuple[ComputingOperator, _Affine]]]:
    """Return the operators among `left` in front of one and behind it, which nothing else reads, the nearest first."""
    reading: dict[int, list[ComputingOperator]] = {}
    for each in (*matched, *left):
        for feed in each.feeds.values():
            reading.setdefault(id(feed), []).append(each)
    steps = {id(each): step for each in left if (step := _step(each, rounded)) is not None}
    return list(_in_front(operator, steps, reading)), list(_behind(operator, steps, reading))


def _in_front(
    operator: ComputingOperator, steps: Mapping[int, _Affine], reading: Mapping[int, list[ComputingOperator]]
) -> Iterator[tuple[ComputingOperator, _Affine]]:
    feed = operator.feeds.get(_FED.get(operator.name, 0))
    if operator.name in _FOLDS:
        feed = next(iter(operator.feeds.values()), None)
    for _ in range(_MOST_FOLDED + 1):  # with one more it is too long to fold
        if feed is None or id(feed) not in steps or len(reading[id(feed)]) > 1 or feed.options.get(ACTIVATION):
            return
        yield feed, steps[id(feed)]
        feed = next(iter(feed.feeds.values()), None)


def _behind(
    operator: ComputingOperator, steps: Mapping[int, _Affine], reading: Mapping[int, list[ComputingOperator]]
) -> Iterator[tuple[ComputingOperator, _Affine]]:
    for _ in range(_MOST_FOLDED + 1):  # with one more it is too long to fold
        readers = reading.get(id(operator), [])
        if operator.options.get(ACTIVATION) or len(readers) != 1 or id(readers[0]) not in steps:
            return
        operator = readers[0]
        yield operator, steps[id(operator)]


def _step(operator: ComputingOperator, rounded: float) -> _Affine | None:
    """Return the factor and the offset of an operator with one constant, a number or one for each channel; None for any other operator."""
    if operator.name not in _FOLDS or len(operator.constants) != 1 or len(operator.feeds) > 1:
        return None
    ((at, constant),) = operator.constants.items()
    if not constant.is_real or (constant.size > 1 and constant.shape[-1] != constant.size):
        return None
    try:
        held = _within(ConstantPlace(operator, at, constant).values(), rounded)
    except ValueError:  # of an encoding that is not read
        return None
    number = _Rounded(held.real.ravel(), held.slack.ravel())
    size = np.abs(number.real)
    one, none, minus = (_exact(np.full(1, each)) for each in (1.0, 0.0, -1.0))
    if operator.name == "MUL":
        known = size > number.slack  # of a factor that rounds to nothing, rounding is no excuse
        return _Affine(_Rounded(number.real, np.where(known, number.slack, 0.0)), none)
    if operator.name == "ADD":
        return _Affine(one, number)
    if operator.name == "SUB":
        return _Affine(one, number.times(minus)) if at == 1 else _Affine(minus, number)
    if at == 0 or not (size > number.slack).all():
        return None
    return _Affine(_Rounded(1 / number.real, number.slack / (size * (size - number.slack))), none)


def _within(held: Values, rounded: float) -> _Rounded:
    """Return the numbers of a constant, each within `rounded` steps of what it stands for, or within float32's rounding."""
    slack = np.maximum(np.broadcast_to(held.step, held.real.shape) * rounded, np.abs(held.real) * _FLOAT32)
    return _Rounded(held.real, slack)


def _exact(real: np.ndarray) -> _Rounded:
    return _Rounded(real, np.zeros(real.shape))
