"""Labels that belong to the sample before or after: a file has one line too many at its top, or one frame too few.

Samples are drawn in random order, so the number at the end of an origin ("sample 12") tells which are neighbours. A pair counts if both were drawn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from toolkit.findings import Finding, Severity
from toolkit.samples.lints import Answer, Judged, Real, Side, Values
from toolkit.samples.lints._answers import OriginalDecisions, decisions, kept_of
from toolkit.samples.lints._tests import sign_tail

LOOKS_AT = "answers"
CODES = ("shifted-labels",)
_NUMBER = re.compile(r"(.*?)(\d+)$", re.DOTALL)
_SHIFTS = {-1: "before", 1: "after"}


@dataclass(frozen=True)
class Limits:
    """`level`: a gain by the neighbours' labels with a probability below it is not chance. `misses`: share of misses that may remain with them."""

    level: float
    misses: float


def applies(one: Answer) -> str | None:
    """Return why this check does not compare an answer of several axes with labels; None for other answers."""
    return None if one.is_row else "an answer of several axes is not compared with labels"


def measure(values: Values, one: Answer) -> Real:
    """Return the numbers that are kept of an answer: see `toolkit.samples.lints._answers`."""
    return kept_of(values, one)


def judge(one: Answer, verification: Side, limits: Limits) -> Judged:
    """Return an inconclusive finding where answers agree far better with the labels of the sample before or after."""
    found = decisions(one, verification)
    if not isinstance(found, OriginalDecisions) or found.truth is None:
        return "no labels, or none that the answers are decisions about"
    places = _places(verification.origins)
    for shift, word in _SHIFTS.items():
        pairs = [
            (here, there) for key, here in places.items() if (there := places.get((key[0], key[1] + shift))) is not None
        ]
        if not pairs:
            continue
        here, there = np.array(pairs).T
        own, other = found.said[here] == found.truth[here], found.said[here] == found.truth[there]
        p = sign_tail(int((other & ~own).sum()), int((own & ~other).sum()))
        if p > limits.level or (~other).sum() > limits.misses * (~own).sum():
            continue
        message = (
            f"labels are shifted against samples: answers agree with the label of the sample {word} for {other.mean():.0%} of "
            f"{len(here)} samples, and with their own for {own.mean():.0%}"
        )
        fix = "look for a line, a frame or a file that labels have and samples have not, or the other way round"
        severity: Severity = "inconclusive" if found.sure else "warning"
        facts = {"shift": shift, "p": p, "agreement": float(other.mean())}
        return [Finding("shifted-labels", severity, message, fix, facts=facts)]
    return []


def _places(origins: tuple[str, ...]) -> dict[tuple[str, int], int]:
    """Return {(text before the number, number): index in the set} for the origins."""
    found = ((place, _NUMBER.fullmatch(origin)) for place, origin in enumerate(origins))
    return {(match[1], int(match[2])): place for place, match in found if match is not None}
