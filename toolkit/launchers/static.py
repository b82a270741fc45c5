"""No device at all: nothing of the target's runtime is executed. What it would take of a file is estimated by the runtime's own published rules.

Its targets get what this machine can show: the file, its operators, and its numbers on the kernels that run what the runtime leaves. Their verdict is
never `passed`. There are no options.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.environments.status import Status
from toolkit.errors import RequestError, TargetUnavailable
from toolkit.launchers import Launch
from toolkit.settings import Settings

HOST = False
EMULATED = False
TIMED = False
STATIC = True
RUNTIMES = ("litert_coreml",)
SETUP = ()


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Raise TargetUnavailable: there is nothing to start."""
    require_options(options)
    raise TargetUnavailable("launcher static: executes nothing", "measure on the device itself")


def require_options(options: Mapping[str, object]) -> None:
    """Raise RequestError for any option."""
    if options:
        raise RequestError(f"launcher static: unknown option {', '.join(map(repr, sorted(options)))}; it has none")


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return True: nothing is needed."""
    return True


def means(options: Mapping[str, object]) -> str:
    """Return what is done in place of a run, in words."""
    return "what its runtime takes is estimated from the file"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return the machine of nearly all devices that cannot be had here; its features are not known."""
    return "aarch64", []


def status(settings: Settings) -> Status:
    """Return the line for `doctor`: there is nothing that could be missing."""
    return Status("launcher", "static", True, "no device: targets whose runtime nothing here executes")
