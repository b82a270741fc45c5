"""Engines that run a model, one file each, as on the device.

A runtime is a module with

    FORMATS                             names of the artifact formats that it runs
    load(model, options) -> Loaded      `options`: "threads", "signature" (a key or null), "kernels" ("default", "builtin", "reference")

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
