"""A model loaded in an engine: how to call it, read its intermediate tensors, and find their extremes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from toolkit.tensors.signature import SignatureJson, TensorJson

Sample = dict[str, np.ndarray]
Call = Callable[[Sample], dict[str, np.ndarray]]
TimedOutputs = tuple[dict[str, np.ndarray], float]  # outputs of a sample, and milliseconds of the engine's own call
CallSeveral = Callable[[Sequence[dict[str, np.ndarray]]], list[TimedOutputs]]


class TappedTensor(TensorJson):
    """A tensor that can be read, with the name of the operator that gives it, "" for an input of the model."""

    operator: str


class RunOptions(TypedDict, total=False):
    """How a model is run: with so many `threads`, on which of the engine's `kernels`, and by which of its signatures, None for the only one.

    `provider` is ONNX Runtime's, and `tags` are those of a SavedModel's graph. `compiled` is a folder with what the engine compiled of the model
    before, by the runtime's `compile`. `count` samples will come, for an engine that shows how far it is.
    """

    threads: int
    kernels: str
    signature: str | None
    provider: str
    tags: list[str]
    compiled: str
    count: int


class Delegated(TypedDict):
    """What a delegate took of a model: [so many, of all] `operators`, and [so many, of all] `multiply_accumulates` of one call.

    The latter are None where the engine does not tell which operators it took. `left` names the operators that stay on the CPU, with the engine's
    reasons, one each.
    """

    operators: Sequence[int]
    multiply_accumulates: Sequence[int] | None
    left: list[str]


@dataclass(frozen=True)
class Steps:
    """A call in two: `feed` sets the inputs of the next call, `invoke` computes and copies nothing."""

    feed: Callable[[Sample], None]
    invoke: Callable[[], None]


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to run. `delegated` is None on an engine without a delegate of its own.

    An engine that is far away takes up to `at_once` samples in one go, by `call_several`, and measures its own calls; None for one that is near.
    `steps` is the same call in two, for measuring the computation alone; None where the engine has only the whole call.
    """

    call: Call
    engine: str
    signature: SignatureJson
    call_several: CallSeveral | None = None
    at_once: int = 1
    delegated: Delegated | None = None
    steps: Steps | None = None


@dataclass(frozen=True)
class Tapped:
    """A model whose intermediate tensors can be read after each call.

    `tensors` has the JSON of a spec (name, dtype, shape; scale and zero_point if quantized) for each tensor, in the order of execution, and
    `operator`, the name of the operator that gives it ("" for an input of the model); names are unique. `call` takes a sample as `Loaded.call` does,
    and returns the arrays in the same order; they are valid until the next call.
    """

    tensors: tuple[TappedTensor, ...]
    call: Callable[[dict[str, np.ndarray]], list[np.ndarray]]
    engine: str


@dataclass(frozen=True)
class Extremes:
    """A model that gives the extremes of its intermediate tensors with each call.

    `tensors` are as in `Tapped`. `call` takes a sample as `Loaded.call` does, and returns (arrays, rows). Arrays are as in `Tapped`; drop them before
    the next call. An array is None where it was not read: with `values` all float32 arrays are there, without it at least those whose extremes the
    engine never gives. `rows` has one row for each float32 tensor, in their order: float64 minimum, maximum and number of values. Minimum and maximum
    are NaN where the engine cannot be sure of them, for example where a value is not finite.
    """

    tensors: tuple[TappedTensor, ...]
    call: Callable[[dict[str, np.ndarray]], tuple[list[np.ndarray | None], np.ndarray]]
    engine: str
