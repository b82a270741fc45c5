"""Where a job's process runs. A launcher is a module whose file name is its name; the folder is the registry.

Each defines

    prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch
        Returns how to start a Python script in that environment, made first where it has to be.
        Raises RequestError for options it does not know, EnvironmentUnavailable or TargetUnavailable where it cannot.
    ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool
        Returns whether `prepare` would make nothing and need no network.
    features(options: Mapping[str, object]) -> tuple[str, list[str]]
        Returns machine and features of the processor that it starts on, for toolkit.environments.instructions; no feature where they are not known.
    status(settings: Settings) -> Status
        Returns what `doctor` shows; makes nothing, needs no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit import registry
from toolkit.environments.status import Status
from toolkit.settings import Settings

__all__ = ["Launch", "status"]


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a script: `command` plus its path and arguments, with `variables` beside those of `toolkit.inherited.by_everybody`.

    `identity` goes into the keys of jobs, and changes with whatever could change a result.
    `about` goes into the report: `engine`, `machine`, `launcher`, `cpu`, `processor` (its class, by the instructions on which results depend),
    and `emulator` where there is one.
    `needs` are the files and folders that it reads, of a process that cannot confine its jobs by itself, as no emulator passes such calls on to the
    kernel: then each job has a process of its own, which is confined from outside. None for one that can.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str]
    identity: str
    about: Mapping[str, str]
    needs: tuple[str, ...] | None = None


def status(settings: Settings) -> list[Status]:
    """Return how each launcher stands on this machine; makes nothing, needs no network."""
    return [registry.load("launchers", name).status(settings) for name in registry.names("launchers")]
