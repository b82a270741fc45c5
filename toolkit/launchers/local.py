"""This machine: runs the environment's own interpreter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from toolkit import environments
from toolkit.environments import Environment, Status, instructions
from toolkit.errors import RequestError
from toolkit.launchers import Launch
from toolkit.launchers.emulation.own_processor import cpu
from toolkit.settings import Settings
from toolkit.settings.environment_variables import allowed, by_engines

HOST = True
EMULATED = False
TIMED = True
SETUP = ()


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a script in `environment` on this machine; there are no options."""
    if options:
        raise RequestError(f"launcher local: unknown option {', '.join(map(repr, sorted(options)))}; it has none")
    resolved = environments.resolve(environment, settings=settings)
    model, has = cpu()
    said = by_engines() | allowed(settings.permissions.variables)
    return Launch(
        command=(str(resolved.python),),
        variables={**resolved.variables, **said},
        identity=_identity(resolved, has, said),
        about={
            "engine": resolved.engine,
            "machine": os.uname().machine,
            "launcher": "local",
            "cpu": f"{model} ({' '.join(has)})" if has else model,
            "processor": instructions.class_of(os.uname().machine, has),
        },
    )


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether the environment exists."""
    return environments.find(environment, settings=settings) is not None


def means(options: Mapping[str, object]) -> str:
    """Return what runs jobs, in words."""
    return "on this machine"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return machine and features of this processor."""
    return os.uname().machine, cpu()[1]


def status(settings: Settings) -> Status:
    """Return the line for `doctor`: this launcher always works."""
    model, has = cpu()
    return Status("launcher", "local", True, f"{os.uname().machine}, {model} ({' '.join(has)})")


def _identity(environment: Environment, features: list[str], said: Mapping[str, str]) -> str:
    """Return a hash that leaves out the model's name: machines that choose the same kernels share their finished jobs."""
    variables = (f"{name}={value}" for name, value in sorted(said.items()))
    return hashlib.sha256(" ".join([environment.identity, "local", *features, *variables]).encode()).hexdigest()[:16]
