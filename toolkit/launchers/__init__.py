"""Where a job's process runs. A launcher is a module whose file name is its name; the folder is the registry.

Each defines

    HOST: bool
        Whether it starts jobs directly on this machine. A run elsewhere, or an emulated run, belongs to the stage "device".
    EMULATED: bool
        Whether another processor is emulated; a launch then names the emulator (`emulator` in `Launch.about`).
    TIMED: bool
        Whether its measured durations are those of the device.
    STATIC: bool
        Optional: whether it executes nothing. Then a target has no stage "device", its runtime has ESTIMATE, and no verdict on it passes.
    RUNTIMES: tuple[str, ...]
        Optional: the only runtimes that it starts, each of which has KERNELS; without it, all others than those that launchers name so.
    SETUP: tuple[Callable[[Settings], object], ...]
        The steps of `edge-toolkit setup LAUNCHER`, done ahead of time; empty if the launcher only needs environments.
    make_release(environment: str, settings: Settings) -> None
        Only with a SETUP: makes the files for another release of an engine; `setup` with both names calls it.
    version(environment: str) -> str
        Optional: the one version of an engine that it has, where an environment's own version says nothing; UnknownName for an unknown environment.
    prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch
        Returns how to start a worker in that environment; makes the environment first if it is missing.
        Raises RequestError for unknown options, EnvironmentUnavailable or TargetUnavailable if it cannot start there.
    require_options(options: Mapping[str, object]) -> None
        Optional: raises RequestError with all mistakes in the options; it is called when a profile is read.
    require_environment(environment: str, options: Mapping[str, object]) -> None
        Optional: raises UnknownName for an engine that it does not start with these options; it is called when a profile is read.
    require_files(options: Mapping[str, object]) -> None
        Optional: raises RequestError for files of this machine that the options name and that do not serve; it is called before a build begins.
    ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool
        Returns True if `prepare` would make nothing and need no network.
    features(options: Mapping[str, object]) -> tuple[str, list[str]]
        Returns machine and features of the processor that jobs run on, for toolkit.environments.instructions; [] for unknown features.
    means(options: Mapping[str, object]) -> str
        Returns what runs jobs with these options, for a reader: "on this machine" after the word "executed"; the name of the emulator, and of what
        it emulates, for one that is EMULATED. The options may lack any that a launcher needs.
    status(settings: Settings) -> Status
        Returns the launcher's line for `doctor`; makes nothing, needs no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict, cast

from toolkit import environments, registry
from toolkit.environments.status import Status
from toolkit.environments.transport import Transport
from toolkit.errors import EnvironmentUnavailable, RequestError
from toolkit.settings import Settings

__all__ = [
    "WORKER",
    "Launch",
    "Verification",
    "has_own_versions",
    "is_emulated",
    "is_host",
    "is_static",
    "is_timed",
    "prepare",
    "require_able",
    "require_files",
    "require_options",
    "setup",
    "setup_names",
    "setup_names_of",
    "stand_in_of",
    "status",
    "verification",
]

WORKER = str(Path(__file__).resolve().parents[1] / "jobs" / "worker_main.py")


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker: `command`, and `variables` in addition to those of `toolkit.settings.environment_variables.by_everybody`.

    `script` is the path of the toolkit's worker as the command, a Python interpreter, sees it. It is None if the command itself is a worker, in any
    language, that speaks `toolkit.wire.worker_protocol`.
    `transport` takes jobs to the machine of the command if that does not see this machine's disk; None if it sees a job's folder.
    `identity` is part of the keys of jobs; it changes with everything that could change a result.
    `about` goes into the report: `engine`, `machine`, `launcher`, `cpu`, `processor` (its class, by the instructions that results depend on),
    and `emulator` if there is one.
    `reaches` are the files and folders of programs that its jobs start, which reach a device over the network: such jobs may start programs and use
    the network, by TCP to `ports` only if there are some. None if its jobs do neither.
    `needs` are the files and folders that the command itself reads, if its jobs must be confined from outside: an emulator does not pass the
    confining calls on to the kernel. Then each job has its own worker. None if the worker confines its jobs.
    `browser` is whether jobs start a browser, whose processes are confined together with the job.
    `memory_files` is whether its jobs may hold memory in files without a path, which no limit counts until it is used: a driver in software does.
    `device` names what has memory and cores for one job at a time: jobs of all launches on it wait for one another. None for this machine.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str]
    identity: str
    about: Mapping[str, str]
    needs: tuple[str, ...] | None = None
    script: str | None = WORKER
    transport: Transport | None = None
    reaches: tuple[str, ...] | None = None
    ports: tuple[int, ...] = ()
    browser: bool = False
    memory_files: bool = False
    device: str | None = None


class VerificationRow(TypedDict):
    """How a target is verified, as JSON: the sentence for people, and what the launcher says of itself."""

    how: str
    host: bool
    emulated: bool
    timed: bool
    stands_in: bool
    static: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """How a launcher's jobs show what a device computes: by execution or under emulation, and by what `means`, in the launcher's own words.

    `host` is whether it starts jobs directly on this machine, `timed` whether its measured durations are those of the device. `stands_in` is whether
    this machine's processor, or another one that is reached, runs what the device's own would, without an emulation of that: then `means` says so.
    `static` is whether nothing of the target's runtime is executed: such a verification is no evidence of what the device computes.
    """

    means: str
    host: bool
    emulated: bool
    timed: bool
    stands_in: bool = False
    static: bool = False

    def __str__(self) -> str:
        if self.static:
            return f"static, not executed: {self.means}"
        how = f"emulated ({self.means})" if self.emulated else f"executed {self.means}"
        return how if self.timed else f"{how}; not timed"

    def to_json(self) -> VerificationRow:
        """Return the fields as JSON; `how` is the sentence for people."""
        names = ("host", "emulated", "timed", "stands_in", "static")
        return cast("VerificationRow", {"how": str(self), **{name: getattr(self, name) for name in names}})


def is_host(name: str) -> bool:
    """Return whether a launcher starts jobs directly on this machine; UnknownName for an unknown launcher."""
    return bool(registry.load("launchers", name).HOST)


def is_timed(name: str) -> bool:
    """Return whether durations measured with a launcher are the device's; UnknownName for an unknown launcher."""
    return bool(registry.load("launchers", name).TIMED)


def is_emulated(name: str) -> bool:
    """Return whether a launcher emulates another processor; UnknownName for an unknown launcher."""
    return bool(registry.load("launchers", name).EMULATED)


def is_static(name: str) -> bool:
    """Return whether a launcher executes nothing; UnknownName for an unknown launcher."""
    return bool(getattr(registry.load("launchers", name), "STATIC", False))


def verification(name: str, options: Mapping[str, object], runtime: str) -> Verification:
    """Return how a launcher with these options verifies a runtime; UnknownName for an unknown one. Nothing is started, and nothing is asked."""
    launcher, stands_in = registry.load("launchers", name), stand_in_of(runtime)
    if stands_in is not None and is_host(name):
        return Verification(stands_in, host=True, emulated=False, timed=False, stands_in=True)
    if stands_in is not None:  # wherever it runs, that is no such device
        means = f"{launcher.means(options)}, which is not the device itself"
        return Verification(means, host=False, emulated=is_emulated(name), timed=False, stands_in=True)
    flags = (is_host(name), is_emulated(name), is_timed(name))
    return Verification(launcher.means(options), *flags, static=is_static(name))


def stand_in_of(runtime: str) -> str | None:
    """Return what stands in for the device where this machine runs a runtime, in words; None for a runtime that devices like this one have."""
    return getattr(registry.load("execution/runtimes", runtime), "STANDS_IN", None)


def has_own_versions(name: str) -> bool:
    """Return whether a launcher has versions of engines that say nothing of an environment's; UnknownName for an unknown launcher."""
    return hasattr(registry.load("launchers", name), "version")


def require_able(name: str, runtime: str) -> None:
    """Raise RequestError for a launcher that does not start a runtime: another program would run than the report names.

    UnknownName for an unknown launcher.
    """
    takes = _runtimes(name)
    if takes and runtime not in takes:
        raise RequestError(f"launcher {name} does not start {runtime}; it starts {', '.join(takes)}")
    if not hasattr(
        registry.load("execution/runtimes", runtime), "KERNELS"
    ):  # it runs on this machine; others need not be imported to know
        return
    starts = [each for each in registry.names("launchers") if runtime in _runtimes(each)]
    if starts and name not in starts:
        raise RequestError(f"{runtime} is started by the launcher {', '.join(starts)} only; got {name!r}")


def require_options(name: str, runtime: str, options: Mapping[str, object]) -> None:
    """Raise RequestError with all mistakes in a launcher's options that show without a look at what it starts jobs on, or at any file.

    UnknownName where it does not start the environment of this runtime with these options.
    """
    launcher = registry.load("launchers", name)
    if hasattr(launcher, "require_options"):
        launcher.require_options(options)
    if hasattr(launcher, "require_environment"):
        launcher.require_environment(registry.load("execution/runtimes", runtime).ENVIRONMENT, options)


def require_files(name: str, options: Mapping[str, object]) -> None:
    """Raise RequestError, with all mistakes, where a file of this machine that a launcher's options name does not serve."""
    launcher = registry.load("launchers", name)
    if hasattr(launcher, "require_files"):
        launcher.require_files(options)


def _runtimes(launcher: str) -> tuple[str, ...]:
    return getattr(registry.load("launchers", launcher), "RUNTIMES", ())


def prepare(name: str, environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how the launcher `name` starts a worker in an environment; raises the errors of its `prepare`.

    TypeError if the launcher emulates and its launch names no emulator, or the other way round: reports could not distinguish these. TypeError also
    for a launch with both `needs` and `transport`: this machine cannot confine jobs that run elsewhere.
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
    """Return all names that `setup` takes: environments, and launchers that need more than environments."""
    return [*environments.names(), *_set_up_by_name()]


def setup_names_of(launcher: str, environment: str) -> tuple[str, ...]:
    """Return the names for `setup` that a launcher needs to start an environment, and that this machine needs to run the same."""
    return (environment, launcher) if launcher in _set_up_by_name() else (environment,)


def setup(wanted: Iterable[str], settings: Settings) -> list[Status]:
    """Make the named environments, and the files of the named launchers, ahead of time; all of them without names. Return the status of each.

    All are tried, several at once. EnvironmentUnavailable with all failures together, and for a named launcher that does not work afterwards;
    UnknownName for any other name.
    """
    launchers = _set_up_by_name()
    named = list(dict.fromkeys(wanted))
    chosen = named or setup_names()
    environments.require_known(chosen, launchers)
    steps: list[Callable[[Settings], object]] = []
    for name in chosen:
        steps += launchers.get(name, (partial(environments.resolve, name),))
        if name in launchers:
            of_release = registry.load("launchers", name).make_release
            steps += [partial(of_release, other) for other in chosen if environments.is_release(other)]
    environments.make_all(steps, settings)
    rows = [
        registry.load("launchers", name).status(settings)
        if name in launchers
        else environments.status_of(name, settings)
        for name in chosen
    ]
    for row in rows:
        if row.name in named and row.name in launchers and not row.ready:
            raise EnvironmentUnavailable(f"launcher {row.name}: {row.problem}", row.fix)
    return rows


def _set_up_by_name() -> dict[str, tuple[Callable[[Settings], object], ...]]:
    """Return the steps of each launcher that has steps, by its name."""
    steps = {name: registry.load("launchers", name).SETUP for name in registry.names("launchers")}
    return {name: of for name, of in steps.items() if of}


def status(settings: Settings) -> list[Status]:
    """Return the status of each launcher on this machine; makes nothing, needs no network."""
    return [registry.load("launchers", name).status(settings) for name in registry.names("launchers")]
