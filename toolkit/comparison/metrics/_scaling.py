"""Samples scaled so that their squares neither overflow nor vanish."""

from __future__ import annotations

import numpy as np

from toolkit.comparison.metrics import Real


def scaled(samples: Real) -> Real:
    """Return (n, elements), each sample scaled to a largest element of 1; zeros stay zeros, a NaN makes its sample NaN."""
    return by_largest(samples, np.abs(samples).max(axis=1, keepdims=True))


def by_largest(samples: Real, largest: Real) -> Real:
    """Return (n, elements) divided by `largest`, (n, 1), where that is not 0."""
    with np.errstate(invalid="ignore"):
        return samples / np.where(largest == 0, 1.0, largest)


def dot(left: Real, right: Real) -> Real:
    """Return the sum of products of each sample, (n,)."""
    return np.asarray(np.einsum("ij,ij->i", left, right))
