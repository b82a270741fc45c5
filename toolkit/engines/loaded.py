"""A model that an engine has loaded: how to call it, read its intermediate tensors, and find their extremes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Call = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to run."""

    call: Call
    engine: str
    signature: dict[str, Any]


@dataclass(frozen=True)
class Tapped:
    """A model whose intermediate tensors can be read after each call.

    `tensors` has for each the JSON of a spec (name, dtype, shape; scale and zero_point where it is quantized) and `operator`, the name of the
    operator that gives it ("" for an input of the model), in the order of execution; names are unique. `call` takes a sample as `Loaded.call`
    does, and gives the arrays in the same order; they are valid until the next call.
    """

    tensors: tuple[dict[str, Any], ...]
    call: Callable[[dict[str, np.ndarray]], list[np.ndarray]]
    engine: str


@dataclass(frozen=True)
class Extremes:
    """A model that says the extremes of its intermediate tensors with each call.

    `tensors` as those of `Tapped`. `call` takes a sample as `Loaded.call` does, and gives (arrays, rows). Arrays are as those of `Tapped`; they are
    to be let go of before the next call. None for those that are not read: with `values` all float32 ones are there, without at least those whose
    extremes the engine never says. A row, for each float32 tensor and in their order, is float64 minimum, maximum and number of values, where
    minimum and maximum are NaN if the engine cannot vouch for them, as where a value is not finite.
    """

    tensors: tuple[dict[str, Any], ...]
    call: Callable[[dict[str, np.ndarray]], tuple[list[np.ndarray | None], np.ndarray]]
    engine: str
