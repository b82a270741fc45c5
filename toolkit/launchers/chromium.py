"""A page of Chromium on this machine, without a window: engines for the web, on Wasm or on WebGPU.

Options: `accelerator`, which has no default: "wasm", or "webgpu", which needs an `adapter`. The one adapter is "swiftshader", Chromium's own, in
software: it shows what WebGPU's operators and arithmetic do, not what a GPU's driver does.

A job has its own browser, and is confined from outside together with it: the browser cannot make its own sandbox there. Nothing is timed: how long a
call takes depends on this machine, and includes the way through DevTools.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping

from toolkit import environments, printable, registry
from toolkit.environments import instructions
from toolkit.environments.status import Status
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, suggestion
from toolkit.launchers import Launch
from toolkit.launchers.browser import packages
from toolkit.launchers.browser.program import BrowserProgram, find_path, find_program
from toolkit.settings import Settings
from toolkit.wire.browser_setup import SAID, SOFTWARE, Setup

__all__ = [
    "EMULATED",
    "HOST",
    "RUNTIMES",
    "SETUP",
    "TIMED",
    "features",
    "make_release",
    "means",
    "prepare",
    "ready",
    "require_options",
    "status",
    "version",
]

HOST = False
EMULATED = False
TIMED = False
SETUP = packages.STEPS
RUNTIMES = ("litert_web", "onnxruntime_web")

_OPTIONS = {"accelerator": ("wasm", "webgpu"), "adapter": (SOFTWARE,)}
_ENGINES = {"litert": "LiteRT.js", "onnxruntime": "onnxruntime-web"}


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a worker whose jobs run in a browser, with the packages that stand for `environment` in a page."""
    accelerator, adapter = _asked(environment, options)
    try:
        program = find_program(settings)
        folders = packages.make_packages(environment, settings)
        resolved = environments.resolve(environment, settings)
    except (EnvironmentUnavailable, TargetUnavailable) as error:
        raise TargetUnavailable(printable.together("launcher chromium: ", error.problem), error.hint) from error
    locked = packages.locked(environment)
    said = Setup(
        str(program.path),
        {name: str(folder) for name, folder in folders.items()},
        {each.name: each.version for each in locked},
        accelerator,
        adapter,
    )
    return Launch(
        command=(str(resolved.python),),
        variables={**resolved.variables, SAID: said.to_text()},
        identity=_identity(
            resolved.identity, program.version, *(each.integrity for each in locked), accelerator, str(adapter)
        ),
        about=_about(environment, program, accelerator, adapter),
        needs=(*program.folders, *map(str, folders.values()), *resolved.folders),
        browser=True,
    )


def require_options(options: Mapping[str, object]) -> None:
    """Raise RequestError, with all mistakes, for options that are missing, unknown or contradict one another."""
    wrong = [
        f"option {option!r}: unknown; {suggestion(option, _OPTIONS)}" for option in options if option not in _OPTIONS
    ]
    given = {option: str(options[option]) for option in _OPTIONS if option in options}
    wrong += [
        f"{option} {told!r}: unknown; {suggestion(told, _OPTIONS[option])}"
        for option, told in given.items()
        if told not in _OPTIONS[option]
    ]
    accelerator = given.get("accelerator")
    if accelerator is None:
        wrong.append(f"option 'accelerator': missing; {suggestion('', _OPTIONS['accelerator'])}")
    elif accelerator in _OPTIONS["accelerator"] and (accelerator == "webgpu") != ("adapter" in given):
        expected = "no adapter" if "adapter" in given else f"adapter = {SOFTWARE!r}"
        wrong.append(f"accelerator {accelerator!r}: expected {expected} beside it")
    if wrong:
        raise RequestError(printable.lines(printable.line(f"launcher chromium: {each}") for each in wrong))


def make_release(environment: str, settings: Settings) -> None:
    """Do nothing: of the packages for a page there is the locked release alone."""


def version(environment: str) -> str:
    """Return the version of the engine that stands for an environment in a page."""
    return packages.locked(environment)[0].version


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether there are a browser, the packages, and the environment that reads a model's file."""
    _asked(environment, options)
    return (
        _path_or_none() is not None
        and packages.find_packages(environment, settings) is not None
        and environments.find(environment, settings) is not None
    )


def means(options: Mapping[str, object]) -> str:
    """Return what runs jobs, in words: the browser, and that a GPU of WebGPU is one in software."""
    on = {"wasm": ", on Wasm", "webgpu": ", on WebGPU by a GPU in software (SwiftShader)"}
    return f"in this machine's Chromium{on.get(str(options.get('accelerator')), '')}"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return machine and features of this processor: Wasm is compiled for it, and the same kernels run on it without a browser too."""
    machine, has = registry.load("launchers", "local").features({})
    return str(machine), list(has)


def status(settings: Settings) -> Status:
    """Return the line for `doctor`."""
    wanted = ", ".join(f"{each[0].name} {each[0].version}" for each in packages.LOCKED.values())
    try:
        program = find_program(settings)
    except TargetUnavailable as error:
        return Status("launcher", "chromium", False, "Chromium", None, error.problem, error.hint)
    about = f"Chromium {program.version}; {wanted}"
    missing = [each[0].name for name, each in packages.LOCKED.items() if packages.find_packages(name, settings) is None]
    if missing:
        has_npm = shutil.which("npm") is not None
        problem = f"no packages of {', '.join(missing)} yet" if has_npm else f"{', '.join(missing)} {packages.NO_NPM}"
        fix = "edge-toolkit setup chromium" if has_npm else packages.HOW_NPM
        return Status("launcher", "chromium", False, about, program.path, problem, fix)
    return Status("launcher", "chromium", True, about, program.path)


def _path_or_none() -> object:
    try:
        return find_path()
    except TargetUnavailable:
        return None


def _asked(environment: str, options: Mapping[str, object]) -> tuple[str, str | None]:
    """Return accelerator and adapter; RequestError for wrong options, UnknownName for an environment that nothing stands for in a page."""
    require_options(options)
    packages.locked(environment)
    adapter = options.get("adapter")
    return str(options["accelerator"]), None if adapter is None else str(adapter)


def _about(environment: str, program: BrowserProgram, accelerator: str, adapter: str | None) -> dict[str, str]:
    local = registry.load("launchers", "local")
    model, has = local.cpu()
    return {
        "engine": f"{_ENGINES[environment]} {packages.locked(environment)[0].version}",
        "machine": os.uname().machine,
        "launcher": "chromium",
        "browser": f"Chromium {program.version}",
        "accelerator": accelerator if adapter is None else f"{accelerator} in software ({adapter})",
        "cpu": f"{model} ({' '.join(has)})" if has else model,
        "processor": instructions.class_of(os.uname().machine, has),
    }


def _identity(*parts: str) -> str:
    has = registry.load("launchers", "local").cpu()[1]  # V8 compiles Wasm for these
    return hashlib.sha256("\n".join(["chromium", *parts, *has]).encode()).hexdigest()[:16]
