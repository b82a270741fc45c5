"""Patterns of rows of real numbers on the last axis: distributions, vectors of length 1, corners of boxes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]


def distribution(rows: Real, within: float) -> bool:
    """Return whether (n, C) has no negative number and each row sums to 1."""
    return bool((rows >= 0).all() and (np.abs(rows.sum(axis=1) - 1) <= within).all())


def unit(rows: Real, within: float) -> bool:
    """Return whether each row of (n, D) has length 1."""
    return bool((np.abs(np.sqrt(np.square(rows).sum(axis=1)) - 1) <= within).all())


def corners(rows: Real, within: float) -> bool:
    """Return whether (n, 4) can be corners: x2 > x1 and y2 > y1 in all rows but a share `within`; rows of zeros are ignored.

    Rows that all have one order, as quantiles do, are no corners.
    """
    if rows.shape[1] != 4 or not np.isfinite(rows).all():
        return False
    rows = rows[rows.any(axis=1)]
    right = (rows[:, 2:] > rows[:, :2]).all(axis=1)
    if not right.any() or right.mean() < 1 - within:
        return False
    orders = np.argsort(rows[right], axis=1, kind="stable")
    return bool((orders != orders[0]).any())


LOOKS: dict[str, Callable[[Real, float], bool]] = {"distribution": distribution, "unit": unit, "corners": corners}
SAID = {
    "distribution": "rows of the original's outputs are not negative and sum to 1",
    "unit": "rows of the original's outputs have the length 1",
    "corners": "in rows of the original's outputs x2 > x1 and y2 > y1: a guess",
}
