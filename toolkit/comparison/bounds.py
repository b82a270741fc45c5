"""A bound: how far one stage may be off, and the reason for its limit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    Field,
    FiniteFloat,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_serializer,
    field_validator,
)
from pydantic_core import PydanticCustomError

from toolkit import registry
from toolkit.comparison import metrics, task_metrics
from toolkit.comparison.output_kinds import KindName
from toolkit.config import ConfigModel, plugin, unknown
from toolkit.errors import EdgeToolkitError

Stage = Literal[
    "source", "conversion", "quantization", "kernels", "rewrite", "edges", "device", "delegate", "precision", "total"
]
RELATIVE_DROP = "relative_drop"  # a bound's unit: the drop of a task metric as a share of the original's score
ACHIEVABLE = "achievable"  # a bound's unit: against the toolkit's own artifact of the same scheme


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; expected a sentence or a name")
    return text


def _metric(text: str) -> str:
    name, known = (
        text.partition(":")[0],
        (*registry.names("comparison/metrics"), *registry.names("comparison/task_metrics")),
    )
    if name not in known and not task_metrics.is_own(text):
        raise unknown(known)
    try:
        return metrics.canonical(text) if name in registry.names("comparison/metrics") else task_metrics.canonical(text)
    except EdgeToolkitError as error:
        raise ValueError(error.problem) from None


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


_UNSAID = float("nan")  # the limit of a bound without one; the identity of this object tells it from a NaN in the file
Text = Annotated[str, AfterValidator(_said)]
Scheme = Annotated[str, plugin("conversion/schemes")]


class BoundOrigin(NamedTuple):
    """Where a bound was read: the file, the place in it, and how near the file is (0: the last one extended; -1: a kind's)."""

    path: Path
    place: int
    layer: int

    def __str__(self) -> str:
        return f"{self.path.name} bounds[{self.place}]"


class Bound(ConfigModel):
    """How far one stage may be off: a metric of one output ("*": of each), its limit, and why this limit is the right one.

    `unit` is one of the metric's and may be left out where it has only one; what is measured in the output's own unit can also be bounded in
    "noise": multiples of what the original differs by itself when it is run again, and where that says too little, of what float kernels differ by;
    with `unless` whichever of both limits allows more is in force. `schemes` restricts the bound to artifacts of these schemes.
    `confidence` is that of the interval by which a rate is judged. A task metric, or a user's `module:function`, is bounded in its "drop": by how
    much the total is worse than the original by the samples' labels, in the metric's own unit, all outputs together; or in its "relative_drop", as a
    share of what the original has. With `off` the metric is not judged: the bound has no limit (NaN, which nothing meets), hides inherited ones, and
    in the report stands why.

    `kinds` restricts it to outputs of these kinds. `undecided` is what holds where the limit lies inside the interval: "passed" makes a bound that
    fails only what is certain. In the unit "achievable" the limit is of how far the artifact is behind the toolkit's own of the same scheme: dB below
    it, the ratio of both where less is better, and of a rate the p-value of McNemar's test that it is worse; a value as good as `unless` (in
    `unless_unit`, the metric's first unit if left out) keeps the bound whatever own is. With fewer than `least_samples` what fails is inconclusive.
    """

    stage: Stage
    output: Text
    metric: Annotated[str, AfterValidator(_metric)]
    off: bool = False
    unit: str = Field(default="", validate_default=True)
    limit: FiniteFloat = Field(default=_UNSAID, validate_default=True, json_schema_extra=_without_default)
    because: Text
    schemes: tuple[Scheme, ...] = ()
    kinds: tuple[KindName, ...] = ()
    confidence: float = Field(default=0.95, gt=0, lt=1)
    undecided: Literal["inconclusive", "passed"] = "inconclusive"
    unless: FiniteFloat | None = None
    unless_unit: str = Field(default="", validate_default=True)
    least_samples: int = Field(default=0, ge=0)
    _origin: BoundOrigin | None = PrivateAttr(default=None)

    @field_validator("metric")
    @classmethod
    def _task_is_of_the_total(cls, metric: str, info: ValidationInfo) -> str:
        if not _is_task(metric):
            return metric
        if info.data.get("stage", "total") != "total":
            raise ValueError(f"{metric} is a drop against the original; expected stage = 'total'")
        if info.data.get("output", "*") != "*":
            raise ValueError(f"{metric} is of all outputs; expected output = '*', and {metric}:output=NAME for one")
        return metric

    @field_validator("limit")
    @classmethod
    def _limit_can_be_met_and_missed(cls, limit: float, info: ValidationInfo) -> float:
        if "metric" not in info.data or info.data.get("unit") == ACHIEVABLE:
            return limit
        low, high, better, is_rate = _scale(info.data["metric"], info.data.get("unit", ""))
        lower = better == "lower"
        goes = f"{info.data['metric']} goes from {low:g} to {high:g}, {better} is better"
        if (limit < low) if lower else (limit > high):
            raise ValueError(f"{limit:g} can never be met: {goes}")
        if (limit >= high) if lower else (limit <= low):
            raise ValueError(f"{limit:g} is always met: {goes}")
        if is_rate and limit == (low if lower else high):
            raise ValueError(f"{limit:g} cannot be shown by any number of samples: a rate is judged by its interval")
        return limit

    @field_validator("limit", mode="wrap")
    @classmethod
    def _limit_unless_off(cls, limit: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> float:
        off = info.data.get("off", False)
        if limit is not _UNSAID and not off:
            return float(check(limit))
        if limit is not _UNSAID:
            raise ValueError(
                f"{limit!r} beside off = true; expected one or the other: what is switched off is not judged"
            )
        if not off:
            raise PydanticCustomError("missing", "missing")
        return limit

    @field_serializer("limit", when_used="json")
    def _limit_in_json(self, limit: float) -> float | None:
        return None if self.off else limit

    @field_validator("unit")
    @classmethod
    def _unit_of_the_metric(cls, unit: str, info: ValidationInfo) -> str:
        if "metric" not in info.data or (info.data.get("off") and not unit):
            return unit
        units = _units(info.data["metric"])
        own = [one for one in units if one != ACHIEVABLE]
        if not unit and (len(own) == 1 or _is_task(info.data["metric"])):
            return own[0]
        if not unit:
            raise ValueError(f"missing; {info.data['metric']} is measured in {', '.join(own)}")
        if unit not in units:
            raise unknown(units)
        return unit

    @field_validator("unless_unit")
    @classmethod
    def _unless_is_of_the_metric(cls, unit: str, info: ValidationInfo) -> str:
        if "metric" not in info.data or "unit" not in info.data:
            return unit
        if info.data["unit"] not in (ACHIEVABLE, "noise"):
            if unit or info.data.get("unless") is not None:
                known = f"{ACHIEVABLE!r} and 'noise' alone"
                raise ValueError(f"is of the units {known}; this bound is in {info.data['unit']!r}")
            return unit
        units = [one for one in _units(info.data["metric"]) if one not in (ACHIEVABLE, "noise")]
        if unit and unit not in units:
            raise unknown(units)
        return unit or units[0]

    @property
    def is_of_task(self) -> bool:
        """Whether the bound limits the drop of a task metric, not the distance of two runs."""
        return _is_task(self.metric)

    @property
    def is_silent(self) -> bool:
        """Whether the bound does not ask for its task metric: where the metric is scored, a certain drop fails; the bound carries no verdict."""
        return self.is_of_task and self.undecided == "passed"

    @property
    def layer(self) -> int:
        """How near the bound's file is: of two files, the one with the larger number decides."""
        return 0 if self._origin is None else self._origin.layer

    @property
    def where(self) -> str:
        """The bound's file, and the place in it; "" for a bound without a file."""
        return "" if self._origin is None else str(self._origin)

    @property
    def path(self) -> Path | None:
        """The bound's file."""
        return None if self._origin is None else self._origin.path

    @property
    def terms(self) -> str:
        """What the bound requires: `<= 0.1 range`, or that the metric is off."""
        if self.off:
            return "off"
        if self.unit == ACHIEVABLE:
            return f"within {self.limit:g} of {ACHIEVABLE}"
        terms = f"{'<=' if _scale(self.metric, self.unit)[2] == 'lower' else '>='} {self.limit:g} {self.unit}"
        return terms if self.unless is None else f"{terms}, or {self.unless:g} {self.unless_unit}"

    def read_from(self, origin: BoundOrigin) -> Bound:
        """Return the bound with the place where it was read."""
        placed = self.model_copy()
        placed._origin = origin  # noqa: SLF001 - a field of its own class
        return placed


def _is_task(metric: str) -> bool:
    return metric.partition(":")[0] not in registry.names("comparison/metrics")


def _scale(metric: str, unit: str) -> tuple[float, float, str, bool]:
    """Return the least and the largest value of a metric, which is better, and whether it is a rate; for a task metric, those of its drop."""
    if not _is_task(metric):
        found = metrics.load(metric)
        return *found.RANGE, found.BETTER, found.OVER == "rate"
    if unit == RELATIVE_DROP or task_metrics.is_own(metric):
        return 0.0, math.inf, "lower", False
    low, high = task_metrics.load(metric).RANGE
    return 0.0, high - low, "lower", False


def _units(metric: str) -> tuple[str, ...]:
    if _is_task(metric):
        return ("drop", RELATIVE_DROP)
    own = metrics.load(metric).UNITS
    return (*own, *(("noise",) if own[0] == "real" else ()), ACHIEVABLE)


class BoundsFile(ConfigModel):
    """Bounds by themselves, by which runs that are over are judged again."""

    bounds: Annotated[tuple[Bound, ...], Field(min_length=1)]
