"""Recognizes common conversion mistakes in a difference: tries each one on the outputs of both runs.

This decides nothing: a verdict has failed already, and the mistake says where to look. A mistake is named only if it explains nearly all of the
difference and no simpler one does. Mistakes that move numbers are simpler than an offset, an offset is simpler than a factor, a factor is simpler
than a cut, and so on. `diagnosis.toml` says what "nearly" means.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from toolkit.comparison import displacing, undoing
from toolkit.comparison.answers import mistaken
from toolkit.comparison.likeness import Likeness, likeness
from toolkit.comparison.metrics import Real
from toolkit.comparison.runs import RunOutputs
from toolkit.comparison.undoing import Correction, SampledOutput

_SAMPLES = 64  # the samples read; a mistake of this kind is in each sample
_ANSWERS = 1024  # samples read of whole numbers, where a mistake may be in the samples of one class alone
_OF_CLASSES = ("class_scores", "class_map")  # kinds whose answer is the largest number's place on the last axis


@dataclass(frozen=True, slots=True)
class Explanation:
    """A mistake that explains nearly all of an output's difference.

    `before_db` and `after_db` are values before and after it is undone: dB of signal to noise, where the signal is the reference's variation about
    the means of its channels; or, for counted answers, the ratio of all answers to those that differ. `gains` is the effect of undoing it, in words.
    """

    output: str
    code: str
    message: str
    before_db: float
    after_db: float
    gains: str


def explain(
    reference: RunOutputs, candidate: RunOutputs, kinds: Mapping[str, str] = MappingProxyType({})
) -> tuple[Explanation, ...]:
    """Return the best explanation of each output's difference, for the outputs that have one. Both runs are read, and may be incomplete.

    `kinds` are the kinds of outputs, by name. Without a kind, an output whose rows are probabilities counts as class scores.
    """
    whole = {spec.name for spec in reference.signature.outputs if spec.is_integer and not spec.scale}
    ours, theirs = _first(reference, whole), _first(candidate, whole)
    limits = likeness()
    of_classes = {
        name
        for name, output in ours.items()
        if kinds.get(name) in _OF_CLASSES or (not kinds.get(name) and _are_probabilities(output.real, limits))
    }
    found = (_explained(name, ours, theirs, limits, is_of_classes=name in of_classes) for name in ours)
    return tuple(each for each in found if each is not None)


def _explained(
    name: str,
    ours: Mapping[str, SampledOutput],
    theirs: Mapping[str, SampledOutput],
    limits: Likeness,
    *,
    is_of_classes: bool,
) -> Explanation | None:
    wanted, given = ours[name], theirs.get(name)
    if not wanted.real.size:
        return None
    comparable = given is not None and given.real.shape == wanted.real.shape
    if given is not None and comparable and wanted.is_whole:
        return _of_answers(name, wanted.raw, given.raw, limits)
    before = _decibels(wanted.real, wanted.real, given.real) if given is not None and comparable else -math.inf
    attempts = _attempts(name, ours, theirs, limits, "classes" if is_of_classes else "channels")
    best = _likeliest(name, attempts, wanted.real, before, limits)
    if best is not None or given is None or not comparable or before == math.inf:
        return best
    if is_of_classes:
        decided = _of_answers(name, wanted.real.argmax(axis=-1), given.real.argmax(axis=-1), limits)
        if decided is not None:
            return decided
    return _of_a_channel(name, wanted.real, given, limits)


def _likeliest(
    name: str, attempts: Iterable[Correction], wanted: Real, before: float, limits: Likeness
) -> Explanation | None:
    """Return the simplest mistake that explains an output, unless another one removes nearly all of the remaining difference."""
    of_kinds: dict[str, Explanation] = {}
    offset: Explanation | None = None
    for each in attempts:
        after = _decibels(wanted if each.signal is None else each.signal, each.reference, each.candidate, each.fitted)
        found = Explanation(name, each.code, each.message, before, after, _gains(after))
        kind = each.kind or each.code
        if each.code == "offset" and offset is None and after > max(before, 0.0) + limits.offset.decibels:
            offset = found
        able = after > max(before, 0.0) + limits.nearly_all.decibels
        if able and (kind not in of_kinds or after > of_kinds[kind].after_db):
            of_kinds[kind] = found
    factor = of_kinds.pop(undoing.FACTOR, None)
    best: Explanation | None = None
    for found in of_kinds.values():
        if best is None or found.after_db > best.after_db + limits.simpler.decibels:
            best = found
    if factor is not None and (best is None or _is_rather(factor, best, limits)):
        return factor
    return best or offset


def _is_rather(factor: Explanation, best: Explanation, limits: Likeness) -> bool:
    """Return whether one factor is the better explanation: it must leave half of what an offset leaves; a factor with an offset is less simple."""
    if best.code == "offset":
        return factor.after_db > best.after_db + limits.alike.decibels
    return best.code in ("slope", "clipped") and best.after_db <= factor.after_db + limits.simpler.decibels


def _gains(after: float) -> str:
    return f"undone, it agrees to {after:.3g} dB" if math.isfinite(after) else "undone, it is equal"


def _attempts(
    name: str, ours: Mapping[str, SampledOutput], theirs: Mapping[str, SampledOutput], limits: Likeness, classes: str
) -> Iterator[Correction]:
    """Yield every mistake that can be tried on an output, the simplest first."""
    wanted, given = ours[name].real, theirs.get(name)
    yield from displacing.moved(name, given, ours, theirs)
    if given is None:
        return
    yield from displacing.laid_out(wanted, given.real)
    if given.real.shape != wanted.shape:
        if given.real.size == wanted.size:
            yield from displacing.reordered(wanted, given.real, "channels")
        return
    yield from undoing.rescaled(wanted, given, limits)
    yield from undoing.clipped(wanted, given.real, limits)
    yield from displacing.late(wanted, given.real, limits, displacing.axes_to_move_along(wanted, given.real))
    yield from displacing.reordered(wanted, given.real, classes)
    yield from undoing.activated(wanted, given.real)


def _of_a_channel(name: str, wanted: Real, given: SampledOutput, limits: Likeness) -> Explanation | None:
    """Return the explanation of the worst channel that has one. In the whole output a small channel may vanish beside larger ones."""
    if wanted.ndim < 2 or wanted.shape[-1] < 2:
        return None
    with np.errstate(all="ignore"):
        both = (wanted - _means(wanted), given.real - wanted)
        signal, noise = (np.square(undoing.by_channel(each)).sum(axis=0) for each in both)
        levels, parts = 10 * np.log10(signal / noise), noise / noise.sum()
        hidden = bool(10 * np.log10(signal.sum() / noise.sum()) > limits.channel.limit)
    for place in np.argsort(levels, kind="stable"):
        if not levels[place] <= limits.channel.limit:
            return None
        if not (hidden or parts[place] >= limits.nearly_all.limit):
            continue
        ours, theirs = wanted[..., place : place + 1], given.real[..., place : place + 1]
        alone = replace(given, raw=theirs, real=theirs)
        attempts = [*undoing.rescaled(ours, alone, limits), *undoing.clipped(ours, theirs, limits)]
        found = _likeliest(name, attempts, ours, float(levels[place]), limits)
        if found is not None:
            return replace(found, message=f"channel {place}: {found.message}")
    return None


def _of_answers(name: str, wanted: np.ndarray, given: np.ndarray, limits: Likeness) -> Explanation | None:
    found = mistaken(wanted, given, limits)
    if found is None:
        return None
    before, after = (10 * math.log10(found.count / many) if many else math.inf for many in (found.before, found.after))
    right = found.count - found.after
    said = f"undone, {right} of {found.count} answers are right, which were {found.count - found.before}"
    return Explanation(name, found.code, found.message, before, after, said)


def _are_probabilities(values: Real, limits: Likeness) -> bool:
    """Return whether each row of an output holds probabilities of classes."""
    if values.ndim < 2 or values.shape[-1] < 2 or not values.size:
        return False
    return bool(values.min() >= 0 and np.abs(values.sum(axis=-1) - 1).max() <= limits.probabilities.limit)


def _first(run: RunOutputs, whole: Collection[str]) -> dict[str, SampledOutput]:
    """Return the first samples of each output of a run; outputs in `whole` have more samples."""
    specs = {spec.name: spec for spec in run.signature.outputs}
    kept: dict[str, list[np.ndarray]] = {}
    count = 0
    for block in run.blocks:
        for name, array in block.items():
            most = _ANSWERS if name in whole else _SAMPLES
            kept.setdefault(name, []).append(array[: max(most - count, 0)])
        count += len(next(iter(block.values()), ()))
        if count >= (_ANSWERS if whole else _SAMPLES):
            break
    return {
        name: SampledOutput.of(specs[name], np.concatenate(arrays)) for name, arrays in kept.items() if name in specs
    }


def _means(values: Real) -> Real:
    """Return the mean of each channel."""
    return undoing.by_channel(values).mean(axis=0) if values.ndim > 1 else np.asarray(values.mean())


def _decibels(signal: Real, reference: Real, candidate: Real, fitted: int = 0) -> float:
    """Return 10 log10(mean (s - mean s)^2 / mean (c - r)^2): inf for equal arrays, -inf without a meaningful value.

    By chance, `fitted` numbers remove a part of the noise. The factor n / (n - fitted), for n values, adds this part again.
    """
    if reference.shape != candidate.shape or not reference.size or reference.size <= fitted:
        return -math.inf
    with np.errstate(all="ignore"):
        power = np.square(signal - _means(signal)).mean()
        noise = np.square(candidate - reference).mean() * (reference.size / (reference.size - fitted))
    if noise == 0:
        return math.inf if power > 0 else -math.inf
    ratio = float(power / noise)
    return 10 * math.log10(ratio) if math.isfinite(ratio) and ratio > 0 else -math.inf
