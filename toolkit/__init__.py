"""Trained TensorFlow models, packaged for phones, boards and microcontrollers, and verified on the runtime that the device runs."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_VERBS = {
    **dict.fromkeys(("build", "convert", "run", "verify", "inspect", "doctor", "Original", "Samples"), "toolkit.build"),
    "Settings": "toolkit.settings",
    "Limits": "toolkit.limits",
    "Executor": "toolkit.executor",
}


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used: a worker mounts this package in interpreters that hold nothing of the host's."""
    if name in _VERBS:
        module = importlib.import_module(_VERBS[name])
        # Importing `toolkit.build` made the package's attributes `build`, `convert` and `verify` the modules of these names.
        globals().update({verb: getattr(module, verb) for verb, place in _VERBS.items() if place == _VERBS[name]})
        return globals()[name]
    raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
