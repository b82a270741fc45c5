"""What a job may reach on this machine, besides its engine's environment and its own folder: its inputs, and what the user allows."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.confinement import NOT_CONFINED, BoundsJson, ability
from toolkit.environments.status import Status
from toolkit.errors import RequestError
from toolkit.jobs.job import Job
from toolkit.settings.permissions import Permissions

_SAMPLE = Path(__file__).resolve().parents[1] / "sample"

_OF_SAMPLES = "samples.draw"  # the module that reads sets
_REFUSED = re.compile(r"Permission ?[Dd]enied|PermissionError|Operation not permitted")
_NO_NETWORK = re.compile(
    r"urlopen error|[Nn]ame resolution|Name or service not known|Network is unreachable|Max retries exceeded|ConnectionError"
)
_PLACE = re.compile(r"(?<![\w/.])/[^\s'\"`:;,()<>]+")


@dataclass(frozen=True, slots=True)
class Access:
    """`reads` are files and folders; `network` is whether it may be reached; `user_code` is whether the job runs code that the user gave.

    `memory_files` is as in `toolkit.launchers.Launch`. `ports` may be reached by TCP, where the network may not.
    """

    reads: tuple[str, ...] = ()
    network: bool = False
    user_code: bool = False
    gpu: bool = False
    memory_files: bool = False
    ports: tuple[int, ...] = ()

    def reaching(self, programs: tuple[str, ...], ports: tuple[int, ...]) -> Access:
        """Return this access for a job that starts `programs` (files and folders), which reach a device by these ports, else by the network."""
        return replace(
            self, reads=(*self.reads, *programs), network=self.network or not ports, user_code=True, ports=ports
        )

    def to_json(self) -> BoundsJson:
        """Return what the worker is told."""
        return {
            "reads": list(self.reads),
            "network": self.network,
            "user_code": self.user_code,
            "gpu": self.gpu,
            "memory_files": self.memory_files,
            "ports": list(self.ports),
        }


def access_of(job: Job, inputs: Iterable[Path], permissions: Permissions) -> Access:
    """Return what a job may reach: its inputs; the folder of the user's own code, for a job that runs it; what the user allows."""
    paths = list(inputs)
    if job.module == _OF_SAMPLES:
        paths += [target for path in paths for target in _links(path)]
    if job.user_code:
        files = [path.parent for path in paths if path.suffix == ".py"]  # functions that are named by their file
        paths += [path for folder in (*_folders(job.options), *files) for path in _whole(folder)]
    if may_be_allowed(job):
        paths += [path.absolute() for path in permissions.read]
    return Access(
        tuple(dict.fromkeys(map(str, paths))),
        permissions.network and may_be_allowed(job),
        job.user_code,
        job.options.get("device") == "gpu",
    )


def require_movable(job: Job, permissions: Permissions) -> None:
    """Raise RequestError for a job that no transport can take elsewhere: it reads more than its inputs, on this machine."""
    who, where = f"{job.title} ({job.engine.name})", "runs on this machine only"
    if job.user_code:
        raise RequestError(
            f"{who}: is code of yours, with what lies beside it; it {where}", "use a target that runs here"
        )
    if permissions.read and may_be_allowed(job):
        named = ", ".join(map(str, permissions.read))
        raise RequestError(f"{who}: --allow-read lets it read {named}, so it {where}", "leave --allow-read out")


def _links(folder: Path) -> Iterator[Path]:
    """Yield where the links in a folder of samples lead. Many sets are folders of links, and reading a sample runs nothing."""
    waiting, seen = [str(folder)], set[str]()
    while waiting:
        place = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(place) as entries:  # a file, or one that is not there
            for entry in entries:
                if entry.is_symlink():
                    target = os.path.realpath(entry.path)
                    yield Path(target)
                    waiting += [] if target in seen else [target]
                    seen.add(target)
                elif entry.is_dir():
                    waiting.append(entry.path)


def is_confined(about: Mapping[str, str | int]) -> bool:
    """Return whether a job was confined, by what the store holds about it."""
    return not str(about.get("confined", NOT_CONFINED)).startswith(NOT_CONFINED)


def refuse_unconfined(model: Path, say: Callable[[str], None], *, trust: bool) -> None:
    """Raise RequestError where nothing confines the jobs that load a model, unless the user trusts it; then say so.

    The toolkit's own sample is trusted as the toolkit is.
    """
    has = ability()
    if has.confines or model.resolve().is_relative_to(_SAMPLE):
        return
    if not trust:
        raise RequestError(
            f"{model}: {has}; while it runs, the model could do anything that you may do",
            "use a machine whose kernel has what is missing; or, if you trust the model's author, give --trust",
        )
    say(f"{model}: {has}; it runs with your rights, as --trust allows")


def status() -> Status:
    """Return what `doctor` shows: how jobs are confined on this machine, and what its kernel lacks."""
    from toolkit.confinement.processes import enclosable

    has = ability(namespace=enclosable())
    if not has.confines:
        fix = "a Linux kernel with Landlock and seccomp; without them a model runs only with --trust"
        return Status("jobs", "confinement", False, str(has), None, "; ".join(has.missing), fix)
    return Status("jobs", "confinement", True, "; ".join((str(has), *has.missing)))


def advice(job: Job, access: Access, said: str) -> str | None:
    """Return what to do about a failure that looks like a refused access; None for any other failure.

    None too where the job itself has said what to do (`toolkit.confinement.denied`).
    """
    if "--allow-" in said:
        return None
    offline = not access.network and _NO_NETWORK.search(said) is not None
    refused = [line for line in said.splitlines() if _REFUSED.search(line)]
    if not (refused or offline) or "--allow-" in said:  # what the user's code raised says it by itself
        return None
    outside = [path for line in refused for path in _PLACE.findall(line) if _is_outside(path, access)]
    if may_be_allowed(job):
        flag = f"--allow-read {outside[0]}" if outside else "--allow-network" if offline else None
        return None if flag is None else f"it reads what it is given, and what is allowed besides: {flag}"
    where = f", and {outside[0]} is outside" if outside else ""
    links = _leaving(access, outside)
    if links is not None:
        return f"a model's job reads its own files{where}: a link in {links} leads there; use a copy without links (cp -rL)"
    return (
        f"a model's job reads its own files, writes to its own folder and reaches no network{where}"
        if outside
        else None
    )


@functools.lru_cache(maxsize=4096)
def may_be_allowed(job: Job) -> bool:
    """Return whether the user's permissions hold for a job: it runs his own code, or a model that he trusts."""
    return job.user_code or bool(job.options.get("trust")) or any(_trusts(read) for read in job.reads)


@functools.lru_cache(maxsize=4096)
def _trusts(job: Job) -> bool:
    return bool(job.options.get("trust")) or any(map(_trusts, job.reads))


def _is_outside(path: str, access: Access) -> bool:
    """Return whether the user may read a path and the job may not."""
    real = Path(os.path.realpath(path))
    return os.access(path, os.R_OK) and not any(_holds(Path(os.path.realpath(one)), real) for one in access.reads)


def _leaving(access: Access, outside: Iterable[str]) -> str | None:
    """Return the folder that a job may read and from which a link leads to one of these paths."""
    return next((one for path in outside for one in access.reads if _holds(Path(one), Path(path))), None)


def _holds(folder: Path, path: Path) -> bool:
    return folder == path or folder in path.parents


def _folders(options: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the folders of the user's code that a job's options name: of a builder, a metric, or the function of a set."""
    sets = [options.get(role) for role in ("calibration", "evaluation")]
    for asked in (options, options.get("builder"), *sets):
        if isinstance(asked, Mapping):
            yield from (Path(asked[name]) for name in ("folder", "file") if asked.get(name))
    if any(sets):
        yield Path.cwd()  # where a reader looks for the function's module, too


def _whole(folder: Path) -> list[Path]:
    """Return a folder itself, or what is in it where it holds the user's home: all but hidden files, in his home too."""
    if not _holds_home(folder):
        return [folder]
    inside = [path for path in Path(os.path.realpath(folder)).iterdir() if not path.name.startswith(".")]
    return [each for path in inside if not (path.is_symlink() and _holds_home(path)) for each in _whole(path)]


def _holds_home(folder: Path) -> bool:
    return _holds(Path(os.path.realpath(folder)), Path(os.path.realpath(Path.home())))
