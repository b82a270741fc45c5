"""The heaviest common subsequence of two sequences: pairs in the order of both, each with a worth.

It uses the recurrence of Wagner and Fischer, The string-to-string correction problem (Journal of the ACM 21, 1974), row by row over the whole table;
for files of some thousand operators the table is small.
"""

from __future__ import annotations

import numpy as np


def heaviest(worth: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs (row, column), both ascending, with the largest sum in `worth` (rows, columns); a worth of 0 makes no pair."""
    left, right = worth.shape
    best = np.zeros((left + 1, right + 1), np.float32)
    for place, row in enumerate(worth):
        taken = np.where(row > 0, best[place, :-1] + row, 0)
        best[place + 1, 1:] = np.maximum.accumulate(np.maximum(best[place, 1:], taken))
    found = []
    while left and right:
        if best[left, right] == best[left - 1, right]:
            left -= 1
        elif best[left, right] == best[left, right - 1]:
            right -= 1
        else:
            left, right = left - 1, right - 1
            found.append((left, right))
    return found[::-1]
