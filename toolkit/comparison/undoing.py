"""Mistakes that change numbers, each undone, or made in the reference as well; `displacing` has those that move numbers.

An attempt is a pair of arrays; they would be equal if the mistake were the only difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from toolkit.comparison.likeness import Likeness
from toolkit.comparison.metrics import Real
from toolkit.tensors.signature import TensorSpec

_NAMED = 3  # channels that a message names one by one
FACTOR = "factor"  # the kind of a single factor, which is compared with a single offset


@dataclass(frozen=True, slots=True)
class SampledOutput:
    """One output of the first samples: as the engine gave it, and as real values, (n, *shape)."""

    spec: TensorSpec
    raw: np.ndarray
    real: Real

    @classmethod
    def of(cls, spec: TensorSpec, raw: np.ndarray) -> SampledOutput:
        """Return the output of a run; `raw` is as the engine gave it."""
        return cls(spec, raw, spec.dequantize(raw))

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are integers without a scale."""
        return self.spec.is_integer and not self.spec.scale


@dataclass(frozen=True, slots=True)
class Correction:
    """A mistake, and two arrays that are equal if the mistake was made and nothing else is wrong.

    Their difference is compared with `signal`; None means the reference unchanged. `fitted` is how many numbers were fitted. The best of the
    attempts of one `kind` is taken; an empty `kind` stands for the code.
    """

    code: str
    message: str
    reference: Real
    candidate: Real
    signal: Real | None = None
    fitted: int = 0
    kind: str = ""


def by_channel(values: Real) -> Real:
    """Return the values as (n, channels): the last axis, or one channel for an output of one number."""
    return values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)


def rescaled(wanted: Real, given: SampledOutput, limits: Likeness) -> Iterator[Correction]:
    """Yield the best offset, and the best factor with offset: first one for all channels, then one for each."""
    if given.raw.dtype.kind in "iu":
        said = "its integers are not quantized numbers: scale and zero point do not belong to them"
        yield Correction("not-quantized-so", said, wanted, given.raw.astype(np.float64))
    if not np.isfinite(given.real).all() or not np.isfinite(wanted).all():
        return
    ours, theirs = by_channel(wanted), by_channel(given.real)
    yield from _factor(ours, theirs)
    for axis in (None, 0) if ours.shape[1] > 1 else (None,):
        yield from _offset(ours, theirs, axis)
        yield from _slope(ours, theirs, axis, limits)


def _offset(wanted: Real, given: Real, axis: int | None) -> Iterator[Correction]:
    off = np.atleast_1d((given - wanted).mean(axis=axis))
    if off.any():
        said = f"off by {_each(off, np.square(off), '{:+.4g}'.format)} in the output's own unit"
        yield Correction("offset", said, wanted, given - off, fitted=len(off), kind=f"offset of {len(off)}")


def _factor(wanted: Real, given: Real) -> Iterator[Correction]:
    """Yield one factor alone: undone if it makes numbers larger, else made in the reference."""
    with np.errstate(all="ignore"):
        product, powers = float((wanted * given).sum()), [float(np.square(each).sum()) for each in (wanted, given)]
        factor = product / powers[0] if powers[1] < powers[0] else powers[1] / product if product else 0.0
    if factor and np.isfinite(factor) and factor != 1:
        pair = (factor * wanted, given) if abs(factor) < 1 else (wanted, given / factor)
        said = f"it is the reference times {factor:.4g}: another scale, or other preprocessing"
        yield Correction("slope", said, *pair, pair[0], fitted=1, kind=FACTOR)


def _slope(wanted: Real, given: Real, axis: int | None, limits: Likeness) -> Iterator[Correction]:
    """Yield factor and offset by least squares: undone if they make numbers larger, else made in the reference, so that noise is not enlarged.

    If only rounding to few values is left, a small factor cannot fit better: the result is then compared with the reference's own variation.
    """
    means = [np.atleast_1d(each.mean(axis=axis)) for each in (wanted, given)]
    ours, theirs = wanted - means[0], given - means[1]
    powers = [np.atleast_1d(np.square(each).sum(axis=axis)) for each in (ours, theirs)]
    product = np.atleast_1d((ours * theirs).sum(axis=axis))
    smaller = bool(powers[1].sum() < powers[0].sum())
    with np.errstate(all="ignore"):
        related = float(np.square(product).sum() / (powers[0] * powers[1]).sum())
        factor = product / powers[0] if smaller else powers[1] / product
        offset = means[1] - factor * means[0]
    if not (related >= limits.related.limit and np.isfinite(factor).all() and np.isfinite(offset).all()):
        return
    done = factor * wanted + offset
    weights = np.square((factor - 1) * np.sqrt(powers[0])) + np.square(means[1] - means[0])
    times, plus = (_each(one, weights, "{:.4g}".format) for one in (factor, offset))
    said = f"it is the reference times {times}, plus {plus}: another scale or zero point, or other preprocessing"
    fitted, kind = 2 * len(factor), f"slope of {len(factor)}"
    if smaller:
        yield Correction("slope", said, done, given, None if _is_rounded(done, given) else done, fitted, kind)
    else:
        yield Correction("slope", said, wanted, (given - offset) / factor, None, fitted, kind)


def _is_rounded(exact: Real, given: Real) -> bool:
    """Return whether two arrays differ only by rounding to the second one's values: by at most half the distance of these, as a root mean square."""
    gaps = np.diff(np.unique(given))
    return bool(gaps.size) and bool(np.sqrt(np.square(given - exact).mean()) <= gaps.min() / 2)


def _each(values: Real, weights: Real, write: Callable[[float], str]) -> str:
    """Return one number, or those of the channels with the largest weights."""
    if len(values) == 1:
        return write(float(values[0]))
    most = sorted(np.argsort(-weights, kind="stable")[:_NAMED])
    named = ", ".join(f"{write(float(values[place]))} in channel {place}" for place in most)
    return named + (f" and so on for {len(values) - _NAMED} more" if len(values) > _NAMED else "")


def clipped(wanted: Real, given: Real, limits: Likeness) -> Iterator[Correction]:
    """Yield the reference clipped to the candidate's range, if the candidate is often at an end of it and agrees in between."""
    with np.errstate(invalid="ignore"):
        low, high = float(given.min()), float(given.max())
        below, above = wanted < low, wanted > high
    inside = ~(below | above)
    if not (1 - inside.mean() >= limits.cut.limit and inside.mean() >= limits.left.limit):
        return
    between, tell = given[inside] - wanted[inside], wanted[inside]
    if not np.square(between).sum() <= (1 - limits.nearly_all.limit) * np.square(tell - tell.mean()).sum():
        return
    ends = [
        f"{where} {end:.4g}, where {part.mean():.0%} of the reference's values lie"
        for where, end, part in (("below", low, below), ("above", high, above))
        if part.mean() >= limits.cut.limit / 2
    ]
    yield Correction("clipped", f"it is cut off {' and '.join(ends)}", np.clip(wanted, low, high), given, wanted)


def activated(wanted: Real, given: Real) -> Iterator[Correction]:
    """Yield a softmax or a sigmoid that is missing, or one too many; the softmax of one element is always 1."""
    with np.errstate(all="ignore"):
        if wanted.ndim > 1 and wanted.shape[-1] > 1:
            said = "the candidate gives scores before softmax, the reference probabilities"
            yield Correction("softmax-missing", said, wanted, _softmax(given))
            said, done = "the candidate gives probabilities, the reference scores before softmax", _softmax(wanted)
            yield Correction("softmax-added", said, done, given, done)
        yield Correction("sigmoid-missing", "the candidate gives scores before the sigmoid", wanted, _sigmoid(given))
        said, done = "the candidate gives what a sigmoid makes of the reference's scores", _sigmoid(wanted)
        yield Correction("sigmoid-added", said, done, given, done)


def _softmax(scores: Real) -> Real:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _sigmoid(scores: Real) -> Real:
    return np.asarray(1 / (1 + np.exp(-scores)))
