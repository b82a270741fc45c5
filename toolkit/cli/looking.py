"""What is there: models, profiles, environments, the store."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from toolkit import printable
from toolkit.cli.options import Allowed, Common, Handed, OutputKinds, kinds_of
from toolkit.cli.verbs import app, cache, targets, verb
from toolkit.errors import RequestError
from toolkit.settings import CACHE_LIMIT, parse_bytes


@verb(app, "inspect")
def inspect_(
    common: Common,
    handed: Handed,
    allowed: Allowed,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A source or an artifact.")],
    output_kind: OutputKinds = None,
) -> int:
    """Tell what a model is: who wrote it, signatures, what outputs mean, variables, operators, needs; with a builder, what it restores."""
    from toolkit import report
    from toolkit.api import inspect

    with common.executor(allowed) as executor:
        held = inspect(handed(path), kinds=kinds_of(output_kind), executor=executor)
    common.show(held, lambda: report.inspected_text(path, held))
    return 0


@verb(targets, "list")
def targets_list(common: Common) -> int:
    """List the profiles that --target knows."""
    from toolkit import report, target

    found = [target.find(name) for name in target.names()]
    common.show([profile.model_dump(mode="json") for profile in found], lambda: report.targets_text(found))
    return 0


@verb(targets, "show")
def targets_show(common: Common, name: Annotated[str, typer.Argument(metavar="TARGET")]) -> int:
    """Show the whole of a profile, with where each value comes from; of its bounds, which decide, and which are hidden by which."""
    from toolkit import report, target

    profile = target.find(name)
    common.show(report.profile_json(profile), lambda: report.profile_text(profile, target.provenance(name)))
    return 0


@verb(targets, "check")
def targets_check(common: Common, paths: Annotated[list[Path], typer.Argument(metavar="FILE...")]) -> int:
    """Check profiles; all mistakes at once."""
    from toolkit import target

    for path in paths:
        target.check(path)
    common.show({"checked": [str(path) for path in paths]}, lambda: printable.lines(f"{path}: ok" for path in paths))
    return 0


@verb(app, "setup")
def setup(common: Common, names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]")] = None) -> int:
    """Make environments ahead of time: all of them and the emulator (qemu), or those named."""
    from toolkit import launchers, report

    rows = launchers.setup(names or [], common.settings)
    common.show(report.status_json(rows), lambda: report.status_text(rows))
    return 0


@verb(app, "doctor")
def doctor(common: Common) -> int:
    """Show what works on this machine, with the fix for each that does not."""
    from toolkit import report
    from toolkit.api import doctor

    rows = doctor(common.settings)
    common.show(report.status_json(rows), lambda: report.status_text(rows))
    return 0


@verb(cache, "show")
def cache_show(common: Common) -> int:
    """Show where the store is, what it holds, and its limit; and the locks of other releases of engines."""
    from toolkit import environments, report
    from toolkit.pruning import held
    from toolkit.store import open_store

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


@verb(cache, "prune")
def cache_prune(
    common: Common,
    days: Annotated[
        float | None, typer.Option("--days", metavar="D", help="Not used for so many days; 30 where no size is said.")
    ] = None,
    to_size: Annotated[
        str | None, typer.Option("--to-size", metavar="SIZE", help="Those not used longest, until 5GB, say, are left.")
    ] = None,
) -> int:
    """Remove finished jobs that were not used for a while, and failed ones; environments stay, and so does what a running process uses."""
    if days is not None and not days >= 0:
        raise RequestError(f"--days {days:g}: expected a number of at least 0")
    most = None if to_size is None else parse_bytes("--to-size", to_size)
    return _prune(common, 30.0 if days is None and most is None else days, most)


@verb(cache, "clear")
def cache_clear(common: Common) -> int:
    """Remove all finished jobs that no running process uses; environments stay."""
    return _prune(common, 0.0, None)


def _prune(common: Common, days: float | None, most_bytes: float | None) -> int:
    from toolkit import report
    from toolkit.pruning import prune
    from toolkit.store import open_store

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
