"""Where a job's process runs. A launcher is a module whose file name is its name; the folder is the registry.

Each defines

    HOST: bool
        Whether it starts jobs on this machine itself. A run elsewhere, or an emulated one, is a stage of its own: the device.
    EMULATED: bool
        Whether another processor is emulated; a launch then names the emulator (`emulator` in `Launch.about`).
    TIMED: bool
        Whether durations measured there are the device's.
    SETUP: tuple[Callable[[Settings], object], ...]
        The steps that `edge-toolkit setup` with the launcher's name does ahead of time; empty where it needs environments only.
    make_release(environment: str, settings: Settings) -> None
        Only with a SETUP: makes what it needs to start another release of an engine; `setup` with both names calls it.
    prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch
        Returns how to start a worker in that environment, which is made first where it is missing.
        Raises RequestError for unknown options, EnvironmentUnavailable or TargetUnavailable where that is not possible.
    ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool
        Returns whether `prepare` would make nothing and would need no network.
    features(options: Mapping[str, object]) -> tuple[str, list[str]]
        Returns machine and features of the processor that jobs run on, for toolkit.environments.instructions; no feature where they are not known.
    status(settings: Settings) -> Status
        Returns what `doctor` shows; makes nothing, needs no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolkit import environments, registry
from toolkit.environments.status import Status
from toolkit.environments.transport import Transport
from toolkit.settings import Settings

__all__ = ["WORKER", "Launch", "is_host", "is_timed", "prepare", "setup", "setup_names", "setup_names_of", "status"]

WORKER = str(Path(__file__).resolve().parents[1] / "jobs" / "worker_main.py")


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker: by `command`, with `variables` beside those of `toolkit.settings.environment_variables.by_everybody`.

    `script` is the path of the toolkit's worker as the command, a Python interpreter, sees it; None where the command itself is a worker, in any
    language, which speaks `toolkit.wire.worker_protocol`.
    `transport` takes jobs to where the command runs, where that does not see this machine's disk; None where it sees a job's folder.
    `identity` is part of the keys of jobs, and changes with anything that could change a result.
    `about` goes into the report: `engine`, `machine`, `launcher`, `cpu`, `processor` (its class, by the instructions on which results depend),
    and `emulator` where there is one.
    `needs` are the files and folders that the command itself reads, where its jobs have to be confined from outside: an emulator does not pass the
    calls that confine on to the kernel. Then each job has a worker of its own. None where the worker confines its jobs.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str]
    identity: str
    about: Mapping[str, str]
    needs: tuple[str, ...] | None = None
    script: str | None = WORKER
    transport: Transport | None = None


def is_host(name: str) -> bool:
    """Return whether a launcher starts jobs on this machine itself; UnknownName for an unknown one."""
    return bool(registry.load("launchers", name).HOST)


def is_timed(name: str) -> bool:
    """Return whether durations measured with a launcher are the device's; UnknownName for an unknown one."""
    return bool(registry.load("launchers", name).TIMED)


def prepare(name: str, environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how the launcher `name` starts a worker in an environment; raises as its `prepare` does.

    TypeError for a launch that names no emulator though the launcher emulates, or names one though it does not: reports could not tell them apart.
    TypeError too for a launch with both `needs` and `transport`: jobs elsewhere cannot be confined from outside here.
    """
    launcher = registry.load("launchers", name)
    launch: Launch = launcher.prepare(environment, options, settings)
    if ("emulator" in launch.about) != launcher.EMULATED:
        raise TypeError(
            f"launcher {name}: EMULATED is {launcher.EMULATED}, and its launch is about {dict(launch.about)}"
        )
    if launch.needs is not None and launch.transport is not None:
        raise TypeError(
            f"launcher {name}: has `needs`, and a transport; what confines its jobs has to be where they run"
        )
    return launch


def setup_names() -> list[str]:
    """Return the names of all that `setup` makes: environments, and launchers that need more than environments."""
    return [*environments.names(), *_set_up_by_name()]


def setup_names_of(launcher: str, environment: str) -> tuple[str, ...]:
    """Return the names for `setup` after which a launcher can start an environment, and this machine can run the same."""
    return (environment, launcher) if launcher in _set_up_by_name() else (environment,)


def setup(wanted: Iterable[str], settings: Settings) -> list[Status]:
    """Make environments and what launchers need ahead of time, by their names; all of them if none is named. Return the status of each.

    All are tried, several at once; all failures are raised together as EnvironmentUnavailable. UnknownName for any other name.
    """
    launchers = _set_up_by_name()
    chosen = list(dict.fromkeys(wanted)) or setup_names()
    environments.require_known(chosen, launchers)
    steps: list[Callable[[Settings], object]] = []
    for name in chosen:
        steps += launchers.get(name, (partial(environments.resolve, name),))
        if name in launchers:
            of_release = registry.load("launchers", name).make_release
            steps += [partial(of_release, other) for other in chosen if environments.is_release(other)]
    environments.make_all(steps, settings)
    return [
        registry.load("launchers", name).status(settings)
        if name in launchers
        else environments.status_of(name, settings)
        for name in chosen
    ]


def _set_up_by_name() -> dict[str, tuple[Callable[[Settings], object], ...]]:
    """Return the steps of each launcher that has any, by its name."""
    steps = {name: registry.load("launchers", name).SETUP for name in registry.names("launchers")}
    return {name: of for name, of in steps.items() if of}


def status(settings: Settings) -> list[Status]:
    """Return how each launcher stands on this machine; makes nothing, needs no network."""
    return [registry.load("launchers", name).status(settings) for name in registry.names("launchers")]
