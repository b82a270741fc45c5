"""What a difference looks like: the mistakes that are made again and again between a model and its conversion, each tried on what the runs gave.

Nothing here decides anything. A verdict has failed already; this says where to look. A mistake is named only where undoing it takes away most of the
difference, and how much it takes away is said with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from toolkit.compare.runs import Run
from toolkit.metrics import Real
from toolkit.signature import TensorSpec

_SWAPPED = "outputs-swapped"
_SAMPLES = 64  # that are looked at; a mistake of this kind is in each of them
_EXPLAINED_DB = 10.0  # nine tenths of the error's power
_MOST_AXES = 5  # whose orders are all tried: 120
_MOST_CLASSES = 4096  # whose order is looked for, by a correlation of each with each


@dataclass(frozen=True, slots=True)
class Explanation:
    """A mistake that accounts for most of an output's difference; in dB of signal to noise before and after it is undone."""

    output: str
    code: str
    message: str
    before_db: float
    after_db: float


@dataclass(frozen=True, slots=True)
class _Output:
    """One output of the first samples: as the engine gave it, and as real values, (n, *shape)."""

    raw: np.ndarray
    real: Real

    @classmethod
    def of(cls, spec: TensorSpec, raw: np.ndarray) -> _Output:
        return cls(raw, spec.dequantize(raw))


def explain(reference: Run, candidate: Run) -> tuple[Explanation, ...]:
    """Return the mistake that explains best how far each output is off, for those where one does. Both runs are read, and need not be whole."""
    ours, theirs = _first(reference), _first(candidate)
    found = []
    for name, wanted in ours.items():
        given = theirs.get(name)
        comparable = given is not None and given.real.shape == wanted.real.shape
        before = _agreement_db(wanted.real, given.real) if given is not None and comparable else -math.inf
        tried = [
            Explanation(name, code, message, before, _agreement_db(wanted.real, undone))
            for code, message, undone in _undone(name, wanted, given, theirs)
            if undone.shape == wanted.real.shape
        ]
        best = _likeliest([each for each in tried if each.after_db > max(before, 0.0) + _EXPLAINED_DB])
        if best is not None:
            found.append(best)
    return tuple(found)


def _likeliest(able: list[Explanation]) -> Explanation | None:
    """Return the mistake that takes away most, of those that explain an output: that it lies in another one's place before any that changes numbers.

    Scores and their softmax explain one another too; so another mistake has to take away most of what a mere exchange leaves.
    """
    best = max(able, key=lambda each: each.after_db, default=None)
    moved = max((each for each in able if each.code == _SWAPPED), key=lambda each: each.after_db, default=None)
    return best if best is None or moved is None or best.after_db >= moved.after_db + _EXPLAINED_DB else moved


def _first(run: Run) -> dict[str, _Output]:
    specs = {spec.name: spec for spec in run.signature.outputs}
    kept: dict[str, list[np.ndarray]] = {}
    count = 0
    for block in run.blocks:
        for name, array in block.items():
            kept.setdefault(name, []).append(array[: _SAMPLES - count])
        count += len(next(iter(block.values()), ()))
        if count >= _SAMPLES:
            break
    return {name: _Output.of(specs[name], np.concatenate(arrays)) for name, arrays in kept.items() if name in specs}


def _agreement_db(reference: Real, candidate: Real) -> float:
    """Return 10 log10(sum (r - mean r)^2 / sum (c - r)^2): inf for equal ones, -inf where it says nothing."""
    if not reference.size:
        return -math.inf
    with np.errstate(all="ignore"):
        signal, noise = np.square(reference - reference.mean()).sum(), np.square(candidate - reference).sum()
    if noise == 0:
        return math.inf if signal > 0 else -math.inf
    ratio = signal / noise
    return 10 * math.log10(ratio) if math.isfinite(ratio) and ratio > 0 else -math.inf


def _undone(
    name: str, wanted: _Output, given: _Output | None, theirs: Mapping[str, _Output]
) -> Iterator[tuple[str, str, Real]]:
    """Yield (code, what it was, the candidate's values with it undone) for every mistake that can be tried on an output."""
    for other, output in theirs.items():
        if other != name:
            verb = "lies in" if given is not None else "is called"
            code = _SWAPPED if given is not None else "output-renamed"
            yield code, f"what was {name!r} {verb} {other!r}", output.real
    if given is None:
        return
    shape = wanted.real.shape
    yield from _laid_out(given.real, shape)
    if given.real.shape != shape or not given.real.size:
        return
    yield from _reordered(wanted.real, given.real)
    yield from _rescaled(wanted.real, given)
    with np.errstate(all="ignore"):
        yield (
            "softmax-missing",
            "the candidate gives scores before softmax, the reference probabilities",
            _softmax(given.real),
        )
        yield (
            "softmax-added",
            "the candidate gives probabilities, the reference scores before softmax",
            _centred_log(wanted.real, given.real),
        )
        yield "sigmoid-missing", "the candidate gives scores before the sigmoid", 1 / (1 + np.exp(-given.real))


def _laid_out(given: Real, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Real]]:
    if given.size != math.prod(shape):
        return
    axes = range(1, given.ndim)
    if len(axes) <= _MOST_AXES:
        for order in itertools.permutations(axes):
            turned = given.transpose(0, *order)
            if order != tuple(axes) and turned.shape == shape:
                said = ", ".join(str(axis) for axis in order)
                yield "axes-permuted", f"its axes have another order ({said}), as NHWC and NCHW have", turned
    if given.shape != shape:
        yield "reshaped", f"the same numbers have the shape {given.shape[1:]} for {shape[1:]}", given.reshape(shape)


def _reordered(wanted: Real, given: Real) -> Iterator[tuple[str, str, Real]]:
    """Yield the samples, and the classes on the last axis, in the order in which each is likest to its counterpart."""
    count, classes = len(wanted), wanted.shape[-1]
    order = _likest(wanted.reshape(count, -1), given.reshape(count, -1))
    if len(set(order)) == count and order != list(range(count)):
        moved = next(number for number, place in enumerate(order) if number != place)
        said = f"the samples have another order: sample {moved} is the reference's answer to sample {order[moved]}"
        yield "samples-permuted", said, given[np.argsort(order)]
    if classes <= _MOST_CLASSES:
        order = _likest(wanted.reshape(-1, classes).T, given.reshape(-1, classes).T)
        if len(set(order)) == classes and order != list(range(classes)):
            moved = next(number for number, place in enumerate(order) if number != place)
            said = f"the last axis has another order: place {moved} holds what belongs to place {order[moved]}"
            yield "classes-permuted", said, given[..., np.argsort(order)]


def _likest(wanted: Real, given: Real) -> list[int]:
    """Return for each row of `given` the row of `wanted` that is nearest to it."""
    with np.errstate(all="ignore"):
        distances = np.square(wanted).sum(axis=1)[None, :] - 2 * given @ wanted.T
    return [int(place) for place in np.nan_to_num(distances, nan=np.inf).argmin(axis=1)]


def _rescaled(wanted: Real, given: _Output) -> Iterator[tuple[str, str, Real]]:
    if given.raw.dtype.kind in "iu":
        yield (
            "not-quantized-so",
            "its integers are no quantized numbers: scale and zero point do not belong to them",
            given.raw.astype(np.float64),
        )
    with np.errstate(all="ignore"):
        centred = given.real - given.real.mean()
        spread = np.square(centred).sum()
        factor = float((centred * wanted).sum() / spread)  # of a constant NaN, and so is the offset
        offset = float(wanted.mean() - factor * given.real.mean())
    if math.isfinite(offset) and factor != 0:
        said = f"it is the reference times {1 / factor:.4g}, plus {-offset / factor:.4g}: another scale or zero point, or other preprocessing"
        yield "rescaled", said, factor * given.real + offset


def _softmax(scores: Real) -> Real:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _centred_log(wanted: Real, given: Real) -> Real:
    """Return the logarithms, moved for each sample to the reference's mean: softmax forgets a constant."""
    logs = np.log(given)
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True) + wanted.mean(axis=-1, keepdims=True))
