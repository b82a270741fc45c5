"""One measured value against one limit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypedDict, cast

from toolkit import printable
from toolkit.comparison.measured import NUMBER, Number, number, plain_json
from toolkit.comparison.metrics import Better
from toolkit.files.shapes import COUNT, Either

Status = Literal["passed", "failed", "inconclusive"]
Undecided = Literal["passed", "inconclusive"]
STRUCTURE = "structure"  # in place of a metric: the output exists and is comparable
CONSTANT = "constant"  # in place of a metric: an output that never changes has the same value on both sides
VARIES = "varies"  # in place of a metric: a candidate changes with its input where the reference does
EVIDENCE = "evidence"  # in place of a metric: the samples are evidence
DISTINCT = "distinct_answers"  # in place of a metric: the number of different answers, relative to that of the toolkit's own artifact
NO_METRICS = frozenset({STRUCTURE, CONSTANT, VARIES, EVIDENCE, DISTINCT})
SHAPE = {
    **dict.fromkeys(("stage", "output", "metric", "unit", "because"), str),
    "value": NUMBER,
    "limit": NUMBER,
    "better": Either("lower", "higher"),
    "samples?": COUNT,
    "interval?": Either((NUMBER, NUMBER), None),
    "confidence?": Either(float, None),
    "undecided?": Either("passed", "inconclusive"),
    "status?": Either("passed", "failed", "inconclusive"),
    "passed?": bool,
    "worst_sample?": Either(COUNT, None),
    "worst_sample_name?": Either(str, None),
}
"""What `Comparison.to_json` writes, for `toolkit.files.foreign`; files of earlier releases, and baselines, have not all of it."""


class ComparisonRow(TypedDict):
    """A `Comparison` as JSON."""

    stage: str
    output: str
    metric: str
    value: Number
    limit: Number
    unit: str
    better: Better
    because: str
    samples: int
    worst_sample: int | None
    interval: tuple[Number, Number] | None
    confidence: float | None
    samples_needed: int | None
    detail: str
    undecided: Undecided
    weak: str
    worst_sample_name: str | None
    status: Status
    passed: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measured value against one limit. The numbers alone determine whether it passed.

    `interval` is (low, high) for a rate and for a value of the whole set, at the level `confidence`; the interval is then what is judged.
    `samples_needed` is the number of samples that would settle an inconclusive comparison if the value stayed the same. It is None if no number
    would, if the comparison is settled, or if its interval is not one of a single look. `detail` adds what the numbers do not say. `undecided` is the
    status of a value whose interval holds the limit. `weak` says why a value beyond the limit is no failure yet (for example, too few samples); ""
    where it is one. `worst_sample_name` is the set's name of the worst sample: its file, row or number. It is None where the samples have no names,
    or none was looked up.
    """

    stage: str
    output: str
    metric: str
    value: float
    limit: float
    unit: str
    better: Better
    because: str
    samples: int
    worst_sample: int | None = None
    interval: tuple[float, float] | None = None
    confidence: float | None = None
    samples_needed: int | None = None
    detail: str = ""
    undecided: Undecided = "inconclusive"
    weak: str = ""
    worst_sample_name: str | None = None

    @property
    def status(self) -> Status:
        """Return `undecided` where the limit lies inside the interval, else whether the value is within the limit.

        A NaN as value or limit always gives "failed".
        """
        if math.isnan(self.value) or math.isnan(self.limit):
            return "failed"
        worst, best = self.interval or (self.value, self.value)
        if self.better == "lower":
            worst, best = best, worst
        if self._within(worst):
            return "passed"
        if self._within(best):
            return self.undecided
        return "inconclusive" if self.weak else "failed"

    @property
    def passed(self) -> bool:
        """Whether the comparison passed: its status is "passed"."""
        return self.status == "passed"

    @property
    def is_certain(self) -> bool:
        """Whether it passed with all of its interval within the limit, and not because an undecided value passes."""
        worst, best = self.interval or (self.value, self.value)
        return self.passed and self._within(best if self.better == "lower" else worst)

    @property
    def is_left_open(self) -> bool:
        """Whether the value is beyond the limit, but not for certain; then it decides nothing."""
        return self.passed and self.interval is not None and not self._within(self.value)

    def with_name(self, names: Sequence[str]) -> Comparison:
        """Return the comparison with the name of its worst sample; `names` are the names of all samples, in order, and may be empty."""
        if self.worst_sample is None or self.worst_sample >= len(names):
            return self
        return replace(self, worst_sample_name=names[self.worst_sample])

    def _within(self, value: float) -> bool:
        return value <= self.limit if self.better == "lower" else value >= self.limit

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Comparison:
        """Return the comparison that `to_json` wrote, of the shape `SHAPE`; its status follows from the numbers, not from the written one."""
        held = {each.name: content[each.name] for each in fields(cls) if each.name in content}
        interval = held.get("interval")
        read = {
            "value": number(held["value"]),
            "limit": number(held["limit"]),
            "samples": held.get("samples", 0),
            "interval": None if interval is None else (number(interval[0]), number(interval[1])),
        }
        return cls(**{**held, **read})

    def to_json(self) -> ComparisonRow:
        """Return plain JSON with `status` and `passed`; numbers that JSON lacks are "nan", "inf" and "-inf"."""
        return cast(ComparisonRow, plain_json(asdict(self) | {"status": self.status, "passed": self.passed}))


def worst_text(sample: int, samples: int, name: str | None) -> str:
    """Return which sample is the worst, of how many, and its name; control characters of a name are escaped, because it may hold anything."""
    return f"worst sample {sample} of {samples}" + (f": {printable.name(name)}" if name else "")
