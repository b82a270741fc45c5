"""Checks of an output beside its bounds: constants are equal, a candidate changes where its reference does, and there is evidence.

`evidence.toml` has the limits and their reasons.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from toolkit import registry
from toolkit.comparison.comparison import CONSTANT, DISTINCT, EVIDENCE, VARIES, Comparison
from toolkit.comparison.measured import MOST_DISTINCT, Measured, OutputFacts
from toolkit.comparison.metrics import load
from toolkit.errors import UnjudgeableRun

_FILE = Path(__file__).with_name("evidence.toml")
_AGAINST_THE_ORIGINAL = ("source", "conversion", "total")
_HALF_A_STEP = 0.5  # a step of a grid: the largest rounding error on it, in steps
_HALF_EPSILON = (
    2.0**-11
)  # IEEE 754 binary16 has 11 bits: the largest rounding error of a constant in it, as a share of the constant


class Limit(NamedTuple):
    """A limit, and the reason for it."""

    limit: float
    because: str


class _Skipped(Protocol):
    @property
    def output(self) -> str: ...
    @property
    def metric(self) -> str: ...


@cache
def limits() -> dict[str, Limit]:
    """Return the limits of `evidence.toml` by name: variation, effective_samples and distinct."""
    from toolkit import config  # pydantic takes long to import

    return {name: Limit(float(said["limit"]), str(said["because"])) for name, said in config.read(_FILE).items()}


def require_variation(measured: Measured) -> None:
    """Raise UnjudgeableRun where no output of the reference varies over the samples: agreement with it shows nothing."""
    if measured.seen and not any(seen.reference_varies for seen in measured.seen.values()):
        output, seen = next(iter(measured.seen.items()))
        hint = "verify with samples that differ, and check how they are preprocessed"
        raise UnjudgeableRun(f"output {output!r}: {_same(seen, measured.samples)}", hint)


def _keeps_halves(scheme: str | None) -> bool:
    """Return whether a scheme keeps constants in float16; False for a scheme that is not the toolkit's own."""
    known = scheme is not None and scheme in registry.names("conversion/schemes")
    return known and registry.load("conversion/schemes", str(scheme)).WEIGHTS == "float16"


def whatever_the_bounds(
    measured: Measured, output: str, stage: str, own: Measured | None, scheme: str | None = None
) -> list[Comparison]:
    """Return the comparisons that need no bound: constants, candidates that say nothing, references that say nothing."""
    seen, samples = measured.seen[output], measured.samples
    if not seen.reference_varies:
        rounding = _HALF_EPSILON * max(abs(seen.low), abs(seen.high)) if _keeps_halves(scheme) else 0.0
        return [_constant((stage, output), seen, samples, max(rounding, seen.resolution))]
    found = []
    if not seen.candidate_varies:
        because = "an output that changes with its input is not a constant"
        detail = "the candidate gives the same for every sample, the reference does not"
        found.append(_fact((stage, output), VARIES, 0, Limit(1, because), samples, detail=detail))
    if stage != "total":
        return found
    least = limits()["variation"]
    if not seen.variation >= least.limit and not math.isnan(seen.variation):
        detail = f"the reference varies by only {seen.variation:.2g} of its values: agreeing with it shows nothing"
        found.append(_fact((stage, output), EVIDENCE, seen.variation, least, samples, weak=detail))
    if own is not None and output in own.seen:
        found += _told_apart(stage, output, seen, own.seen[output], samples)
    return found


def carried_by_few(seen: OutputFacts) -> str | None:
    """Return why a ratio to the reference's variation says nothing about most samples, or None where it does."""
    least = limits()["effective_samples"].limit
    if seen.effective_samples is None or not seen.effective_samples < least:  # a NaN shows in the metrics
        return None
    return f"{seen.effective_samples:.2g} samples carry its variation; at least {least:g} are needed to show something"


def of_few_samples(
    measured: Measured, comparisons: Sequence[Comparison], skipped: Iterable[_Skipped]
) -> list[Comparison]:
    """Return a comparison that says "no evidence" for each output whose variation few samples carry and that nothing else was decided of."""
    least = limits()["effective_samples"]
    left_out = {each.output for each in skipped if load(each.metric).CENTRED}
    decided = {each.output for each in comparisons if each.interval is not None}
    found = []
    for output in sorted(left_out - decided):
        seen = measured.seen[output]
        reason = carried_by_few(seen)
        if (
            reason is not None
            and seen.effective_samples is not None
            and not any(each.output == output and each.metric == EVIDENCE for each in comparisons)
        ):
            number = seen.effective_samples
            found.append(_fact(("total", output), EVIDENCE, number, least, measured.samples, weak=reason))
    return found


def of_nothing_certain(measured: Measured, comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return a comparison that says "no evidence" for each output that passed only because undecided comparisons pass."""
    found = []
    for output in measured.seen:
        mine = [each for each in comparisons if each.output == output]
        if mine and all(each.passed and not each.is_certain for each in mine):
            limit = Limit(
                1,
                "a bound that fails only what is certain shows nothing where nothing is certain: add another one",
            )
            weak = "every bound on it is undecided; use more samples, or a bound without undecided = 'passed'"
            found.append(
                _fact(("total", output), EVIDENCE, 0, limit, measured.samples, unit="certain bounds", weak=weak)
            )
    return found


def _constant(where: tuple[str, str], seen: OutputFacts, samples: int, rounding: float) -> Comparison:
    """Return whether both sides hold the same constant: within half a step where its numbers lie on a grid, else within the rounding of its type."""
    because = "it is the same for all samples, by design or because the samples show nothing else: it must be equal, and is not evidence"
    limit, unit, value = rounding, "real", seen.largest_error
    if seen.lsb is not None:
        limit, unit, value = _HALF_A_STEP, "lsb", seen.largest_error / seen.lsb
    whose = "the original" if where[0] in _AGAINST_THE_ORIGINAL else "the stage before"
    said = {"better": "lower", "unit": unit, "detail": _same(seen, samples, whose)}
    return _fact(where, CONSTANT, value, Limit(limit, because), samples, **said)


def _told_apart(stage: str, output: str, seen: OutputFacts, own: OutputFacts, samples: int) -> list[Comparison]:
    ours, theirs = own.distinct[1], seen.distinct[1]
    if ours < 2:
        return []
    detail = f"{theirs} different answers, the toolkit's own artifact gives {_at_least(ours)}"
    return [
        _fact((stage, output), DISTINCT, theirs / ours, limits()["distinct"], samples, unit="achievable", detail=detail)
    ]


def _at_least(count: int) -> str:
    return f"{count} or more" if count >= MOST_DISTINCT else str(count)


def _fact(where: tuple[str, str], what: str, value: float, limit: Limit, samples: int, **more: str) -> Comparison:
    said: dict[str, Any] = {"better": "higher", "unit": "ratio"} | more
    stage, output = where
    return Comparison(stage, output, what, value, limit.limit, because=limit.because, samples=samples, **said)


def _same(seen: OutputFacts, samples: int, whose: str = "the original") -> str:
    value = f"{seen.low:.6g}" if seen.low == seen.high else f"the same values ({seen.low:.6g} to {seen.high:.6g})"
    if samples == 1:
        return f"one sample ({value}) cannot show that it depends on its input; expected at least two that differ"
    return f"{whose} gives {value} for all {samples} samples, so agreeing with it shows nothing"
