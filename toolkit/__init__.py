"""Trained TensorFlow models, packaged for phones, boards and PCs, and verified on the runtime that the device runs."""

from __future__ import annotations

TYPE_CHECKING = False  # as `typing` says it, which is slow to import, and too much where memory is short
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_VERBS = {
    **{
        verb: f"toolkit.verbs.{verb}"
        for verb in ("build", "convert", "run", "verify", "inspect", "doctor", "debug", "lint")
    },
    "Samples": "toolkit.opening",
    "sweep": "toolkit.experiments",
    **dict.fromkeys(("compare_runs", "rejudge"), "toolkit.rejudging"),
    "Original": "toolkit.source",
    "Renamed": "toolkit.binding",
    **dict.fromkeys(("Asked", "KeepFloat", "Recipe"), "toolkit.recipe"),
    "Settings": "toolkit.settings",
    "Limits": "toolkit.settings",
    "Permissions": "toolkit.permissions",
    "Executor": "toolkit.executor",
    "LocalExecutor": "toolkit.local_executor",
}


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used: a worker mounts this package in interpreters that hold nothing of the host's."""
    import importlib

    if name in _VERBS:
        return getattr(importlib.import_module(_VERBS[name]), name)
    raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
