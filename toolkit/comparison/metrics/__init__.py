"""The distance of two sets of outputs, one metric a file. Metrics are computed on real numbers, in float64, for many samples at once.

A metric is a module with

    BETTER     "lower" or "higher": which values are good
    ALWAYS     whether it is measured of every output; False where only who asks for it knows that it means something
    RANGE      (low, high): the values that it can take, so that a limit which everything or nothing meets is found in the profile
    UNITS      units in which a limit may be given, the metric's own first. One whose own is "real" (that of the output) may add
               "range" (fraction of the reference's max - min over all samples) and "lsb" (the candidate's quantization step);
               it must then grow as the outputs grow: measure(k r, k c) = k measure(r, c)
    OVER       "sample": measured for each sample, and the worst one decides
               "set":    one value for all samples together
               "rate":   yes or no for each sample, and the share of yes is judged by its exact confidence interval
               "whole":  a `tally` of its own that sees all samples and knows its own interval
    CENTRED    whether both sides are given less the reference's mean of each channel (the last axis; over samples and positions), so that
               the reference is its variation over the samples, and an offset that all of them share counts for nothing
    WHOLE_NUMBERS
               whether it means something for integers that stand for themselves (labels, ids, yes or no); no decibel does
    applies(shape) -> None | reason
               why the metric says nothing about outputs of that shape; `shape` is one sample's, batch axis included, and holds
               at least one element
    measure(reference, candidate) -> values
               both float64 (n, *shape), n >= 1, NaN and Inf as the engines gave them. Values are (n,); for a rate 1, 0 or NaN.
               For "set" (n, k): terms that add up over samples, so that any number of samples is measured as a stream, and any
               subset of them again (a bootstrap, say) without the outputs
    finish(terms) -> values
               only for "set": sums of terms (..., k) -> values (...)
    tally(shape) -> Tally
               only for "whole", in place of `measure`; one that says PARTS = True takes `parts` too, the sizes of what was joined
               along the last axis: each is looked at alone

A metric with parameters also has

    PARAMETERS {name: default}: numbers and texts; None for one that must be said, so that ALWAYS is False
    refuse(parameters) -> None | reason
               what is impossible about them, in words for the user

and takes them by keyword in `applies` and `measure`. It is named with them, as in "topk_agreement:k=5".

A NaN in a sample must give NaN, whatever the other side holds. Identical finite outputs must give the best possible value.
The contract tests check both for every file here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from toolkit import registry
from toolkit.errors import RequestError

Real = NDArray[np.float64]
Better = Literal["lower", "higher"]


class Metric(Protocol):
    """What every module here defines."""

    BETTER: Better
    OVER: Literal["sample", "set", "rate", "whole"]
    UNITS: tuple[str, ...]
    RANGE: tuple[float, float]
    CENTRED: bool
    WHOLE_NUMBERS: bool

    def applies(self, shape: Sequence[int]) -> str | None:
        """Return None, or why the metric says nothing about outputs of that shape."""

    def measure(self, reference: Real, candidate: Real) -> Real:
        """Return one value for each sample, or the terms of one."""


class Pooled(Metric, Protocol):
    """What a module with OVER = "set" defines."""

    def finish(self, terms: Real) -> Real:
        """Return the value for a sum of terms."""


class Tally(Protocol):
    """The state of a metric with OVER = "whole" for one output: all samples so far."""

    @property
    def worst_sample(self) -> int | None:
        """The index of the sample that contributes most to the value; None where there is none."""

    @property
    def detail(self) -> str:
        """A remark on the value, such as its channel or class; "" for none."""

    def add(self, start: int, reference: Real, candidate: Real) -> None:
        """Add the next samples, float64 (n, *shape); `start` is the index of the first."""

    def value(self) -> float:
        """Return the metric over all samples so far; NaN where one had a NaN."""

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return (low, high) at that confidence; None where the value itself is judged."""


class Lag(NamedTuple):
    """How far a tally is behind another one, in the metric's own terms; where, in words; and why it may be chance, "" where it is certain."""

    value: float
    where: str
    weak: str = ""


class Behind(Tally, Protocol):
    """A tally that compares itself with another one in more detail than its value does: for example channel by channel."""

    def behind(self, own: Tally, unless: float) -> Lag:
        """Return how far the tally is behind `own`, in the parts that are worse than `unless`; the caller has checked that its value is worse."""


class Whole(Metric, Protocol):
    """What a module with OVER = "whole" defines."""

    def tally(self, shape: Sequence[int], **parts: Sequence[int]) -> Tally:
        """Return an empty tally for samples of this shape."""


@dataclass(frozen=True, slots=True)
class _Parametrized:
    """A metric with all of its parameters bound."""

    BETTER: Better
    OVER: str
    UNITS: tuple[str, ...]
    RANGE: tuple[float, float]
    CENTRED: bool
    WHOLE_NUMBERS: bool
    _module: ModuleType
    _parameters: registry.Parameters

    @property
    def PARTS(self) -> bool:  # noqa: N802 (as the modules have it)
        """Whether its tally treats each part of a concatenation alone."""
        return getattr(self._module, "PARTS", False)

    def tally(self, shape: Sequence[int], **parts: Sequence[int]) -> Tally:
        """Return the module's tally, with the parameters."""
        return cast(Tally, self._module.tally(shape, **parts, **self._parameters))

    def finish(self, terms: Real) -> Real:
        """Return the module's `finish`, which takes no parameters."""
        return cast(Real, self._module.finish(terms))

    def applies(self, shape: Sequence[int]) -> str | None:
        return cast(str | None, self._module.applies(shape, **self._parameters))

    def measure(self, reference: Real, candidate: Real) -> Real:
        return cast(Real, self._module.measure(reference, candidate, **self._parameters))


def load(text: str) -> Metric:
    """Return the metric of a text such as "rmse" or "topk_agreement:k=5"; UnknownName or RequestError for an unknown metric or parameter."""
    _, module, parameters = _read(text)
    if not parameters:
        return cast(Metric, module)
    facts = (module.BETTER, module.OVER, module.UNITS, module.RANGE, module.CENTRED, module.WHOLE_NUMBERS)
    return cast(Metric, _Parametrized(*facts, module, parameters))


def canonical(text: str) -> str:
    """Return the canonical text of this metric with these parameters; errors as `load`."""
    name, module, parameters = _read(text)
    return registry.text_of(name, module, parameters) if parameters else name


def always() -> tuple[str, ...]:
    """Return the names of the metrics that are measured of every output."""
    return tuple(
        name for name in registry.names("comparison/metrics") if registry.load("comparison/metrics", name).ALWAYS
    )


def rows(outputs: Real) -> Real:
    """Return outputs (n, *shape) as (n, elements)."""
    return outputs.reshape(len(outputs), -1)


def _read(text: str) -> tuple[str, ModuleType, registry.Parameters]:
    name, colon, _ = text.partition(":")
    module = registry.load("comparison/metrics", name)
    if hasattr(module, "PARAMETERS"):
        return registry.load_with_parameters("comparison/metrics", text)
    if colon:
        raise RequestError(f"metric {text!r}: has no parameters; expected {name} alone")
    return name, module, {}
