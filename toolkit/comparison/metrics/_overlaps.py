"""The overlap of the regions of each class, sample by sample, and its intervals over samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.metrics import Real
from toolkit.comparison.metrics._decisions import broken, decided

_MOST_GROUPS = 512
_RESAMPLES = 1000  # resamples for percentiles: Efron and Tibshirani, An Introduction to the Bootstrap (1993), 13
_AT_ONCE = 100
_SEED = 0


class Overlaps:
    """For each class of the reference: the elements in both, and in either, summed in groups of neighbouring samples.

    All groups hold equally many samples. At 512 groups they are merged in pairs and the size doubles, so memory does not grow with the samples. A
    resample draws neighbours together, which keeps the dependence between samples that follow one another. `holding` is how many samples hold a
    class.
    """

    def __init__(self, of: str, threshold: float) -> None:
        self._said = of, threshold
        self._size = 1
        self._sums: dict[float, Real] = {}  # (groups, 2)
        self._worst: dict[float, tuple[float, int]] = {}
        self._drawn: dict[
            tuple[int, tuple[float, ...]], Real
        ] = {}  # the last resamples: value, interval and detail ask for the same
        self.holding: dict[float, int] = {}
        self.samples = 0
        self.is_broken = False

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples, float64 (n, *shape); `start` is the index of the first."""
        self.is_broken |= bool(broken(reference, candidate).any())
        ours, theirs = decided(reference, *self._said), decided(candidate, *self._said)
        classes, inverse = np.unique(np.stack([ours, theirs]), return_inverse=True)
        inverse = inverse.reshape(2, *ours.shape)
        both, either, held = _counted(inverse[0], inverse[1], len(classes))
        places = self._places(len(ours))
        for index, value in enumerate(classes.tolist()):
            sums = self._sums.setdefault(value, np.zeros((_MOST_GROUPS, 2)))
            np.add.at(sums, places, np.stack([both[:, index], either[:, index]], axis=1))
            in_reference = held[:, index] > 0
            self.holding[value] = self.holding.get(value, 0) + int(in_reference.sum())
            if in_reference.any():
                shares = np.where(in_reference, both[:, index] / np.maximum(either[:, index], 1), np.inf)
                row = int(shares.argmin())
                self._worst[value] = min(self._worst.get(value, (math.inf, 0)), (float(shares[row]), start + row))

    def classes(self, least: int = 1) -> list[float]:
        """Return the classes that at least `least` samples of the reference hold."""
        return sorted(value for value, count in self.holding.items() if count >= least)

    def share(self, value: float) -> float:
        """Return the intersection over union of a class, over all samples together."""
        both, either = self._sums[value].sum(axis=0)
        return float(both / either)

    def worst_sample(self, value: float) -> int | None:
        """Return the sample with the least overlap of a class; None where all overlap fully."""
        share, sample = self._worst[value]
        return sample if share < 1 else None

    def resampled(self, classes: list[float]) -> Real:
        """Return the intersection over union of each class in resamples of the groups, (resamples, classes); NaN where a resample lacks the class."""
        asked = self.samples, tuple(classes)
        if asked not in self._drawn:
            self._drawn = {asked: self._resampled(classes)}
        return self._drawn[asked]

    def _resampled(self, classes: list[float]) -> Real:
        groups = self._groups
        numbers = np.random.default_rng(_SEED)
        sums = np.stack([self._sums[value][:groups] for value in classes], axis=1)  # (groups, classes, 2)
        parts = []
        for _ in range(_RESAMPLES // _AT_ONCE):
            times = numbers.multinomial(groups, np.full(groups, 1 / groups), size=_AT_ONCE).astype(np.float64)
            drawn = np.tensordot(times, sums, axes=1)
            with np.errstate(invalid="ignore"):
                parts.append(drawn[..., 0] / drawn[..., 1])
        return np.concatenate(parts)

    @property
    def can_be_resampled(self) -> bool:
        """Whether there are enough samples for an interval."""
        return self._groups > 1

    @property
    def _groups(self) -> int:
        return self.samples // self._size  # the last samples may fill no group

    def _places(self, count: int) -> NDArray[np.intp]:
        """Return the group of each of the next samples; groups are merged in pairs until there is room."""
        last = self.samples + count - 1
        while last // self._size >= _MOST_GROUPS:
            for value, sums in self._sums.items():
                merged = sums.reshape(-1, 2, 2).sum(axis=1)
                self._sums[value] = np.concatenate([merged, np.zeros_like(merged)])
            self._size *= 2
        places = np.arange(self.samples, self.samples + count) // self._size
        self.samples += count
        return places


def ends(drawn: Real, value: float, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of resamples without NaN; it always contains the value itself."""
    finite = drawn[np.isfinite(drawn)]
    if not finite.size:
        return value, value
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return min(float(low), value), max(float(high), value)


def _counted(ours: NDArray[np.intp], theirs: NDArray[np.intp], classes: int) -> tuple[Real, Real, Real]:
    """Return three arrays (n, classes): the elements of a class in both, in either, and in the first."""
    samples = len(ours)
    offsets = np.arange(samples)[:, None] * classes

    def counts(places: NDArray[np.intp], which: NDArray[np.bool_] | None = None) -> Real:
        flat = (places + offsets).ravel() if which is None else (places + offsets)[which]
        return np.bincount(flat, minlength=samples * classes).reshape(samples, classes).astype(np.float64)

    both, first, second = counts(ours, ours == theirs), counts(ours), counts(theirs)
    return both, first + second - both, first
