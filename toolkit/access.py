"""What a job may reach on this machine beside its engine's environment and its own folder: its inputs, and what the user allows his own code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError
from toolkit.jobs import Job
from toolkit.permissions import Permissions
from toolkit.worker.confinement import NOT_CONFINED, ability

_SAMPLE = Path(__file__).resolve().parent / "sample"


@dataclass(frozen=True, slots=True)
class Access:
    """`reads` are files and folders; `network` is whether it may be reached; `user_code` is whether the job runs code that the user gave."""

    reads: tuple[str, ...] = ()
    network: bool = False
    user_code: bool = False
    gpu: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what the worker is told."""
        return {"reads": list(self.reads), "network": self.network, "user_code": self.user_code, "gpu": self.gpu}


def access_of(job: Job, inputs: Iterable[Path], permissions: Permissions) -> Access:
    """Return what a job may reach: its inputs, where they are; for the user's own code its folder too, and what the user allows it."""
    paths = list(inputs)
    if job.user_code:
        files = [path.parent for path in paths if path.suffix == ".py"]  # functions that are named by their file
        paths += [path for folder in (*_folders(job.options), *files) for path in _whole(folder)]
        paths += [path.absolute() for path in permissions.read]
    return Access(
        tuple(dict.fromkeys(map(str, paths))),
        permissions.network and job.user_code,
        job.user_code,
        job.options.get("device") == "gpu",
    )


def is_confined(about: Mapping[str, Any]) -> bool:
    """Return whether what a job is known by says that it could read nothing else and reach no network."""
    return not str(about.get("confined", NOT_CONFINED)).startswith(NOT_CONFINED)


def refuse_unconfined(model: Path, say: Callable[[str], None], *, trust: bool) -> None:
    """Raise RequestError where nothing would confine the jobs that load a model, and the user does not trust it; where he does, say so.

    The toolkit's own sample is as much to be trusted as its code.
    """
    has = ability()
    if has.confines or model.resolve().is_relative_to(_SAMPLE):
        return
    if not trust:
        raise RequestError(
            f"{model}: {has}; whatever the model does while it runs, it would do with your rights",
            "use a machine whose kernel has what is missing; or, if you trust whoever made the model, --trust",
        )
    say(f"{model}: {has}; it runs with your rights, because of --trust")


def _folders(options: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the folders of the user's code that a job's options name: of a builder, a metric, or the function of a set."""
    sets = [options.get(role) for role in ("calibration", "evaluation")]
    for asked in (options, options.get("builder"), *sets):
        if isinstance(asked, Mapping):
            yield from (Path(asked[name]) for name in ("folder", "file") if asked.get(name))
    if any(sets):
        yield Path.cwd()  # where a reader looks for the function's module, too


def _whole(folder: Path) -> list[Path]:
    """Return a folder; of one that holds the user's home, and so all that is his, what is in it and not hidden."""
    home = Path(os.path.realpath(Path.home()))
    real = Path(os.path.realpath(folder))
    if real != home and real not in home.parents:
        return [folder]
    return [path for path in real.iterdir() if not path.name.startswith(".")]
