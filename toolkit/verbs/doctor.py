"""Report what works on this machine, and what each target still needs."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit import environments, launchers, registry
from toolkit.environments import Status
from toolkit.errors import InvalidConfig
from toolkit.jobs.job import Engine
from toolkit.pipeline.stages import engine_of
from toolkit.settings import Settings

_SETUP = "edge-toolkit setup"


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
        problem, fix = (None, None) if ready else _what_helps(engine, rows)
        elsewhere = ready and not (launcher.HOST or launcher.EMULATED)
        about = f"{profile.about}; the device itself is not asked here" if elsewhere else profile.about
        rows.append(Status("target", name, ready, about, None, problem, fix))
    return rows


def _what_helps(engine: Engine, rows: Sequence[Status]) -> tuple[str, str]:
    """Return why an engine cannot be started, and what helps: first what its launcher's row says, where `setup` cannot bring that."""
    problem = f"{engine.name} is not set up"
    setup = f"{_SETUP} {' '.join(launchers.setup_names_of(engine.launcher, engine.environment))}"
    (launcher,) = (row for row in rows if row.kind == "launcher" and row.name == engine.launcher)
    if launcher.ready or not launcher.fix or launcher.fix.startswith(_SETUP):
        return problem, setup
    by_hand = f"{problem}: {launcher.problem}"
    return by_hand, f"{launcher.fix}; then {setup}" if environments.can_be_made(engine.environment) else launcher.fix
