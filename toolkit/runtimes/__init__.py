"""Engines that run a model, one file each, as on the device.

A runtime is a module with

    FORMATS                             names of the artifact formats that it runs
    load(model, options) -> Loaded      `options`: "threads", "signature" (a key or null), "kernels" ("default", "builtin", "reference")
    tap(model, options) -> Tapped       optional: the same model on the same kernels, with its intermediate tensors to be read
    unread(model) -> (name, ...)        optional: the tensors that it computes and that no tap can read (bodies of loops, gates of a fused LSTM)

`Loaded.call` takes and gives {name: array} for one sample, by signature name, with exactly the dtypes and shapes of `Loaded.signature`
(JSON as in `toolkit.signature`); `engine` is the name and version that really ran. What an engine raises is passed on untouched.
"""

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
