"""Share of samples whose vector, searched among the reference's vectors, finds the same sample, as a search over stored vectors must.

Neighbours within the candidate's own space show nothing: they stay the same if dimensions are exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod

import numpy as np

from toolkit.comparison.intervals import clopper_pearson
from toolkit.comparison.metrics import Better, Real, rows

BETTER: Better = "higher"
ALWAYS = False
OVER = "whole"
UNITS = ("fraction",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = False
_MOST_NUMBERS = 1 << 22  # of each side, in float32: 16 MB, 8192 vectors of 512
_SAME = 1e-6  # cosines this close are equal in float32


def applies(shape: Sequence[int]) -> str | None:
    """Return None for two or more elements, else the reason."""
    return None if prod(shape) >= 2 else "one element has no direction, only a sign"


def tally(shape: Sequence[int]) -> Gallery:
    """Return a tally that keeps the vectors of the first samples, as many as 16 MB hold; its value is NaN where any sample holds a NaN.

    A sample is found where no other vector of the reference has a larger cosine with the candidate's vector than its own: samples that are equal in
    the reference count as one here. The interval is that of a rate (Clopper and Pearson).
    """
    return Gallery(max(2, _MOST_NUMBERS // max(1, prod(shape))))


class Gallery:
    """The vectors so far, each of length 1."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = 0
        self._sides: tuple[list[Real], list[Real]] = [], []
        self._is_broken = False
        self._found: np.ndarray | None = None

    def add(self, start: int, reference: Real, candidate: Real) -> None:  # noqa: ARG002 (the contract's)
        """Add the next samples."""
        self._is_broken |= not (np.isfinite(reference).all() and np.isfinite(candidate).all())
        for side, vectors in zip(self._sides, (reference, candidate), strict=True):
            side.append(_normalized(rows(vectors)[: self._most - self._kept]))
        self._kept += len(self._sides[0][-1])
        self._found = None

    def value(self) -> float:
        """Return the share."""
        return math.nan if self._is_broken or not self._kept else float(self._hits().mean())

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the interval of the rate."""
        return clopper_pearson(int(self._hits().sum()), self._kept, confidence)

    @property
    def worst_sample(self) -> int | None:
        """The first sample that is not found."""
        hits = self._hits()
        return None if hits.all() else int(hits.argmin())

    @property
    def detail(self) -> str:
        """The number of vectors searched."""
        return f"in a gallery of {self._kept}"

    def _hits(self) -> np.ndarray:
        if self._found is None:
            gallery, queries = (np.concatenate(side) for side in self._sides)
            own = np.einsum("ij,ij->i", gallery, queries)
            step = max(1, _MOST_NUMBERS // max(1, len(gallery)))
            best = [(queries[row : row + step] @ gallery.T).max(axis=1) for row in range(0, len(queries), step)]
            self._found = own >= np.concatenate(best) - _SAME
        return self._found


def _normalized(vectors: Real) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray((vectors / np.where(norms == 0, 1.0, norms)).astype(np.float32))
