"""Qualcomm's HTP, the NPU of Snapdragons, emulated on x86-64 by the libraries in onnxruntime-qnn. They were never compared with a Snapdragon here.

There are no options. The emulation computes, it does not time: a duration measured here says nothing about a device.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from toolkit import environments
from toolkit.environments import Environment, instructions
from toolkit.environments.requirements import split_name
from toolkit.environments.status import Status
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, UnknownName
from toolkit.launchers import Launch
from toolkit.settings import Settings

HOST = False
EMULATED = True
TIMED = False
SETUP = ()
RUNTIMES = ("onnxruntime_qnn",)

_ENVIRONMENT = "onnxruntime_qnn"
_PACKAGE = "onnxruntime-qnn"


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a worker that emulates the HTP; EnvironmentUnavailable where no interpreter with onnxruntime-qnn was named."""
    require_options(options)
    if split_name(environment)[0] != _ENVIRONMENT:
        raise UnknownName("environment on launcher qnn", split_name(environment)[0], (_ENVIRONMENT,))
    if os.uname().machine not in instructions.X86:
        raise TargetUnavailable(
            f"launcher qnn: the emulation of the HTP is for x86-64; this machine is {os.uname().machine}",
            "build for this target on an x86-64 machine",
        )
    resolved = environments.resolve(environment, settings=settings)
    return Launch(
        command=(str(resolved.python),),
        variables=resolved.variables,
        identity=hashlib.sha256(f"{resolved.identity}\nqnn".encode()).hexdigest()[:16],
        about=_about(resolved),
    )


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether the user named an interpreter that serves."""
    try:
        return environments.find(environment, settings=settings) is not None
    except EnvironmentUnavailable:
        return False


def means(options: Mapping[str, object]) -> str:
    """Return what emulates, in words."""
    return "Qualcomm's own emulation of the HTP, never compared with a Snapdragon"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return the machine that is emulated; it adds products of 8-bit integers in 32 bits, so no feature matters."""
    return "hexagon", []


def require_options(options: Mapping[str, object]) -> None:
    """Raise RequestError for any option."""
    if options:
        raise RequestError(f"launcher qnn: unknown option {', '.join(map(repr, sorted(options)))}; it has none")


def status(settings: Settings) -> Status:
    """Return the line for `doctor`."""
    about = "Qualcomm's HTP, emulated on x86-64; an extra that you install"
    try:
        found = environments.find(_ENVIRONMENT, settings=settings)
    except EnvironmentUnavailable as error:
        return Status("launcher", "qnn", False, about, None, error.problem, error.hint)
    return Status("launcher", "qnn", found is not None, about, None if found is None else found.python)


def _about(resolved: Environment) -> dict[str, str]:
    return {
        "engine": resolved.engine,
        "machine": "hexagon",
        "launcher": "qnn",
        "emulator": f"HTP emulation on x86-64, {_PACKAGE} {resolved.versions[_PACKAGE]}",
        "cpu": "never compared with a Snapdragon",
        "processor": "Qualcomm HTP",
    }
