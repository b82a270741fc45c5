"""The order in which samples are drawn."""

from __future__ import annotations

import itertools

import pytest

from toolkit.samples import drawn_order


@pytest.mark.parametrize("count", [0, 1, 2, 11, 1000])
def test_a_draw_of_more_than_can_be_sorted_takes_each_once_too(monkeypatch, count):
    """And so that no place of the order is another's more often."""
    monkeypatch.setattr(drawn_order, "MOST_SORTED", 0)

    drawn = list(drawn_order.drawn_order(count, 7))

    assert sorted(drawn) == list(range(count))
    assert drawn == list(drawn_order.drawn_order(count, 7))
    if count == 11:
        firsts = [next(drawn_order.drawn_order(count, seed)) for seed in range(2200)]
        assert all(140 < firsts.count(place) < 260 for place in range(count))  # 200 expected, 13 of deviation


def test_of_a_set_without_end_only_what_is_drawn_is_ordered():
    """A list of all its places would not fit into the memory."""
    drawn = list(itertools.islice(drawn_order.drawn_order(1 << 60, 7), 1000))

    assert len(set(drawn)) == 1000
    assert all(0 <= place < 1 << 60 for place in drawn)
