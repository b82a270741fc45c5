"""One output of both runs, block by block: its metrics, and its facts that need no metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from toolkit.comparison.measured import MOST_DISTINCT, Broken, Measurement, OutputFacts
from toolkit.comparison.metrics import Metric, Real
from toolkit.comparison.tallying import BySample, OfWhole, tally_of
from toolkit.tensors.signature import TensorSpec

_ELEMENTS_AT_ONCE = 1 << 18  # elements of one output, in float64: 2 MB for each of the few arrays that a metric makes
# Steps of a number's own type: threads that sum in another order may change a value by so much for the same input.
_STEPS = 4


class Probe:
    """One output of both runs, block by block."""

    def __init__(
        self,
        specs: tuple[TensorSpec, TensorSpec],
        asked: Mapping[str, Metric],
        centre: Real | None,
        parts: Sequence[int] = (),
    ) -> None:
        """Store both specs of the output, and the mean of each channel of the reference; None where there is no number."""
        reference, candidate = specs
        self._asked = asked
        self._centre = centre
        self._parts = tuple(parts)
        self.name = reference.name
        self.mismatch = ""
        self.inapplicable: dict[str, str] = {}
        self._specs = specs
        self._sides = _Side(reference), _Side(candidate)
        self._tallies: dict[str, BySample | OfWhole] | None = None
        self._power = np.zeros(2)  # of the centred reference: the sums of each sample's power and of its square
        self._unequal = self._elements = 0
        self._largest_error = 0.0
        if is_bare(reference) != is_bare(candidate):  # ids are equal or not; whether they mean more is unknown
            self.mismatch = f"{_as_typed(candidate)}, the reference is {_as_typed(reference)}"

    def add(self, start: int, reference: np.ndarray, candidate: np.ndarray) -> None:
        """Add the next samples; `start` is the index of the first."""
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
            self._look(ours, theirs)
            centred = self._centred(ours, theirs)
            for tally in self._tallies.values():
                tally.add(start + row, *(centred if tally.metric.CENTRED else (ours, theirs)))

    def _look(self, ours: Real, theirs: Real) -> None:
        if not ours.size:
            return
        with np.errstate(invalid="ignore"):
            apart = np.abs(theirs - ours)
        self._unequal += int((ours != theirs).sum())
        self._elements += ours.size
        self._largest_error = max(self._largest_error, float(apart.max())) if not np.isnan(apart).any() else math.nan

    def _centred(self, ours: Real, theirs: Real) -> tuple[Real, Real]:
        if self._centre is None:
            return ours, theirs
        with np.errstate(invalid="ignore", over="ignore"):
            both = ours - self._centre, theirs - self._centre
            power = np.square(both[0]).reshape(len(ours), -1).sum(axis=1)
            self._power += power.sum(), np.square(power).sum()
        return both

    def _choose(self, shape: Sequence[int]) -> dict[str, BySample | OfWhole]:
        tallies: dict[str, BySample | OfWhole] = {}
        width = shape[-1] if shape else 1
        parts = self._parts if sum(self._parts) == width else ()
        for name, metric in self._asked.items():
            reason = self._inapplicable(metric, shape)
            if reason is None:
                tallies[name] = tally_of(metric, shape, parts)
            else:
                self.inapplicable[name] = reason
        return tallies

    def _inapplicable(self, metric: Metric, shape: Sequence[int]) -> str | None:
        if not math.prod(shape):
            return "it holds no element"
        if is_bare(self._specs[0]) and not metric.WHOLE_NUMBERS:
            return "its whole numbers are labels, ids or yes and no: they are equal or not"
        return metric.applies(shape)

    def seen(self) -> OutputFacts:
        """Return the facts about the output."""
        ours, theirs = self._sides
        low, high = ours.range
        return OutputFacts(
            low=low,
            high=high,
            reference_varies=ours.varies,
            candidate_varies=theirs.varies,
            reference_broken=Broken(ours.nan, ours.inf, ours.first_broken),
            candidate_broken=Broken(theirs.nan, theirs.inf, theirs.first_broken),
            variation=ours.variation,
            effective_samples=self._effective_samples(),
            distinct=(len(ours.answers), len(theirs.answers)),
            unequal=self._unequal / self._elements if self._elements else math.nan,
            largest_error=self._largest_error,
            lsb=self._specs[1].lsb if self._specs[1].scale else None,
            resolution=ours.resolution,
            whole_numbers=is_bare(self._specs[0]),
        )

    def _effective_samples(self) -> float | None:
        total, squares = self._power
        if self._centre is None or is_bare(self._specs[0]):
            return None
        return float(total**2 / squares) if squares > 0 and math.isfinite(total) else 0.0 if squares == 0 else math.nan

    def measurements(self, samples: int) -> Iterator[Measurement]:
        """Yield one measurement for each metric that applies."""
        low, high = self._sides[0].range
        # A share of the range of labels means nothing.
        of_range = None if is_bare(self._specs[0]) else high - low
        steps = {"range": of_range, "lsb": self._specs[1].lsb}
        for name, tally in (self._tallies or {}).items():
            metric, value = tally.metric, tally.value(samples)
            values = {metric.UNITS[0]: value}
            for unit in metric.UNITS[1:]:
                step = steps[unit]
                if step is not None:
                    values[unit] = value / step if step else math.nan
            yield Measurement(
                output=self.name,
                metric=name,
                values=values,
                better=metric.BETTER,
                is_rate=metric.OVER == "rate",
                samples=samples,
                worst_sample=tally.worst_sample,
                groups=tally.groups,
                hits=tally.hits,
                whole=tally.whole,
                detail="" if tally.whole is None else tally.whole.detail,
            )


def is_bare(spec: TensorSpec) -> bool:
    """Return whether a tensor holds integers without a scale, such as labels or ids."""
    return spec.is_integer and not spec.scale


def _as_typed(spec: TensorSpec) -> str:
    scale = "without a scale" if is_bare(spec) else "with a scale" if spec.is_integer else ""
    return f"{spec.dtype} {scale}".rstrip()


@dataclass(slots=True)
class _Side:
    """One run's numbers for one output: their real values, their range, and what is not finite among them."""

    spec: TensorSpec
    nan: int = 0
    inf: int = 0
    first_broken: int | None = None
    # The range of each element over the samples, as the engine gave it (which takes less memory than real values).
    _lowest: np.ndarray | None = field(default=None, init=False)
    _highest: np.ndarray | None = field(default=None, init=False)
    answers: set[int] = field(default_factory=set, init=False)  # hashes of different answers

    def take(self, start: int, array: np.ndarray) -> Real:
        """Return the real values of the next samples, and record their facts."""
        if not self.spec.is_integer:
            self._count_broken(start, array)
        lowest, highest = array.min(axis=0), array.max(axis=0)
        self._lowest = lowest if self._lowest is None else np.minimum(self._lowest, lowest)
        self._highest = highest if self._highest is None else np.maximum(self._highest, highest)
        if len(self.answers) < MOST_DISTINCT:
            self.answers.update(hash(row.tobytes()) for row in array[: MOST_DISTINCT - len(self.answers)])
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
    def variation(self) -> float:
        """The range of the element that changes most, as a share of its largest absolute value; 0 for no element, NaN where one is NaN."""
        if self._lowest is None or self._highest is None or not self._lowest.size:
            return 0.0
        low, high = self.spec.dequantize(self._lowest), self.spec.dequantize(self._highest)
        largest = np.maximum(np.abs(low), np.abs(high))
        with np.errstate(invalid="ignore"):
            return float((np.subtract(high, low) / np.where(largest > 0, largest, 1.0)).max())

    @property
    def resolution(self) -> float:
        """How much an engine's own rounding may change the largest value, in real units; 0 for integers."""
        if self._lowest is None or self._highest is None or self.spec.is_integer or not self._lowest.size:
            return 0.0
        largest = max(float(np.abs(self._lowest).max()), float(np.abs(self._highest).max()))
        return _STEPS * float(np.finfo(self._lowest.dtype).eps) * largest

    @property
    def varies(self) -> bool:
        """Whether any element changes from sample to sample by more than an engine's own rounding; True where one is NaN."""
        if self._lowest is None or self._highest is None:
            return False
        if self.spec.is_integer:
            return not np.array_equal(self._lowest, self._highest)
        resolution = _STEPS * np.finfo(self._lowest.dtype).eps
        with np.errstate(invalid="ignore"):
            still = self._highest - self._lowest <= resolution * np.maximum(np.abs(self._lowest), np.abs(self._highest))
        return not still.all()
