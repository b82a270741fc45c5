"""Two runs of one model -> how far apart they are, and whether that lies within the bounds.

`measure` reads both runs as a stream and computes metrics of every output; `judge` compares the measurements with bounds.

Nothing may be skipped in silence. A missing output is a failed comparison. A bound that matches nothing is an error. A NaN is counted, reported and
kept: every test is written as `value <= limit`, and NaN fails it.
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
    """Return the comparisons of candidate and reference by the bounds of one stage: `measure`, then `judge`."""
    held = tuple(bounds)
    return judge(measure(reference, candidate, asked_by(held)), held, stage=stage, context=Context(scheme))
