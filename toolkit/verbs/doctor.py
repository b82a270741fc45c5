"""Report what works on this machine, and what each target still needs."""

from __future__ import annotations

from toolkit import environments, launchers, registry
from toolkit.environments import Status
from toolkit.errors import InvalidConfig
from toolkit.pipeline.stages import engine_of
from toolkit.settings import Settings


def doctor(settings: Settings | None = None) -> list[Status]:
    """Return the status of this machine: the cache, environments, launchers, the confinement of jobs, and each target with its needs."""
    from toolkit import profiles
    from toolkit.jobs import access, pruning

    settings = Settings() if settings is None else settings
    rows = [pruning.status(settings), *environments.status(settings), *launchers.status(settings), access.status()]
    for name in profiles.names():
        try:
            profile = profiles.runnable(name)
        except InvalidConfig as error:  # a profile of the user's; the others still work
            rows.append(
                Status("target", name, False, name, None, error.problem, f"mend {error.problem.partition(': ')[0]}")
            )
            continue
        launcher = registry.load("launchers", profile.runtime.launcher)
        engine = engine_of(profile)
        ready = launcher.ready(engine.environment, engine.options, settings)
        wanted = " ".join(launchers.setup_names_of(engine.launcher, engine.environment))
        fix = None if ready else f"edge-toolkit setup {wanted}"
        problem = None if ready else f"{engine.name} is not set up"
        elsewhere = ready and not (launcher.HOST or launcher.EMULATED)
        about = f"{profile.about}; the device itself is not asked here" if elsewhere else profile.about
        rows.append(Status("target", name, ready, about, None, problem, fix))
    return rows
