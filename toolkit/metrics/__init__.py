"""How far apart two sets of outputs are, one metric a file. They are computed on real numbers, in float64, for many samples at once.

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
    applies(shape) -> None | reason
               why the metric says nothing about outputs of that shape; `shape` is one sample's, batch axis included, and holds
               at least one element
    measure(reference, candidate) -> values
               both float64 (n, *shape), n >= 1, NaN and Inf as the engines gave them. Values are (n,); for a rate 1, 0 or NaN.
               For "set" (n, k): terms that add up over samples, so that any number of samples is measured as a stream, and any
               subset of them again (a bootstrap, say) without the outputs
    finish(terms) -> values
               only for "set": sums of terms (..., k) -> values (...)

One that has parameters has besides

    PARAMETERS {name: default}: numbers and texts; None for one that must be said, so that ALWAYS is False
    refuse(parameters) -> None | reason
               what is impossible about them, in words for the user

and takes them by keyword in `applies` and `measure`. It is named with them, as in "topk_agreement:k=5".

A NaN in a sample must give NaN, whatever the other side holds, and identical finite outputs must give the best value that there is:
the contract tests hold every file here to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from toolkit import registry
from toolkit.errors import RequestError

Real = NDArray[np.float64]
Better = Literal["lower", "higher"]


class Metric(Protocol):
    """What every module here defines."""

    BETTER: Better
    OVER: Literal["sample", "set", "rate"]
    UNITS: tuple[str, ...]
    RANGE: tuple[float, float]

    def applies(self, shape: Sequence[int]) -> str | None:
        """Return None, or why the metric says nothing about outputs of that shape."""

    def measure(self, reference: Real, candidate: Real) -> Real:
        """Return one value for each sample, or its terms."""


class Pooled(Metric, Protocol):
    """What a module with OVER = "set" defines."""

    def finish(self, terms: Real) -> Real:
        """Return the value that belongs to a sum of terms."""


@dataclass(frozen=True, slots=True)
class _Parametrized:
    """A metric with all of its parameters bound."""

    BETTER: Better
    OVER: str
    UNITS: tuple[str, ...]
    RANGE: tuple[float, float]
    _module: ModuleType
    _parameters: registry.Parameters

    def applies(self, shape: Sequence[int]) -> str | None:
        return cast(str | None, self._module.applies(shape, **self._parameters))

    def measure(self, reference: Real, candidate: Real) -> Real:
        return cast(Real, self._module.measure(reference, candidate, **self._parameters))


def load(text: str) -> Metric:
    """Return the metric that a text such as "rmse" or "topk_agreement:k=5" names; UnknownName or RequestError for what there is not."""
    _, module, parameters = _read(text)
    if not parameters:
        return cast(Metric, module)
    return cast(Metric, _Parametrized(module.BETTER, module.OVER, module.UNITS, module.RANGE, module, parameters))


def canonical(text: str) -> str:
    """Return the one text that names this metric with these parameters; errors as `load`."""
    name, module, parameters = _read(text)
    return registry.text_of(name, module, parameters) if parameters else name


def always() -> tuple[str, ...]:
    """Return the names of the metrics that are measured of every output."""
    return tuple(name for name in registry.names("metrics") if registry.load("metrics", name).ALWAYS)


def rows(outputs: Real) -> Real:
    """Return (n, *shape) as (n, elements)."""
    return outputs.reshape(len(outputs), -1)


def _read(text: str) -> tuple[str, ModuleType, registry.Parameters]:
    name, colon, _ = text.partition(":")
    module = registry.load("metrics", name)
    if hasattr(module, "PARAMETERS"):
        return registry.load_with_parameters("metrics", text)
    if colon:
        raise RequestError(f"metric {text!r}: has no parameters; {name} alone would be right")
    return name, module, {}
