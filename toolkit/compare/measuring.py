"""Metrics of every output of two runs, from one pass over both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import numpy as np

from toolkit import metrics
from toolkit.compare.resampling import Groups
from toolkit.compare.runs import Run, aligned, count_samples
from toolkit.errors import UnjudgeableRun, UnknownName
from toolkit.metrics import Better, Metric, Pooled, Real
from toolkit.signature import TensorSpec

_ELEMENTS_AT_ONCE = 1 << 18  # of one output, in float64: 2 MB for each of the few arrays that a metric makes


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of one output over all samples.

    `values` has one number for each unit that the output allows, the metric's own unit first. `worst_sample` is the index of the sample
    that decided, or that has most part in it; for a rate the first one without a hit, None if there is none. `groups` (n, k) are sums of terms, of
    one sample or as many neighbours in each, of a metric of the whole set: what an interval is made of.
    """

    output: str
    metric: str
    values: Mapping[str, float]
    better: Better
    is_rate: bool
    samples: int
    worst_sample: int | None
    groups: Real | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without the groups; numbers that JSON has not are "nan", "inf" and "-inf"."""
        content = asdict(replace(self, groups=None))
        del content["groups"]
        return cast(dict[str, Any], plain_json(content))


@dataclass(frozen=True, slots=True)
class Broken:
    """How many numbers are NaN or infinite, and the first sample with one of them."""

    nan: int = 0
    inf: int = 0
    first_sample: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What both runs hold of one output, before any metric: the reference's range, whether they vary, and what is not finite."""

    low: float
    high: float
    reference_varies: bool
    candidate_varies: bool
    reference_broken: Broken
    candidate_broken: Broken


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured of two runs; plain data, enough to judge them by any bounds.

    `outputs` are the names that the reference has. `mismatches` says of each output that cannot be compared why: missing, extra, of another
    shape or type. `inapplicable` holds a reason for each (output, metric) that was not measured.
    """

    samples: int
    outputs: tuple[str, ...]
    seen: Mapping[str, Seen]
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


def measure(reference: Run, candidate: Run, also: Iterable[str] = ()) -> Measured:
    """Return metrics of every output, from one pass over both runs; memory does not grow with the number of samples.

    They are those that are always measured, and what `also` names, each by its canonical text.
    UnjudgeableRun where the runs hold no sample, not the same number of samples, or not what their own signatures say.
    """
    ours = {spec.name: spec for spec in reference.signature.outputs}
    theirs = {spec.name: spec for spec in candidate.signature.outputs}
    missing = f"missing in the {candidate.name} run, which has {sorted(theirs)}"
    extra = f"extra in the {candidate.name} run, the {reference.name} run has {sorted(ours)}"
    mismatches = {name: missing if name in ours else extra for name in ours.keys() ^ theirs.keys()}
    asked = {name: metrics.load(name) for name in sorted({*metrics.always(), *also})}
    probes = {name: _Probe(ours[name], theirs[name], asked) for name in sorted(ours.keys() & theirs.keys())}
    samples = 0
    for block, other in aligned(reference, candidate):
        for name, probe in probes.items():
            probe.add(samples, block[name], other[name])
        samples += count_samples(block)
    if samples == 0:
        raise UnjudgeableRun(f"{reference.name} and {candidate.name}: no sample; expected at least two that differ")
    mismatches |= {name: probe.mismatch for name, probe in probes.items() if probe.mismatch}
    whole = [probe for name, probe in probes.items() if name not in mismatches]
    return Measured(
        samples=samples,
        outputs=tuple(sorted(ours)),
        seen={probe.name: probe.seen() for probe in whole},
        measurements=tuple(one for probe in whole for one in probe.measurements(samples)),
        mismatches=dict(sorted(mismatches.items())),
        inapplicable={(probe.name, metric): reason for probe in whole for metric, reason in probe.inapplicable.items()},
    )


class _Probe:
    """One output of both runs, seen block by block."""

    def __init__(self, reference: TensorSpec, candidate: TensorSpec, asked: Mapping[str, Metric]) -> None:
        self._asked = asked
        self.name = reference.name
        self.mismatch = ""
        self.inapplicable: dict[str, str] = {}
        self._specs = reference, candidate
        self._sides = _Side(reference), _Side(candidate)
        self._tallies: dict[str, _Tally] | None = None
        if _is_bare(reference) != _is_bare(
            candidate
        ):  # ids on both sides are equal or not; what else such a number is worth nobody knows
            self.mismatch = f"{_as_typed(candidate)}, the reference is {_as_typed(reference)}"

    def add(self, start: int, reference: np.ndarray, candidate: np.ndarray) -> None:
        """Take the next samples, the first of which has the index `start`."""
        shape = reference.shape[1:]
        if not self.mismatch and candidate.shape[1:] != shape:
            self.mismatch = f"shape {candidate.shape[1:]}, the reference has {shape} (sample {start})"
        if self.mismatch:
            return
        if self._tallies is None:
            self._tallies = self._choose(shape)
        step = max(1, _ELEMENTS_AT_ONCE // max(1, math.prod(shape)))
        for row in range(0, len(reference), step):
            ours = self._sides[0].take(start + row, reference[row : row + step])
            theirs = self._sides[1].take(start + row, candidate[row : row + step])
            for tally in self._tallies.values():
                tally.add(start + row, ours, theirs)

    def _choose(self, shape: Sequence[int]) -> dict[str, _Tally]:
        tallies = {}
        for name, metric in self._asked.items():
            reason = metric.applies(shape) if math.prod(shape) else "it holds no element"
            if reason is None:
                tallies[name] = _Tally(metric)
            else:
                self.inapplicable[name] = reason
        return tallies

    def seen(self) -> Seen:
        """Return what is known of the output itself."""
        ours, theirs = self._sides
        low, high = ours.range
        return Seen(
            low=low,
            high=high,
            reference_varies=ours.varies,
            candidate_varies=theirs.varies,
            reference_broken=Broken(ours.nan, ours.inf, ours.first_broken),
            candidate_broken=Broken(theirs.nan, theirs.inf, theirs.first_broken),
        )

    def measurements(self, samples: int) -> Iterator[Measurement]:
        """Yield one measurement for each metric that applies."""
        low, high = self._sides[0].range
        steps = {"range": high - low, "lsb": self._specs[1].lsb}
        for name, tally in (self._tallies or {}).items():
            metric, value = tally.metric, tally.value(samples)
            values = {metric.UNITS[0]: value}
            for unit in metric.UNITS[1:]:
                step = steps[unit]
                if step is not None:
                    values[unit] = value / step if step else math.nan
            is_rate = metric.OVER == "rate"
            yield Measurement(
                self.name, name, values, metric.BETTER, is_rate, samples, tally.worst_sample, tally.groups
            )


def _is_bare(spec: TensorSpec) -> bool:
    """Return whether a tensor holds integers that stand for nothing but themselves."""
    return spec.is_integer and not spec.scale


def _as_typed(spec: TensorSpec) -> str:
    scale = "without a scale" if _is_bare(spec) else "with a scale" if spec.is_integer else ""
    return f"{spec.dtype} {scale}".rstrip()


@dataclass(slots=True)
class _Side:
    """One run's numbers for one output: their real values, their range, and what is not finite among them."""

    spec: TensorSpec
    nan: int = 0
    inf: int = 0
    first_broken: int | None = None
    # Over the samples, each element for itself, as the engine gave it (which takes less memory than real values).
    _lowest: np.ndarray | None = field(default=None, init=False)
    _highest: np.ndarray | None = field(default=None, init=False)

    def take(self, start: int, array: np.ndarray) -> Real:
        """Return the real values of the next samples, after looking at them."""
        if not self.spec.is_integer:
            self._count_broken(start, array)
        lowest, highest = array.min(axis=0), array.max(axis=0)
        self._lowest = lowest if self._lowest is None else np.minimum(self._lowest, lowest)
        self._highest = highest if self._highest is None else np.maximum(self._highest, highest)
        return self.spec.dequantize(array)

    def _count_broken(self, start: int, array: np.ndarray) -> None:
        finite = np.isfinite(array)
        if finite.all():
            return
        nan = int(np.isnan(array).sum())
        self.nan += nan
        self.inf += int(array.size - finite.sum()) - nan
        if self.first_broken is None:
            self.first_broken = start + int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and largest real value over all samples; NaN if there is one, or no value at all."""
        if self._lowest is None or self._highest is None or not self._lowest.size:
            return math.nan, math.nan
        return float(self.spec.dequantize(self._lowest).min()), float(self.spec.dequantize(self._highest).max())

    @property
    def varies(self) -> bool:
        """Whether any element changes from sample to sample by more than an engine's own rounding; True where one is NaN."""
        if self._lowest is None or self._highest is None:
            return False
        if self.spec.is_integer:
            return not np.array_equal(self._lowest, self._highest)
        # Four steps of its own type: threads that sum in another order move a value by as much when its input is the same.
        resolution = 4 * np.finfo(self._lowest.dtype).eps
        with np.errstate(invalid="ignore"):
            still = self._highest - self._lowest <= resolution * np.maximum(np.abs(self._lowest), np.abs(self._highest))
        return not still.all()


class _Tally:
    """One metric of one output over the samples so far."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.worst_sample: int | None = None
        self._worst = math.nan
        self._sum: Real | None = None
        self._groups = Groups()

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Take the next samples, the first of which has the index `start`."""
        values = self.metric.measure(reference, candidate)
        if self.metric.OVER != "sample":
            total = values.sum(axis=0)
            self._sum = total if self._sum is None else self._sum + total
        if self.metric.OVER == "set":
            self._groups.add(values)
            values = cast(Pooled, self.metric).finish(values)
        # argmax and argmin both stop at the first NaN, which is what is worst of all.
        row = int(values.argmax() if self.metric.BETTER == "lower" else values.argmin())
        worst = float(values[row])
        if self.worst_sample is None or self._is_worse(worst):
            self.worst_sample, self._worst = start + row, worst
        if self.metric.OVER == "rate" and self._worst == _best(self.metric):
            self.worst_sample = None

    def _is_worse(self, value: float) -> bool:
        if math.isnan(self._worst):
            return False
        return not (value <= self._worst if self.metric.BETTER == "lower" else value >= self._worst)

    @property
    def groups(self) -> Real | None:
        """Of a metric of the whole set, the sums of terms of groups of samples."""
        return self._groups.sums if self.metric.OVER == "set" else None

    def value(self, samples: int) -> float:
        """Return the metric's value over all samples, in its own unit."""
        if self.metric.OVER == "sample":
            return self._worst
        if self._sum is None:
            return math.nan
        if self.metric.OVER == "set":
            return float(cast(Pooled, self.metric).finish(self._sum))
        return float(self._sum) / samples


def _best(metric: Metric) -> float:
    return metric.RANGE[0 if metric.BETTER == "lower" else 1]


def plain_json(value: Any) -> Any:
    """Return the value with lists for tuples, and "nan", "inf" and "-inf" for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
