"""What is there: models, profiles, environments, the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.options import Allowed, Common, Handed, OutputKinds, kinds_of
from toolkit.cli.verbs import app, cache, targets, verb


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
    common.show({"checked": [str(path) for path in paths]}, lambda: "\n".join(f"{path}: ok" for path in paths))
    return 0


@verb(app, "setup")
def setup(common: Common, names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]")] = None) -> int:
    """Make environments ahead of time: all of them and the emulator (qemu), or those named."""
    from toolkit import environments, report

    rows = environments.setup(names or [*environments.names(), environments.QEMU], common.settings)
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
    """Show where the store is and what it holds."""
    from toolkit import report
    from toolkit.store import Store

    store = Store(common.settings.home / "store")
    sizes = [size for _, size, _ in store.entries()]
    held = {"path": str(store.root), "jobs": len(sizes), "size_bytes": sum(sizes)}
    common.show(held, lambda: f"{held['path']}: {held['jobs']} finished jobs, {report.size(sum(sizes))}")
    return 0


@verb(cache, "prune")
def cache_prune(
    common: Common, days: Annotated[float, typer.Option("--days", help="Not used for so many days.")] = 30.0
) -> int:
    """Remove finished jobs that were not used for a while, and what is kept of failed ones."""
    return _prune(common, days)


@verb(cache, "clear")
def cache_clear(common: Common) -> int:
    """Remove all finished jobs; environments stay."""
    return _prune(common, 0.0)


def _prune(common: Common, days: float) -> int:
    from toolkit import report
    from toolkit.store import Store

    count, freed = Store(common.settings.home / "store").prune(days * 86_400)
    common.show(
        {"removed": count, "freed_bytes": freed}, lambda: f"removed {count} finished jobs, {report.size(freed)}"
    )
    return 0
