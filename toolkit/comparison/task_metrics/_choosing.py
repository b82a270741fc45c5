"""The output that a metric reads, and the target of the labels: those named, or the only ones that fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.comparison.task_metrics import Column, Labels, Outputs, Parameters, Real, Shapes
from toolkit.errors import suggestion

Fits = Callable[[Sequence[int]], bool]


def look(
    outputs: Shapes, labels: Labels, parameters: Parameters, fits: Fits, what: str
) -> tuple[tuple[int, ...], Column] | str:
    """Return the shape of the output to read and its labels, or why they are not clear; `what` describes in words what fits."""
    said = str(parameters["output"])
    if said and said not in outputs:
        return f"there is no output {said!r}; {suggestion(said, outputs)}"
    found = [name for name, shape in outputs.items() if fits(shape) and said in ("", name)]
    if len(found) > 1:
        return f"several outputs are {what}: {', '.join(found)}; name one, as output={found[0]}"
    if not found:
        shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in outputs.items() if said in ("", name))
        return f"no output is {what}; there: {shapes}"
    target = _target(found[0], labels, str(parameters["labels"]))
    if target is None:
        names = ", ".join(labels) if isinstance(labels, Mapping) else "one target, without a name"
        return f"which labels belong to the output {found[0]!r} is not clear; there: {names}; name it, as labels=NAME"
    return tuple(outputs[found[0]]), target


def read(outputs: Outputs, labels: Labels, parameters: Parameters, fits: Fits) -> tuple[Real, Column]:
    """Return the values of the output to read, and its labels; `look` must have found them."""
    said = str(parameters["output"])
    name = said or next(name for name, array in outputs.items() if fits(array.shape[1:]))
    target = _target(name, labels, str(parameters["labels"]))
    assert target is not None  # `look` has checked it
    return outputs[name], target


def _target(output: str, labels: Labels, said: str) -> Column | None:
    """Return the target that `said` names, else the one with the output's name, else the only one; None where it does not exist."""
    if not isinstance(labels, Mapping):
        return None if said else labels
    only = next(iter(labels)) if len(labels) == 1 else ""
    return labels.get(said or (output if output in labels else only))


def as_array(labels: Column) -> NDArray[Any] | None:
    """Return labels as an array of numbers (n, ...); None where they are no numbers, or differ in shape."""
    try:
        array = np.asarray(labels)
    except ValueError:  # rows of different lengths
        return None
    return array if array.dtype.kind in "biuf" else None


def broken(values: Real) -> NDArray[np.bool_]:
    """Return which samples hold a NaN, bool (n,)."""
    return np.asarray(np.isnan(values.reshape(len(values), -1)).any(axis=1))


def not_finite(values: Real) -> NDArray[np.bool_]:
    """Return which samples hold a NaN or an infinity, bool (n,)."""
    return np.asarray(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
