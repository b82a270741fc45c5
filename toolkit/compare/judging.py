"""What was measured, held against bounds. No output is read here, so other bounds can be tried on a run that is long over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from toolkit import metrics
from toolkit.compare.anytime import confidence_sequence
from toolkit.compare.intervals import clopper_pearson, samples_by_width, samples_needed
from toolkit.compare.measuring import Measured, Measurement, Seen, plain_json
from toolkit.compare.resampling import bootstrap_of_sums
from toolkit.errors import UnjudgeableRun
from toolkit.metrics import Better, Pooled
from toolkit.target.deciding import deciding, for_scheme

if TYPE_CHECKING:
    from toolkit.target import Bound

Status = Literal["passed", "failed", "inconclusive"]
Extent = Literal["all", "first", "until certain"]
_FEWEST = 2  # samples that an interval can be made of
_SEED = 0
STRUCTURE = "structure"  # in place of a metric: that an output is there, and can be compared


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measured value against one limit. Whether it passed follows from the numbers and cannot be said otherwise.

    `interval` is (low, high) for a rate and for what is of the whole set, which are judged by it, at the level `confidence`; `samples_needed` is
    how many samples would settle an inconclusive one at the value that was seen, None if none would, it is settled, or its interval is another than
    that of one look. `undecided` is what holds where the limit lies inside the interval. `detail` says more where the numbers do not.
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
    undecided: Literal["inconclusive", "passed"] = "inconclusive"

    @property
    def status(self) -> Status:
        """Return `undecided` where the limit lies inside the interval, else whether the value is within the limit."""
        worst, best = self.interval or (self.value, self.value)
        if self.better == "lower":
            worst, best = best, worst
        if self._within(worst):
            return "passed"
        return self.undecided if self._within(best) else "failed"

    @property
    def passed(self) -> bool:
        """Whether the value is certainly within the limit."""
        return self.status == "passed"

    def _within(self, value: float) -> bool:
        return value <= self.limit if self.better == "lower" else value >= self.limit

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON with `status` and `passed`; numbers that JSON has not are "nan", "inf" and "-inf"."""
        return cast(dict[str, Any], plain_json(asdict(self) | {"status": self.status, "passed": self.passed}))


@dataclass(frozen=True, slots=True)
class Skipped:
    """A bound that does not judge an output, and why: it says nothing about it, or the metric is switched off."""

    stage: str
    output: str
    metric: str
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """One stage's comparisons, the bounds that did not apply, and the measurements behind both."""

    stage: str
    comparisons: tuple[Comparison, ...]
    skipped: tuple[Skipped, ...]
    measured: Measured


def judge(
    measured: Measured,
    bounds: Iterable[Bound],
    *,
    stage: str,
    scheme: str | None = None,
    noise: Mapping[str, float] | None = None,
    over: Extent = "all",
) -> Judgement:
    """Return the comparisons that the bounds of one stage ask for, with a failed one for each output that cannot be compared.

    `noise` is how far each of the reference's outputs differs by itself when it is run again, real units: what a limit in the unit "noise" is of.
    `over` is "until certain" where the samples may have ended because of what they showed: intervals of rates are then those that hold however often
    one looks. It is "first" where a stage was spared samples that the total has: what is of the whole set then keeps a limit by its value, for the
    total shows it of all of them; where the value does not, the interval says whether that is certain.
    Bounds for other stages or schemes, and on the drop of a task metric, are left out. Of several with one metric, `target.deciding` says which
    decides.
    UnjudgeableRun where a bound names an output that is not there or a metric that does not apply to it; and, for the stage "total",
    where an output is without a bound, or the reference does not vary over the samples, so that agreeing with it shows nothing.
    """
    mine = [bound for bound in for_scheme(bounds, stage, scheme) if not bound.is_of_task]
    for bound in mine:
        if bound.output != "*" and bound.output not in measured.outputs:
            names = ", ".join(measured.outputs)
            raise UnjudgeableRun(f"bound {stage} {bound.output} {bound.metric}: matches no output; known: {names}")
    comparisons = [_mismatch(stage, name, problem, measured.samples) for name, problem in measured.mismatches.items()]
    skipped = []
    for output in measured.seen:
        for bound in deciding(mine, output):
            if bound.off:
                skipped.append(Skipped(stage, output, bound.metric, f"switched off: {bound.because}"))
                continue
            reason = _inapplicable(measured, bound, output, noise)
            if reason is None:
                measurement = measured.measurement(output, bound.metric)
                value = _value(measurement, bound, noise)
                comparisons.append(_comparison(measurement, bound, value, over=over))
            elif bound.output == "*":
                skipped.append(Skipped(stage, output, bound.metric, reason))
            else:
                raise UnjudgeableRun(f"bound {stage} {output} {bound.metric}: does not apply: {reason}")
    if stage == "total":
        _require_evidence(measured, comparisons, skipped)
    return Judgement(stage, tuple(comparisons), tuple(skipped), measured)


def asked_by(bounds: Iterable[Bound]) -> set[str]:
    """Return the metrics of two runs that bounds are on."""
    return {bound.metric for bound in bounds if not bound.is_of_task and not bound.off}


def _inapplicable(measured: Measured, bound: Bound, output: str, noise: Mapping[str, float] | None) -> str | None:
    reason = measured.inapplicable.get((output, bound.metric))
    if reason is not None:
        return reason
    if bound.unit == "noise":
        return None if output in (noise or {}) else "how far the reference differs by itself was not measured"
    if bound.unit not in measured.measurement(output, bound.metric).values:
        return f"its numbers have no {bound.unit}: they are not quantized"
    return None


def _value(measurement: Measurement, bound: Bound, noise: Mapping[str, float] | None) -> float:
    if bound.unit != "noise" or noise is None:
        return measurement.values[bound.unit]
    real, own = measurement.values["real"], noise[measurement.output]
    if own > 0:
        return real / own
    return 0.0 if real == 0 else math.inf  # of a reference that never differs, only itself is within its noise


def _comparison(measurement: Measurement, bound: Bound, value: float, *, over: Extent) -> Comparison:
    interval = None if math.isnan(value) else _interval(measurement, bound, value, over)
    samples = measurement.samples
    found = Comparison(
        stage=bound.stage,
        output=measurement.output,
        metric=bound.metric,
        value=value,
        limit=bound.limit,
        unit=bound.unit,
        better=measurement.better,
        because=bound.because,
        samples=samples,
        worst_sample=measurement.worst_sample,
        interval=interval,
        confidence=None if interval is None else bound.confidence,
    )
    if over == "first" and not measurement.is_rate and (alone := replace(found, interval=None, confidence=None)).passed:
        return alone
    if found.status != "inconclusive" or over == "until certain" or interval is None:
        return found
    if measurement.is_rate:
        return replace(found, samples_needed=samples_needed(value, bound.limit, bound.confidence))
    return replace(found, samples_needed=samples_by_width(value, interval, bound.limit, samples))


def _interval(measurement: Measurement, bound: Bound, value: float, over: Extent) -> tuple[float, float] | None:
    """Return that of a rate, or of a value of the whole set; None for what the worst sample decides: the bootstrap of a maximum is wrong.

    (Bickel and Freedman, Some asymptotic theory for the bootstrap, Annals of Statistics 9, 1981.) Where somebody looks again and again, that of a
    whole set would not hold, and its value is judged.
    """
    samples = measurement.samples
    if measurement.is_rate:
        interval = confidence_sequence if over == "until certain" else clopper_pearson
        return interval(round(value * samples), samples, bound.confidence)
    groups = measurement.groups
    if groups is None or over == "until certain" or samples < _FEWEST or not np.isfinite(groups).all():
        return None
    finish = cast(Pooled, metrics.load(measurement.metric)).finish
    return bootstrap_of_sums(groups, finish, bound.confidence, _SEED)


def _mismatch(stage: str, output: str, problem: str, samples: int) -> Comparison:
    because = "outputs are bound by name, and each must be there with its own shape and kind of numbers"
    return Comparison(stage, output, STRUCTURE, 1.0, 0.0, "mismatches", "lower", because, samples, detail=problem)


def _require_evidence(measured: Measured, comparisons: Sequence[Comparison], skipped: Sequence[Skipped]) -> None:
    for output, seen in measured.seen.items():
        if not seen.reference_varies:
            hint = "verify with samples that differ, and check how they are preprocessed"
            raise UnjudgeableRun(f"output {output!r}: {_constant(seen, measured.samples)}", hint)
    judged = {comparison.output for comparison in comparisons}
    for output in measured.outputs:
        if output not in judged:
            reasons = "; ".join(f"{skip.metric}: {skip.reason}" for skip in skipped if skip.output == output)
            tried = f" ({reasons})" if reasons else ""
            hint = "add [[bounds]] with stage = 'total' to the profile"
            raise UnjudgeableRun(f"output {output!r}: no bound on its total applies{tried}", hint)


def _constant(seen: Seen, samples: int) -> str:
    value = f"{seen.low:.6g}" if seen.low == seen.high else f"the same values ({seen.low:.6g} to {seen.high:.6g})"
    if samples == 1:
        return f"one sample ({value}) cannot show that it depends on its input; expected at least two that differ"
    return f"the original gives {value} for all {samples} samples, so agreeing with it shows nothing"
