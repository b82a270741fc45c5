"""The heaviest common subsequence, against all subsequences there are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toolkit.engines.tflite.subsequence import heaviest


def all_weights(worth):
    """Yield what each sequence of pairs, ascending on both sides, is worth."""
    rows, columns = worth.shape
    for count in range(min(rows, columns) + 1):
        for left in itertools.combinations(range(rows), count):
            for right in itertools.combinations(range(columns), count):
                each = [float(worth[pair]) for pair in zip(left, right, strict=True)]
                if all(each):
                    yield sum(each)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shape", [(4, 5), (5, 3), (1, 4)])
def test_no_sequence_of_pairs_is_worth_more(seed, shape):
    """Whole numbers, so that sums are exact; most pairs are worth nothing."""
    numbers = np.random.default_rng(seed)
    worth = (numbers.integers(1, 5, shape) * (numbers.random(shape) < 0.4)).astype(np.float32)

    found = heaviest(worth)

    assert found == sorted(found)
    assert len({left for left, _ in found}) == len({right for _, right in found}) == len(found)
    assert all(worth[pair] > 0 for pair in found)
    assert sum(float(worth[pair]) for pair in found) == max(all_weights(worth))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (2, 2)])
def test_where_nothing_is_worth_anything_there_is_no_pair(shape):
    assert heaviest(np.zeros(shape, np.float32)) == []
