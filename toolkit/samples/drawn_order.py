"""The order in which samples are drawn: a seed gives the same order on every machine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

MOST_SORTED = 10_000_000
"""Up to this number of places are sorted at once, which takes 160 MB and a second."""


def drawn_order(count: int, seed: int) -> Iterator[int]:
    """Yield each of the places 0 to count - 1 once, in the order of the seed, which never changes.

    Up to MOST_SORTED places are sorted by raw bits, and not by Generator.permutation, whose results numpy may change between versions (NEP 19). If
    there are more, each place is drawn when it is needed (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm P), and only the exchanged
    places are kept. The remainder of 64 bits favours no place by more than count / 2**64.
    """
    bits = np.random.PCG64(seed)
    if count <= MOST_SORTED:
        drawn = bits.random_raw(count) if count else np.zeros(0, np.uint64)
        yield from (int(place) for place in np.argsort(drawn, kind="stable"))
        return
    exchanged: dict[int, int] = {}
    for at in range(count):
        chosen = at + int(bits.random_raw()) % (count - at)
        yield exchanged.pop(chosen, chosen)
        if chosen != at:
            exchanged[chosen] = exchanged.pop(at, at)
