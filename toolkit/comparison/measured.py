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

MOST_DISTINCT = 1024  # the most answers counted as different; a set of their hashes takes some ten kilobytes


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
    that decided, or that contributes most; for a rate it is the first sample without a hit, or None. `groups` (n, k) are the sums of terms of a
    metric of the whole set, each over one sample or over equally many neighbours: the interval comes from them. `hits` (n,) are those of a rate.
    `whole` is the tally of a metric that sees all samples together; it knows its own interval. `detail` is a remark on the value.
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
        """Return plain JSON, without the data of intervals; numbers that JSON lacks are "nan", "inf" and "-inf"."""
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
    """Facts about one output in both runs, independent of metrics: the reference's range, whether the runs vary, and what is not finite.

    `variation` is the range over the samples of the element that changes most, as a share of the element's largest absolute value (0 to 2).
    `effective_samples` is the number of samples that carry the reference's centred power, (sum p)^2 / sum p^2 with p of each sample (Kish, Survey
    Sampling, 1965, 8.2); None where it was not computed. `distinct` is the number of different answers of reference and candidate, at most
    MOST_DISTINCT. `unequal` is the share of elements that are not equal, and `largest_error` the largest absolute difference, in real units. `lsb` is
    the step of a quantized candidate, None for one without scale. `resolution` is how much an engine's own rounding may change the largest value.
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
    """All measurements of two runs: plain data, enough to judge them by any bounds.

    `outputs` are the names of the reference's outputs. `mismatches` has the reason for each output that cannot be compared: missing, extra, of
    another shape or type. `inapplicable` has the reason for each (output, metric) that was not measured.
    """

    samples: int
    outputs: tuple[str, ...]
    seen: Mapping[str, OutputFacts]
    measurements: tuple[Measurement, ...]
    mismatches: Mapping[str, str]
    inapplicable: Mapping[tuple[str, str], str]

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences that the user should read whatever the bounds are."""
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
        """Return one measurement; UnknownName where it is missing."""
        for measurement in self.measurements:
            if (measurement.output, measurement.metric) == (output, metric):
                return measurement
        known = [f"{measurement.output} {measurement.metric}" for measurement in self.measurements]
        raise UnknownName("measurement", f"{output} {metric}", known)


NUMBER = Either(float, "nan", "inf", "-inf")
"""What `plain_json` makes of a number, for `toolkit.files.foreign`."""


def number(value: object) -> float:
    """Return the number that `plain_json` wrote, also "nan", "inf" and "-inf"; NaN for anything else, which no limit lets pass."""
    if isinstance(value, bool) or not (isinstance(value, int | float) or value in ("nan", "inf", "-inf")):
        return math.nan
    return float(value)


def plain_json(value: object) -> Any:
    """Return the value with lists for tuples, and "nan", "inf" and "-inf" for numbers that JSON lacks."""
    if isinstance(value, Mapping):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
