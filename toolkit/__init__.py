"""Trained TensorFlow models, packaged for phones, boards and PCs, and verified on the runtime that the device runs.

    outcomes = toolkit.build("model", targets="host", calibration="digits.toml", out="dist")
    assert outcomes["host"].passed

Every verb of the command line is a function here. Errors are EdgeToolkitError, whose text is what the command line prints.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from `typing`, whose import takes time, and too much memory on small machines
if TYPE_CHECKING:
    from typing import Any

    from toolkit.conversion.artifacts import Artifact
    from toolkit.errors import EdgeToolkitError, OutsideError, RequestError
    from toolkit.execution.latency import Latency, LatencyRequest
    from toolkit.execution.run import Run
    from toolkit.experiments.sweep import Asking
    from toolkit.findings import Finding
    from toolkit.jobs.executor import Executor
    from toolkit.jobs.local_executor import LocalExecutor
    from toolkit.pipeline.binding import Renamed
    from toolkit.pipeline.prepare import Samples
    from toolkit.profiles.recipe import Asked, KeepFloat, Recipe
    from toolkit.regression import Gate
    from toolkit.regression.rejudge import rejudge
    from toolkit.regression.run_comparison import compare_runs
    from toolkit.settings import Limits, Settings
    from toolkit.settings.permissions import Permissions
    from toolkit.source.original import Original
    from toolkit.verbs.build import build
    from toolkit.verbs.check import check, update_baseline
    from toolkit.verbs.convert import convert
    from toolkit.verbs.debug import Looking, debug, locate
    from toolkit.verbs.doctor import doctor
    from toolkit.verbs.inspect import inspect
    from toolkit.verbs.lint import lint
    from toolkit.verbs.run import run
    from toolkit.verbs.sweep import sweep
    from toolkit.verbs.verify import verify
    from toolkit.verdict.attribution import Attribution
    from toolkit.verdict.verdict import Verdict

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "Asked",
    "Asking",
    "Attribution",
    "EdgeToolkitError",
    "Executor",
    "Finding",
    "Gate",
    "KeepFloat",
    "Latency",
    "LatencyRequest",
    "Limits",
    "LocalExecutor",
    "Looking",
    "Original",
    "OutsideError",
    "Permissions",
    "Recipe",
    "Renamed",
    "RequestError",
    "Run",
    "Samples",
    "Settings",
    "Verdict",
    "build",
    "check",
    "compare_runs",
    "convert",
    "debug",
    "doctor",
    "inspect",
    "lint",
    "locate",
    "rejudge",
    "run",
    "sweep",
    "update_baseline",
    "verify",
]

_MODULES = {
    "Artifact": "toolkit.conversion.artifacts",
    **dict.fromkeys(("Asked", "KeepFloat", "Recipe"), "toolkit.profiles.recipe"),
    "Asking": "toolkit.experiments.sweep",
    "Attribution": "toolkit.verdict.attribution",
    **dict.fromkeys(("EdgeToolkitError", "OutsideError", "RequestError"), "toolkit.errors"),
    "Executor": "toolkit.jobs.executor",
    "Finding": "toolkit.findings",
    "Gate": "toolkit.regression",
    **dict.fromkeys(("Latency", "LatencyRequest"), "toolkit.execution.latency"),
    **dict.fromkeys(("Limits", "Settings"), "toolkit.settings"),
    "LocalExecutor": "toolkit.jobs.local_executor",
    **dict.fromkeys(("Looking", "debug", "locate"), "toolkit.verbs.debug"),
    "Original": "toolkit.source.original",
    "Permissions": "toolkit.settings.permissions",
    "Renamed": "toolkit.pipeline.binding",
    "Run": "toolkit.execution.run",
    "Samples": "toolkit.pipeline.prepare",
    "Verdict": "toolkit.verdict.verdict",
    "build": "toolkit.verbs.build",
    **dict.fromkeys(("check", "update_baseline"), "toolkit.verbs.check"),
    "compare_runs": "toolkit.regression.run_comparison",
    "convert": "toolkit.verbs.convert",
    "doctor": "toolkit.verbs.doctor",
    "inspect": "toolkit.verbs.inspect",
    "lint": "toolkit.verbs.lint",
    "rejudge": "toolkit.regression.rejudge",
    "run": "toolkit.verbs.run",
    "sweep": "toolkit.verbs.sweep",
    "verify": "toolkit.verbs.verify",
}


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used: workers import this package in interpreters without the host's dependencies."""
    import importlib

    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'toolkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names; most of them are imported on first use."""
    return [*__all__, "__version__"]
