"""Confidence intervals of a rate that hold at every look, so a run may end early once a verdict is certain."""

from __future__ import annotations

import math
from collections.abc import Callable


def confidence_sequence(hits: int, samples: int, confidence: float) -> tuple[float, float]:
    """Return (low, high) of a rate with `hits` in `samples`; with probability `confidence` it holds the true rate at all times at once.

    The interval holds the rates p under which the mixture of likelihoods over a uniform prior, B(hits + 1, misses + 1) / (p^hits (1 - p)^misses), is
    below 1 / (1 - confidence). The mixture is a martingale that starts at 1. It reaches this value with probability 1 - confidence at most (Ville's
    inequality; Robbins, Statistical methods related to the law of the iterated logarithm, 1970).
    """
    misses = samples - hits
    mixture = math.lgamma(hits + 1) + math.lgamma(misses + 1) - math.lgamma(samples + 2)
    most = mixture + math.log(1 - confidence)  # the logarithm of the likelihood must stay above this

    def holds(rate: float) -> bool:
        return hits * math.log(rate) + misses * math.log1p(-rate) > most

    middle = hits / samples if samples else 0.5
    return _edge(holds, 0.0, middle), _edge(holds, 1.0, middle)


def _edge(holds: Callable[[float], bool], outside: float, inside: float) -> float:
    """Return the last number outside the interval, by bisection down to the last bit."""
    while True:
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            return outside
        outside, inside = (outside, middle) if holds(middle) else (middle, inside)
