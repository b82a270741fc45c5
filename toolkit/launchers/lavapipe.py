"""A GPU's Vulkan driver in software: Mesa's lavapipe does on this machine's processor what shaders say. There are no options.

An engine's GPU delegate runs on it as on a phone: its choice of operators, its rewriting of the graph, and its float16 arithmetic. The driver, its
speed and its behaviour beyond the range of float16 are not a phone's: it saturates where a phone's GPU overflows to infinity.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from toolkit import environments, printable
from toolkit.environments import Environment, Status, instructions
from toolkit.environments.remembered import recall, remember
from toolkit.environments.requirements import split_name
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, UnknownName
from toolkit.launchers import Launch
from toolkit.launchers.emulation import vulkan
from toolkit.launchers.emulation.known_answer import answer_key, known_answer
from toolkit.launchers.emulation.own_processor import cpu
from toolkit.launchers.emulation.vulkan import VulkanDriver
from toolkit.settings import Settings

__all__ = [
    "EMULATED",
    "HOST",
    "SETUP",
    "TIMED",
    "features",
    "make_release",
    "means",
    "prepare",
    "ready",
    "require_environment",
    "require_options",
    "status",
]

HOST = False
EMULATED = True
TIMED = False
SETUP = (vulkan.make_driver,)

_ENVIRONMENTS = ("litert",)
# Libraries of this machine come first, so that its own programs find what they were built with; the driver's fill the gaps.
_OWN_LIBRARIES = ("/lib/{machine}-linux-gnu", "/usr/lib/{machine}-linux-gnu")


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a script in `environment` with the driver; the driver is made first if it is missing.

    The engine must also give a known answer on it, once for each driver and version: then what differs later is not the driver's.
    """
    require_options(options)
    require_environment(environment, options)
    try:
        driver = vulkan.make_driver(settings)
    except EnvironmentUnavailable as error:
        raise TargetUnavailable(printable.together("launcher lavapipe: ", error.problem), error.hint) from error
    resolved = environments.resolve(environment, settings)
    model, has = cpu()
    launch = Launch(
        command=(str(resolved.python),),
        variables={**resolved.variables, **_variables(driver)},
        identity=_identity(resolved, driver, has),
        memory_files=True,
        about={
            "engine": resolved.engine,
            "machine": os.uname().machine,
            "launcher": "lavapipe",
            "emulator": f"Mesa lavapipe {driver.version}",
            "cpu": f"{model} ({' '.join(has)})" if has else model,
            "processor": instructions.class_of(os.uname().machine, has),
        },
    )
    engine = split_name(environment)[0]
    key = answer_key(launch, engine, gpu=True)
    if recall(settings.home, "known_answer", key) is None:
        settings.say(f"{launch.about['engine']} on {launch.about['emulator']}: checking a known answer, once")
        known_answer(launch, engine, gpu=True)
        remember(settings.home, "known_answer", key, "right")
    return launch


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether driver and environment exist."""
    require_options(options)
    require_environment(environment, options)
    return vulkan.find_driver(settings) is not None and environments.find(environment, settings) is not None


def make_release(environment: str, settings: Settings) -> None:
    """Do nothing: one driver serves all releases of an engine."""


def means(options: Mapping[str, object]) -> str:
    """Return what emulates, in words."""
    return "a GPU's driver in software, Mesa lavapipe"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return machine and features of this processor: shaders are compiled for it."""
    return os.uname().machine, cpu()[1]


def require_options(options: Mapping[str, object]) -> None:
    """Raise RequestError for any option."""
    if options:
        raise RequestError(f"launcher lavapipe: unknown option {', '.join(map(repr, sorted(options)))}; it has none")


def status(settings: Settings) -> Status:
    """Return the line for `doctor`."""
    return vulkan.status(settings)


def require_environment(environment: str, options: Mapping[str, object]) -> None:
    """Raise UnknownName for an environment whose engine has no GPU delegate."""
    base = split_name(environment)[0]
    if base not in _ENVIRONMENTS:
        raise UnknownName("environment on launcher lavapipe", base, _ENVIRONMENTS)


def _variables(driver: VulkanDriver) -> dict[str, str]:
    own = (each.format(machine=os.uname().machine) for each in _OWN_LIBRARIES)
    return {
        "LD_LIBRARY_PATH": os.pathsep.join((*own, str(driver.folder))),
        "VK_DRIVER_FILES": str(driver.manifest),
    }


def _identity(environment: Environment, driver: VulkanDriver, features: list[str]) -> str:
    """Return a hash that leaves out the processor's model: shaders are compiled for its features."""
    parts = [environment.identity, "lavapipe", driver.identity, *features]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
