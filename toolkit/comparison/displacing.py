"""Mistakes that move numbers: to another output, another shape or order, or to other positions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from toolkit.comparison.likeness import Likeness
from toolkit.comparison.metrics import Real
from toolkit.comparison.undoing import Correction, SampledOutput, by_channel

_MOST_AXES = 5  # with more axes, not all orders are tried; 5 have 120
_MOST_CLASSES = 4096  # the search for an order correlates each class with each
_LONG = 8  # places on an axis along which numbers may move


def moved(
    name: str, given: SampledOutput | None, ours: Mapping[str, SampledOutput], theirs: Mapping[str, SampledOutput]
) -> Iterator[Correction]:
    """Yield the outputs that may be this one in another place; an output that is right in its own place is left out."""
    wanted = ours[name].real
    code, verb = ("outputs-swapped", "lies in") if given is not None else ("output-renamed", "is called")
    for other, output in theirs.items():
        if other == name or output.real.shape != wanted.shape:
            continue
        own = ours[other].real if other in ours else None
        if own is not None and own.shape == wanted.shape and _apart(own, output.real) <= _apart(wanted, output.real):
            continue
        yield Correction(code, f"what was {name!r} {verb} {other!r}", wanted, output.real)


def laid_out(wanted: Real, given: Real) -> Iterator[Correction]:
    """Yield the same numbers in another shape."""
    if given.shape != wanted.shape and given.size == wanted.size:
        said = f"the same numbers have the shape {given.shape[1:]} for {wanted.shape[1:]}"
        yield Correction("reshaped", said, wanted, given.reshape(wanted.shape))


def late(wanted: Real, given: Real, limits: Likeness, places: Sequence[int]) -> Iterator[Correction]:
    """Yield the candidate shifted by some samples (axis 0) or by some places on the other axes in `places`."""
    for axis in places:
        length = wanted.shape[axis]
        for count in range(1, min(limits.behind.limit, length // 2) + 1):
            early, later = np.arange(length - count), np.arange(count, length)
            for ours, theirs, words in (
                (early, later, ("behind", "further on")),
                (later, early, ("ahead of", "nearer")),
            ):
                much = f"{count} {'sample' if axis == 0 else 'place'}{'' if count == 1 else 's'}"
                said = (
                    f"it is {much} {words[0]} the reference"
                    if axis == 0
                    else f"it lies {much} {words[1]} on axis {axis}"
                )
                pair = wanted.take(ours, axis), given.take(theirs, axis)
                yield Correction("shifted" if axis else "delayed", said, *pair, kind="late")


def reordered(wanted: Real, given: Real, classes: str) -> Iterator[Correction]:
    """Yield the candidate with samples, axes, or places on the last axis reordered, so that each is next to its most similar counterpart."""
    axes = tuple(range(1, given.ndim))
    rows, columns = order_of_samples(wanted, given), order_of_classes(wanted, given)
    if rows is not None:
        place = _first_moved(rows)
        said = f"the samples have another order: sample {place} is the reference's answer to sample {rows[place]}"
        yield Correction("samples-permuted", said, wanted, given[np.argsort(rows)])
    for order in itertools.permutations(axes) if len(axes) <= _MOST_AXES else ():
        turned = given.transpose(0, *order)
        if order != axes and turned.shape == wanted.shape:
            said = f"its axes have another order ({', '.join(map(str, order))}), as NHWC and NCHW have"
            yield Correction("axes-permuted", said, wanted, turned)
    if columns is not None:
        off = [number for number, place in enumerate(columns) if number != place]
        said = f"the last axis has another order: place {off[0]} holds what belongs to place {columns[off[0]]}"
        if len(off) == 2:
            said = f"{classes} {off[0]} and {off[1]} are exchanged"
        yield Correction("classes-permuted", said, wanted, given[..., np.argsort(columns)])


def order_of_samples(wanted: Real, given: Real) -> list[int] | None:
    """Return for each sample of the candidate the sample of the reference that it is, if their order differs; else None."""
    if given.shape != wanted.shape:
        return None
    return _order(wanted.reshape(len(wanted), -1), given.reshape(len(wanted), -1))


def order_of_classes(wanted: Real, given: Real) -> list[int] | None:
    """Return for each place on the candidate's last axis the reference's place, if the order differs; else None."""
    if given.shape != wanted.shape or not 1 < by_channel(wanted).shape[1] <= _MOST_CLASSES:
        return None
    return _order(by_channel(wanted).T, by_channel(given).T)


def axes_to_move_along(wanted: Real, given: Real) -> list[int]:
    """Return the axes along which numbers may be shifted: samples, and long axes of a call, except those with another order of places."""
    rows, columns = order_of_samples(wanted, given), order_of_classes(wanted, given)
    found = [0] if rows is None and len(wanted) >= _LONG else []
    last = wanted.ndim - 1
    long = [axis for axis in range(2, wanted.ndim) if wanted.shape[axis] >= _LONG]
    return found + [axis for axis in long if axis != last or columns is None]


def _order(wanted: Real, given: Real) -> list[int] | None:
    """Return for each row of `given` the nearest row of `wanted`, if each row occurs once and the order differs; else None."""
    with np.errstate(all="ignore"):
        distances = np.square(wanted).sum(axis=1)[None, :] - 2 * given @ wanted.T
    order = [int(place) for place in np.nan_to_num(distances, nan=np.inf).argmin(axis=1)]
    return order if len(set(order)) == len(order) and order != list(range(len(order))) else None


def _first_moved(order: Sequence[int]) -> int:
    return next(number for number, place in enumerate(order) if number != place)


def _apart(one: Real, other: Real) -> float:
    with np.errstate(all="ignore"):
        return float(np.square(one - other).sum())
