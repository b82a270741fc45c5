"""An engine without a model, for tests of the contract: it answers or misbehaves as its file says.

The file is JSON: {"signature": {...}, "do": "answer"}. `answer` gives, for each output, the mean of all inputs plus the element's index, and plus
`error` where that is given (minus it for every second element). Other values of `do`: see `_MISBEHAVIOUR`. Both begin at the sample `at`
(from 0). `kernels` overrides keys for some kernels, as {"reference": {"do": "abort"}}. `slow` is a list of [sample, ms]: from that sample on, each
call waits so long, until the next one's sample.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from toolkit.engines.loaded import Loaded, RunOptions

FORMATS = ("fake",)
ENVIRONMENT = "dataset"

_Outputs = dict[str, np.ndarray]


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the fake model ready to run."""
    told = json.loads(model.read_text())
    told |= told.get("kernels", {}).get(options.get("kernels"), {})
    signature = told["signature"]
    misbehave = _MISBEHAVIOUR.get(told.get("do", "answer"))
    count = 0

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        nonlocal count
        level = float(np.mean([array.mean(dtype=np.float64) for array in sample.values()]))
        begun = count >= told.get("at", 0)
        time.sleep(next((ms for at, ms in reversed(told.get("slow", [])) if count >= at), 0) / 1e3)
        error = told.get("error", 0.0) if begun else 0.0
        outputs = {spec["name"]: _ramp(level, spec, error) for spec in signature["outputs"]}
        if misbehave is not None and begun:
            outputs = misbehave(outputs)
        count += 1
        return outputs

    return Loaded(call, "fake 1", signature)


def _ramp(level: float, spec: dict[str, Any], error: float) -> np.ndarray:
    places = np.arange(int(np.prod(spec["shape"], dtype=np.int64)))
    return (level + places + np.where(places % 2, -error, error)).reshape(spec["shape"]).astype(spec["dtype"])


def _raise(outputs: _Outputs) -> NoReturn:
    try:
        raise ImportError("numpy.core.multiarray failed to import")
    except ImportError as error:
        raise SystemError("op FOO is not supported") from error


def _print(outputs: _Outputs) -> _Outputs:
    os.write(1, b'{"event": "ended", "id": 1, "status": 0}\n\xff\x00 garbage\n')
    return outputs


def _allocate(outputs: _Outputs) -> NoReturn:
    kept = []
    while True:
        kept.append(np.ones(1 << 22))
        time.sleep(0.005)


def _wait(outputs: _Outputs) -> _Outputs:
    time.sleep(0.5)
    return outputs


_MISBEHAVIOUR: dict[str, Callable[[_Outputs], Any]] = {
    "segfault": lambda outputs: ctypes.string_at(0),
    "abort": lambda outputs: os.abort(),
    "exit": lambda outputs: os._exit(3),
    "leave": lambda outputs: sys.exit(3),
    "hang": lambda outputs: time.sleep(3600),
    "raise": _raise,
    "wait": _wait,
    "allocate": _allocate,
    "ask": lambda outputs: np.ones(1 << 50),
    "print": _print,
    "drop": lambda outputs: dict(list(outputs.items())[:-1]),
    "rename": lambda outputs: {name + "_": array for name, array in outputs.items()},
    "reshape": lambda outputs: {name: array[..., None] for name, array in outputs.items()},
    "retype": lambda outputs: {name: array.astype(np.float64) for name, array in outputs.items()},
    "nan": lambda outputs: {name: array * np.nan for name, array in outputs.items()},
}
