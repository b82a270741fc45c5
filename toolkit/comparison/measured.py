"""The measurements of two runs: plain data, enough to judge them by any bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypedDict, cast

import numpy as np

from toolkit.comparison.metrics import Better, Real, Tally
from toolkit.errors import UnknownName
from toolkit.files.shapes import Either

MOST_DISTINCT = 1024  # different answers that are told apart: a set of their hashes takes some ten kilobytes


Number = float | str
"""A number as `plain_json` makes it: "nan", "inf" and "-inf" are texts."""


class MeasurementRow(TypedDict):
    """A `Measurement` as JSON."""

    output: str
    metric: str
    values: dict[str, Number]
    better: Better
    is_rate: bool
    samples: int
    worst_sample: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of one output over all samples.

    `values` has one number for each unit that the output allows, the metric's own unit first. `worst_sample` is the index of the sample
    that decided, or that has most part in it; for a rate the first one without a hit, None if there is none. `groups` (n, k) are sums of terms, of
    one sample or as many neighbours in each, of a metric of the whole set: what an interval is made of. `hits` (n,) are those of a rate, and `whole`
    is the tally of a metric that sees all samples together, which knows its own interval. `detail` says what else is to be said of the value.
    """

    output: str
    metric: str
    values: Mapping[str, float]
    better: Better
    is_rate: bool
    samples: int
    worst_sample: int | None
    groups: Real | None = field(default=None, compare=False, repr=False)
    hits: np.ndarray | None = field(default=None, compare=False, repr=False)
    whole: Tally | None = field(default=None, compare=False, repr=False)
    detail: str = ""

    def to_json(self) -> MeasurementRow:
        """Return plain JSON, without what intervals are made of; numbers that JSON has not are "nan", "inf" and "-inf"."""
        content = asdict(replace(self, groups=None, hits=None, whole=None))
        for held in ("groups", "hits", "whole"):
            del content[held]
        return cast(MeasurementRow, plain_json(content))


@dataclass(frozen=True, slots=True)
class Broken:
    """How many numbers are NaN or infinite, and the first sample with one of them."""

    nan: int = 0
    inf: int = 0
    first_sample: int | None = None


@dataclass(frozen=True, slots=True)
class OutputFacts:
    """What both runs hold of one output, before any metric: the reference's range, whether they vary, and what is not finite.

    `variation` is how far the element that changes most goes over the samples, as a share of the element's largest absolute value (0 to 2).
    `effective_samples` is by how many samples the reference's centred power is carried, (sum p)^2 / sum p^2 with p of each sample (Kish, Survey
    Sampling, 1965, 8.2); None where it was not looked at. `distinct` are how many different answers reference and candidate gave, at most
    MOST_DISTINCT. `unequal` is the share of elements that are not equal, and `largest_error` the largest absolute difference, real units. `lsb` is
    the step of a quantized candidate, None for one without scale; `resolution` is what an engine's own rounding may move the largest value by.
    """

    low: float
    high: float
    reference_varies: bool
    candidate_varies: bool
    reference_broken: Broken
    candidate_broken: Broken
    variation: float
    effective_samples: float | None
    distinct: tuple[int, int]
    unequal: float
    largest_error: float
    lsb: float | None
    resolution: float
    whole_numbers: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured of two runs; plain data, enough to judge them by any bounds.

    `outputs` are the names that the reference has. `mismatches` says of each output that cannot be compared why: missing, extra, of another
    shape or type. `inapplicable` holds a reason for each (output, metric) that was not measured.
    """

    samples: int
    outputs: tuple[str, ...]
    seen: Mapping[str, OutputFacts]
    measurements: tuple[Measurement, ...]
    mismatches: Mapping[str, str]
    inapplicable: Mapping[tuple[str, str], str]

    @property
    def findings(self) -> tuple[str, ...]:
        """One sentence for each thing that somebody should know whatever the bounds say."""
        found = [f"output {name!r}: {problem}" for name, problem in self.mismatches.items()]
        for name, seen in self.seen.items():
            for whose, broken in (("reference", seen.reference_broken), ("candidate", seen.candidate_broken)):
                if broken.first_sample is not None:
                    counts = f"{broken.nan} NaN and {broken.inf} Inf"
                    found.append(f"output {name!r}: the {whose} holds {counts}, first in sample {broken.first_sample}")
            if not seen.reference_varies:
                found.append(f"output {name!r}: the reference is the same for every sample")
            elif not seen.candidate_varies:
                found.append(f"output {name!r}: the candidate is the same for every sample, the reference is not")
        return tuple(found)

    def measurement(self, output: str, metric: str) -> Measurement:
        """Return one measurement; UnknownName where it was not made."""
        for measurement in self.measurements:
            if (measurement.output, measurement.metric) == (output, metric):
                return measurement
        known = [f"{measurement.output} {measurement.metric}" for measurement in self.measurements]
        raise UnknownName("measurement", f"{output} {metric}", known)


NUMBER = Either(float, "nan", "inf", "-inf")
"""What `plain_json` makes of a number, for `toolkit.files.foreign`."""


def number(value: object) -> float:
    """Return the number that `plain_json` wrote: "nan", "inf" and "-inf" stand for themselves. NaN for all else, which no limit lets pass."""
    if isinstance(value, bool) or not (isinstance(value, int | float) or value in ("nan", "inf", "-inf")):
        return math.nan
    return float(value)


def plain_json(value: object) -> Any:
    """Return the value with lists for tuples, and "nan", "inf" and "-inf" for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
