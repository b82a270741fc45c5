"""Signal and noise power of samples, which several metrics share."""

from __future__ import annotations

import numpy as np

from toolkit.comparison.metrics import Real, rows


def powers(reference: Real, candidate: Real) -> Real:
    """Return (n, 2): sum r^2 and sum (c - r)^2 for each sample; NaN in either sample is NaN in the noise."""
    with np.errstate(invalid="ignore", over="ignore"):
        noise = rows(candidate) - rows(reference)
        signal = rows(reference)
        return np.stack([np.einsum("ij,ij->i", signal, signal), np.einsum("ij,ij->i", noise, noise)], axis=1)


def decibels(sums: Real) -> Real:
    """Return 10 log10(signal / noise) of sums (..., 2): inf without noise, -inf for noise without signal, NaN for NaN."""
    signal, noise = sums[..., 0], sums[..., 1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.asarray(10 * np.log10(signal / noise))
    # 0 / 0 comes from two silent samples, which are identical; it must not look like the NaN of a broken sample.
    return np.where((signal == 0) & (noise == 0), np.inf, ratio)
