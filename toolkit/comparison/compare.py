"""Two runs of one model -> how far apart they are, and whether that lies within the bounds.

`measure` reads both runs once, as a stream, and takes metrics of every output; `judge` holds what was measured against bounds.

What a newcomer would get wrong here: nothing may be skipped in silence. An output that is gone is a failed comparison, a bound that matches
nothing is an error, and a NaN is counted, reported and left where it is: every test is written as `value <= limit`, which NaN fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from toolkit.comparison.comparison import NO_METRICS, STRUCTURE, Comparison, Status
from toolkit.comparison.judge import Context, Extent, Judgement, Skipped, asked_by, asked_of_kinds, judge
from toolkit.comparison.measure import Broken, Measured, Measurement, OutputFacts, measure, plain_json
from toolkit.comparison.runs import Block, RunOutputs, count_samples

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound

__all__ = [
    "NO_METRICS",
    "STRUCTURE",
    "Block",
    "Broken",
    "Comparison",
    "Context",
    "Extent",
    "Judgement",
    "Measured",
    "Measurement",
    "OutputFacts",
    "RunOutputs",
    "Skipped",
    "Status",
    "asked_by",
    "asked_of_kinds",
    "compare",
    "count_samples",
    "judge",
    "measure",
    "plain_json",
]


def compare(
    reference: RunOutputs, candidate: RunOutputs, bounds: Iterable[Bound], *, stage: str, scheme: str | None = None
) -> Judgement:
    """Return how the candidate stands to the reference by the bounds of one stage: `measure`, then `judge`."""
    held = tuple(bounds)
    return judge(measure(reference, candidate, asked_by(held)), held, stage=stage, context=Context(scheme))
