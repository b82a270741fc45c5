"""Judges measurements by bounds. This reads no output, so other bounds can be tried on an old run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from toolkit.comparison import achievable, evidence, metrics, noise_limits
from toolkit.comparison.bootstrap import bootstrap_of_sums
from toolkit.comparison.comparison import STRUCTURE, Comparison
from toolkit.comparison.confidence_sequence import confidence_sequence
from toolkit.comparison.intervals import clopper_pearson, samples_by_width, samples_needed
from toolkit.comparison.measured import Measured, Measurement
from toolkit.comparison.metrics import Pooled
from toolkit.errors import UnjudgeableRun

if TYPE_CHECKING:
    from toolkit.comparison.bounds import Bound

Extent = Literal["all", "first", "until certain"]
_FEWEST = 2  # the fewest samples that give an interval
_SEED = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A bound that does not judge an output, and why: the metric does not apply to it, or is switched off."""

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

    def with_names(self, names: Sequence[str]) -> Judgement:
        """Return the judgement with the set's name of each worst sample."""
        return replace(self, comparisons=tuple(each.with_name(names) for each in self.comparisons))


@dataclass(frozen=True, slots=True)
class Context:
    """What `judge` needs beside measurements and bounds.

    `scheme` is the artifact's. `noise` is, for each output, how far two runs of the original differ, in real units; a limit in the unit "noise" is a
    multiple of it. `kinds` are the kinds of outputs, `parts` the widths of what an output joins along the last axis, all by name.
    """

    scheme: str | None = None
    noise: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def judge(
    measured: Measured,
    bounds: Iterable[Bound],
    *,
    stage: str,
    context: Context | None = None,
    over: Extent = "all",
    own: Measured | None = None,
) -> Judgement:
    """Return the comparisons for the bounds of one stage, and a failed comparison for each output that cannot be compared.

    `over` is "until certain" where a run may have ended early because of its results: intervals of rates are then those that hold at every look. It
    is "first" where a stage ran fewer samples than the total. A value of the whole set then passes if it is within the limit, because the total
    judges it over all samples; beyond the limit, the interval says whether that is certain.

    Bounds for other stages, schemes or kinds, and on the drop of a task metric, are left out. `deciding` says which of several bounds on one metric
    decides. `own` are the measurements of the toolkit's own artifact of the same scheme, against the same reference and over the same samples. The
    comparisons of `evidence` are always included.

    UnjudgeableRun where a bound names an output that does not exist, or a metric that does not apply to it. For the stage "total" also where an
    output has no bound, or where no output of the reference varies over the samples: agreement with it shows nothing.
    """
    from toolkit.comparison.deciding import (  # pydantic takes longer to import than all else here
        deciding,
        for_scheme,
    )

    by = context or Context()
    mine = [bound for bound in for_scheme(bounds, stage, by.scheme) if not bound.is_of_task]
    for bound in mine:
        if bound.output != "*" and bound.output not in measured.outputs:
            names = ", ".join(measured.outputs)
            raise UnjudgeableRun(f"bound {stage} {bound.output} {bound.metric}: matches no output; known: {names}")
    if stage == "total":
        evidence.require_variation(measured)
    comparisons = [_mismatch(stage, name, problem, measured.samples) for name, problem in measured.mismatches.items()]
    skipped: list[Skipped] = []
    for output in measured.seen:
        comparisons += evidence.whatever_the_bounds(measured, output, stage, own, by.scheme)
        if measured.seen[output].reference_varies:
            found = [
                _by_bound(measured, bound, output, _Beside(by, own, over))
                for bound in deciding(mine, output, by.kinds.get(output, ""))
            ]
            comparisons += [each for each in found if isinstance(each, Comparison)]
            skipped += [each for each in found if isinstance(each, Skipped)]
    if stage == "total":
        comparisons += evidence.of_few_samples(measured, comparisons, skipped)
        comparisons += evidence.of_nothing_certain(measured, comparisons)
        _require_bounds(measured, comparisons, skipped)
    return Judgement(stage, tuple(comparisons), tuple(skipped), measured)


def asked_by(bounds: Iterable[Bound]) -> set[str]:
    """Return the metrics of two runs in these bounds; bounds for some kinds of outputs are left out."""
    return {bound.metric for bound in bounds if not (bound.is_of_task or bound.off or bound.kinds)}


def asked_of_kinds(bounds: Iterable[Bound], kinds: Mapping[str, str]) -> dict[str, set[str]]:
    """Return for each output the metrics in the bounds for its kind."""
    held = [bound for bound in bounds if not (bound.is_of_task or bound.off)]
    return {output: {bound.metric for bound in held if kind in bound.kinds} for output, kind in kinds.items()}


@dataclass(frozen=True, slots=True)
class _Beside:
    """What a bound needs beside measurements; the fields are arguments of `judge`."""

    context: Context
    own: Measured | None
    over: Extent


def _by_bound(measured: Measured, bound: Bound, output: str, beside: _Beside) -> Comparison | Skipped:
    if bound.off:
        return Skipped(bound.stage, output, bound.metric, f"switched off: {bound.because}")
    bound = noise_limits.in_force(measured, bound, output, beside.context.noise)
    reason = _inapplicable(measured, bound, output, beside)
    if reason is not None:
        if bound.output != "*":
            raise UnjudgeableRun(f"bound {bound.stage} {output} {bound.metric}: does not apply: {reason}")
        return Skipped(bound.stage, output, bound.metric, reason)
    measurement = measured.measurement(output, bound.metric)
    if bound.unit == achievable.UNIT and beside.own is not None:
        return achievable.compared(measurement, beside.own.measurement(output, bound.metric), bound)
    return _comparison(measurement, bound, _value(measurement, bound, beside.context.noise), over=beside.over)


def _inapplicable(measured: Measured, bound: Bound, output: str, beside: _Beside) -> str | None:
    reason = measured.inapplicable.get((output, bound.metric))
    if reason is not None:
        return reason
    if bound.stage == "total" and bound.output == "*" and metrics.load(bound.metric).CENTRED:
        reason = evidence.carried_by_few(measured.seen[output])
        if reason is not None:
            return reason
    if bound.unit == achievable.UNIT:
        is_there = beside.own is not None and output in beside.own.seen
        return None if is_there else "the toolkit made no artifact of its own to compare with"
    if bound.unit == noise_limits.UNIT:
        return None if output in beside.context.noise else "the repeatability of the reference was not measured"
    if bound.unit not in measured.measurement(output, bound.metric).values:
        return f"its numbers have no {bound.unit}" + (": they are not quantized" if bound.unit == "lsb" else "")
    return None


def _value(measurement: Measurement, bound: Bound, noise: Mapping[str, float]) -> float:
    if bound.unit != noise_limits.UNIT:
        return measurement.values[bound.unit]
    return noise_limits.in_multiples(measurement, noise)


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
        detail=measurement.detail,
        undecided=bound.undecided,
        weak=achievable.too_few(bound, samples),
    )
    if over == "first" and not measurement.is_rate and (alone := replace(found, interval=None, confidence=None)).passed:
        return alone
    if found.status != "inconclusive" or over == "until certain" or interval is None:
        return found
    if measurement.is_rate:
        return replace(found, samples_needed=samples_needed(value, bound.limit, bound.confidence))
    return replace(found, samples_needed=samples_by_width(value, interval, bound.limit, samples))


def _interval(measurement: Measurement, bound: Bound, value: float, over: Extent) -> tuple[float, float] | None:
    """Return the interval of a rate or of a value of the whole set; None where the worst sample decides.

    The bootstrap of a maximum is wrong (Bickel and Freedman, Some asymptotic theory for the bootstrap, Annals of Statistics 9, 1981). With many looks
    the interval of a whole set would not hold, so its value is judged.
    """
    samples = measurement.samples
    if measurement.whole is not None and bound.undecided == "passed":  # such a bound fails only where that is certain
        return measurement.whole.interval(bound.confidence)
    if measurement.whole is not None:
        return None if over == "until certain" else measurement.whole.interval(bound.confidence)
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


def _require_bounds(measured: Measured, comparisons: Sequence[Comparison], skipped: Sequence[Skipped]) -> None:
    judged = {comparison.output for comparison in comparisons}
    for output in measured.outputs:
        if output not in judged:
            reasons = "; ".join(f"{skip.metric}: {skip.reason}" for skip in skipped if skip.output == output)
            tried = f" ({reasons})" if reasons else ""
            hint = "add [[bounds]] with stage = 'total' to the profile"
            raise UnjudgeableRun(f"output {output!r}: no bound on its total applies{tried}", hint)
