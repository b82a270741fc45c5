"""Inspect models, profiles, environments and the cache."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from toolkit import printable
from toolkit.cli import completion
from toolkit.cli.common import Common, Detailed, Located, Made, Printed
from toolkit.cli.handed import Handed
from toolkit.cli.help import TARGET
from toolkit.cli.option_groups import Allowed
from toolkit.cli.options import OutputKinds
from toolkit.cli.reading import kinds_of
from toolkit.cli.verbs import app, cache, verb
from toolkit.errors import RequestError
from toolkit.settings import CACHE_LIMIT, parse_bytes

InspectTargets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", "-t",
        metavar="T",
        rich_help_panel=TARGET,
        autocompletion=completion.targets,
        help="Whether an artifact can run there, as its bytes show; may be given again.",
    ),
]  # fmt: skip


@verb(
    app,
    "inspect",
    "inspect model.keras",
    "inspect checkpoint/ --builder build.py:model",
    "inspect model.tflite --target raspberry-pi-4",
)
def inspect_(
    common: Common,
    handed: Handed,
    allowed: Allowed,
    detailed: Detailed,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A source or an artifact.")],
    output_kind: OutputKinds = None,
    target: InspectTargets = None,
) -> int:
    """Tell what a model or an artifact is.

    Who wrote it, its signatures, what its outputs mean, variables, operators, what it needs; with a builder, what would be restored.
    With --target, whether an artifact can run there, as its bytes show; for a microcontroller it is run, to measure its arena.
    """
    from toolkit import report
    from toolkit.verbs.inspect import inspect

    with common.executor(allowed) as executor:
        held = inspect(handed(path), kinds=kinds_of(output_kind), targets=target or (), executor=executor)
    common.show(held, lambda: report.inspected_text(path, held, detailed.screen))
    errors = [one["error"] for one in held.get("targets", {}).values() if one["error"] is not None]
    return max((int(error["exit_status"]) for error in errors), default=0)


@verb(app, "setup", "setup", "setup tensorflow litert", "setup litert==2.1.0")
def setup(
    common: Made,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            autocompletion=completion.environments,
            help="An environment, as litert or litert==2.1.0, or the emulator (qemu); else all of them.",
        ),
    ] = None,
) -> int:
    """Make environments ahead of time."""
    from toolkit import launchers, report

    rows = launchers.setup(names or [], common.settings)
    common.show(report.status_json(rows), lambda: report.status_text(rows))
    return 0


@verb(app, "doctor", "doctor", "doctor --json")
def doctor(common: Located) -> int:
    """Show what works on this machine, and how to mend the rest."""
    from toolkit import report
    from toolkit.verbs.doctor import doctor

    rows = doctor(common.settings)
    common.show(report.status_json(rows), lambda: report.status_text(rows))
    return 0


@verb(cache, "show", "cache show")
def cache_show(common: Printed) -> int:
    """Show where the store is, what it holds, and its limit.

    The locks of other releases of engines, which were made here, are listed too.
    """
    from toolkit import environments, report
    from toolkit.jobs.pruning import held
    from toolkit.jobs.store import open_store

    settings = common.settings
    store = open_store(settings.home)
    jobs = held(store)
    size, failed = sum(each.size_bytes for each in jobs), sum(each.failed for each in jobs)
    limit = settings.cache_bytes if math.isfinite(settings.cache_bytes) else None
    document = {
        "path": str(store.root),
        "jobs": len(jobs) - failed,
        "failed": failed,
        "size_bytes": size,
        "limit_bytes": limit,
        "locks": {name: str(lock) for name, lock in environments.locks(settings).items()},
    }
    most = "no limit" if limit is None else f"limit {report.size(int(limit))}"
    common.show(
        document,
        lambda: printable.lines(
            [
                f"{store.root}: {len(jobs) - failed} finished jobs, {failed} failed, {report.size(size)} ({most}, {CACHE_LIMIT})",
                *(f"{name}: locked in {lock}" for name, lock in environments.locks(settings).items()),
            ]
        ),
    )
    return 0


@verb(cache, "prune", "cache prune --days 7", "cache prune --to-size 5GB")
def cache_prune(
    common: Printed,
    days: Annotated[
        float | None, typer.Option("--days", metavar="D", help="Not used for so many days; 30 where no size is said.")
    ] = None,
    to_size: Annotated[
        str | None, typer.Option("--to-size", metavar="SIZE", help="Those not used longest, until 5GB, say, are left.")
    ] = None,
) -> int:
    """Remove finished jobs that were not used for a while.

    Failed ones go too; environments stay, and so does what a running process uses.
    """
    if days is not None and not days >= 0:
        raise RequestError(f"--days {days:g}: expected a number of at least 0")
    most = None if to_size is None else parse_bytes("--to-size", to_size)
    return _prune(common, 30.0 if days is None and most is None else days, most)


@verb(cache, "clear", "cache clear")
def cache_clear(common: Printed) -> int:
    """Remove all finished jobs; environments stay.

    What a running process uses stays as well.
    """
    return _prune(common, 0.0, None)


def _prune(common: Printed, days: float | None, most_bytes: float | None) -> int:
    from toolkit import report
    from toolkit.jobs.pruning import prune
    from toolkit.jobs.store import open_store

    done = prune(open_store(common.settings.home), None if days is None else days * 86_400, most_bytes)
    document = {
        "removed": done.jobs,
        "freed_bytes": done.freed_bytes,
        "left_bytes": done.left_bytes,
        "in_use": done.in_use,
    }
    kept = f"; {done.in_use} more are used by a process that runs" if done.in_use else ""
    common.show(
        document,
        lambda: printable.line(
            f"removed {done.jobs} jobs, {report.size(done.freed_bytes)}; {report.size(done.left_bytes)} left{kept}"
        ),
    )
    return 0
