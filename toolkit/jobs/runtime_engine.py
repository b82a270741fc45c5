"""The engine of a runtime: the environment that its worker runs in."""

from __future__ import annotations

from toolkit import environments, registry
from toolkit.jobs.job import Engine


def engine_of_runtime(name: str, version: str | None = None) -> Engine:
    """Return the engine of a runtime on this machine, of a `version` where one is asked for; UnknownName for a runtime that is none.

    A runtime that runs in an environment of another name brings its engine itself: there is one version of it. One whose kernels another runtime has
    runs in the environment of that one, of the same version.
    """
    environment: str = registry.load("execution/runtimes", name).ENVIRONMENT
    if environment not in (name, kernels_runtime(name)) or version is None:
        return Engine(environment)
    return Engine(environments.of_version(environment, version))


def kernels_runtime(name: str) -> str | None:
    """Return the runtime that has the kernels of a runtime on this machine: itself, unless it runs on a device only; None where none has them."""
    found: str | None = getattr(registry.load("execution/runtimes", name), "KERNELS", name)
    return found
