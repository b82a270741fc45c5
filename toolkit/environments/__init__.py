"""An engine's environment: an interpreter with pinned packages, found or made once, with what identifies it.

The folder is the registry: `<name>.in` holds the ranges an engine accepts, `<name>.txt` the lock that is installed where nothing
fits. To renew a lock, run the command in its first lines in this folder; it must hold no address of a package index.
An environment without a lock is never made: it exists only where the user names an interpreter for it. `source`, in which the user's own code makes
the model, is one; `onnxruntime_qnn`, whose licence the user has to accept, is another.

An `.in` file is one requirement a line, the engine itself first. Six comments mean something:
`# python: RANGE` (which Pythons serve), `# preload: MODULE...` (what a worker imports once, before it takes jobs),
`# yours: REASON` (why it is never made: part of a sentence),
`# machines: NAME...` (which machines an emulator may run the engine as: those that it has wheels for, by Python's `platform.machine`),
`# or NAME or NAME...` behind a requirement (other distributions of the same package), and `# optional` (part of what is made, and not
asked of an interpreter that is there).

`NAME==VERSION` is the environment of another release of the engine than the pinned one: see `toolkit.environments.releases`.

Nothing here imports an engine: an interpreter's packages are read from the names of its `*.dist-info` folders.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolkit import printable
from toolkit.environments import releases
from toolkit.environments.interpreters import Interpreter, as_is, ask, current, identify, installed, not_of_an_index
from toolkit.environments.lent_package import MOUNT, lend
from toolkit.environments.made_once import Marker
from toolkit.environments.requirements import HERE, Requirements, is_version, read_requirements, split_name
from toolkit.environments.status import Status
from toolkit.environments.virtualenv import VARIABLES, find_made, find_uv, make
from toolkit.errors import EnvironmentUnavailable, OutsideError, RequestError, UnknownName
from toolkit.settings import Settings
from toolkit.settings.environment_variables import allowed

__all__ = [
    "MOUNT",
    "Environment",
    "Status",
    "can_be_made",
    "find",
    "is_release",
    "is_version",
    "locks",
    "make_all",
    "names",
    "of_version",
    "preload",
    "require_known",
    "resolve",
    "setup",
    "status",
    "status_of",
    "version",
]


@dataclass(frozen=True, slots=True)
class Environment:
    """`python` runs the engine when `variables` are set; `identity` changes with anything that could change a result.

    `versions` holds the installed distributions that the lock knows, by normalized name; all of them where there is no lock, because the
    user's code may use any. `engine` reads `ai-edge-litert 2.3.0`. MOUNT among the variables is for the worker: a folder to mount.
    """

    name: str
    python: Path
    identity: str
    versions: Mapping[str, str]
    variables: Mapping[str, str]
    engine: str

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that its interpreter reads: the environment's, those of the Python that made it, and those in its variables."""
        base = Path(os.path.realpath(self.python)).parents[1]
        named = [path for path in self.variables.get("PYTHONPATH", "").split(os.pathsep) if path]
        mounted = [self.variables[MOUNT]] if MOUNT in self.variables else []
        return tuple(map(str, (self.python.parents[1], base, *base.glob("lib/python3*"), *named, *mounted)))


def names() -> list[str]:
    """Return the names of the environments that the toolkit can make, sorted."""
    return sorted(path.stem for path in HERE.glob("*.txt"))


def preload(name: str) -> tuple[str, ...]:
    """Return the modules that a worker in the environment `name` imports before it takes jobs."""
    return read_requirements(name).preload


def version(name: str) -> str | None:
    """Return the version of its engine that the environment `name` has, wherever it comes from; None for an unknown environment."""
    return read_requirements(name).version if name in _known() else None


def is_release(name: str) -> bool:
    """Return whether an environment's name is that of a release other than the pinned one."""
    return split_name(name)[0] in _known() and read_requirements(name).release is not None


def can_be_made(name: str) -> bool:
    """Return whether the toolkit can make an environment, or one of that release of it; if not, its user names an interpreter."""
    return split_name(name)[0] in names()


def of_version(name: str, wanted: str) -> str:
    """Return the name of the environment whose engine is of a version: of the pinned release, or of another; `name` itself where it is unknown."""
    return name if name not in _known() or wanted == version(name) else f"{name}=={wanted}"


def resolve(name: str, settings: Settings) -> Environment:
    """Return the environment `name`, made first if nothing on this machine serves.

    It takes, in this order, the interpreter that the user named, the current one, one made earlier, one made now.
    Raises `UnknownName`, `RequestError` (a named interpreter that is none) or `EnvironmentUnavailable`.
    """
    found = find(name, settings)
    if found is not None:
        return found
    requirements = _requirements(name, settings)
    if settings.offline:
        raise EnvironmentUnavailable(
            f"environment {name}: not installed yet, and the network is off (offline)",
            f"run `edge-toolkit setup {name}` once with network",
        )
    if not requirements.lock.is_file():
        requirements = releases.make_lock(requirements, settings)
    python, facts = make(requirements, settings)
    return _made(requirements, python, facts)


def find(name: str, settings: Settings) -> Environment | None:
    """Return the environment `name` if it is there, else None; makes nothing and needs no network.

    Raises as `resolve` does where the user's interpreter does not serve, and where he has to name one.
    """
    require_known((name, *settings.pythons))
    requirements = _requirements(name, settings)
    if requirements.name in settings.pythons:
        return _named(requirements, settings)
    if not requirements.can_be_made:
        raise EnvironmentUnavailable(
            f"environment {name}: no interpreter was named; {requirements.yours}, so it is not installed here",
            f"name it: --python {name}=/path/to/python; it needs {', '.join(each.text for each in requirements.packages)}",
        )
    for here in _there_already(requirements, settings):
        holds = installed(here.search)
        if requirements.serves(here.version, holds):
            return _found(requirements, here, holds)
    made = find_made(requirements, settings) if requirements.lock.is_file() else None
    return None if made is None else _made(requirements, *made)


def require_known(wanted: Iterable[str], others: Iterable[str] = ()) -> None:
    """Raise UnknownName for the first name that is neither an environment's nor among `others`."""
    others = tuple(others)
    for name in wanted:
        base, release = split_name(name)
        if base not in _known() and name not in others:
            raise UnknownName("environment", base, (*_known(), *others))
        if release is not None and not (is_version(release) and base in names()):
            raise RequestError(
                f"environment {name!r}: expected the version of a release, as in {base}=={version(base)}"
                if base in names()
                else f"environment {name!r}: {base} is an interpreter of yours; name it, it cannot be installed"
            )


def make_all(steps: Iterable[Callable[[Settings], object]], settings: Settings) -> None:
    """Take steps that each make something if it is not there, several at once.

    All are tried; all failures are raised together as `EnvironmentUnavailable`.
    """
    from concurrent.futures import ThreadPoolExecutor

    # Called before there are threads: it reads Python's configuration, which two threads must not do at once.
    find_uv("setup")

    def take(step: Callable[[Settings], object]) -> OutsideError | None:
        try:
            step(settings)
        except OutsideError as error:
            return error
        return None

    # Threads, because other programs do the work and wait for the network and the disk.
    with ThreadPoolExecutor(max_workers=4) as pool:
        failures = [error for error in pool.map(take, steps) if error is not None]
    if failures:
        hints = [error.hint for error in failures if error.hint]
        raise EnvironmentUnavailable(
            printable.lines(error.problem for error in failures), printable.lines(dict.fromkeys(hints)) or None
        )


def setup(wanted: Iterable[str], settings: Settings) -> list[Status]:
    """Make the named environments ahead of time, as `make_all` does, and return the status of each; UnknownName for any other name."""
    chosen = list(dict.fromkeys(wanted))
    require_known(chosen)
    make_all([partial(resolve, name) for name in chosen], settings)
    return [status_of(name, settings) for name in chosen]


def status(settings: Settings) -> list[Status]:
    """Return how each environment stands on this machine; makes nothing, needs no network.

    An environment that is never made is among them where the user named an interpreter for it; another release, where it has a lock or was named.
    """
    pinned = [name for name in _known() if name in names() or name in settings.pythons]
    others = {*releases.names(settings.home), *(name for name in settings.pythons if split_name(name)[1] is not None)}
    return [status_of(name, settings) for name in (*pinned, *sorted(others))]


def locks(settings: Settings) -> dict[str, Path]:
    """Return the lock of each environment of another release than the pinned one, by its name."""
    return {name: _requirements(name, settings).lock for name in releases.names(settings.home)}


def _requirements(name: str, settings: Settings) -> Requirements:
    """Return what an environment needs, with the lock of its release where there is one."""
    return releases.read_lock(read_requirements(name), settings.home)


def _there_already(requirements: Requirements, settings: Settings) -> Iterator[Interpreter]:
    """Yield interpreters that may serve: for another release, the one named for the pinned release of its engine; and the current one."""
    if requirements.base in settings.pythons:
        given = allowed(settings.permissions.variables)
        yield ask(requirements.base, settings.pythons[requirements.base], settings.home, allowed=given)
    here = current()
    if here is not None:
        yield here


def _known() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.in"))


def status_of(name: str, settings: Settings) -> Status:
    """Return how one environment stands on this machine; makes nothing, needs no network."""
    try:
        environment = find(name, settings)
    except OutsideError as error:
        return Status("environment", name, False, read_requirements(name).engine.text, None, error.problem, error.hint)
    if environment is None:
        problem, fix = "not installed yet", f"edge-toolkit setup {name}"
        return Status("environment", name, False, read_requirements(name).engine.text, None, problem, fix)
    lock = _requirements(name, settings).lock
    locked = f", locked in {lock}" if split_name(name)[1] is not None and lock.is_file() else ""
    return Status("environment", name, True, f"{environment.engine}{locked}", environment.python)


def _named(requirements: Requirements, settings: Settings) -> Environment:
    name, path = requirements.name, settings.pythons[requirements.name]
    given = allowed(settings.permissions.variables)
    interpreter = ask(name, path, settings.home, allowed=given)
    lacks = requirements.lacking(interpreter.version, installed(interpreter.search))
    if lacks:  # the remembered answer may be old: a `.pth` file changes the search path without a trace
        interpreter = ask(name, path, settings.home, allowed=given, afresh=True)
        lacks = requirements.lacking(interpreter.version, installed(interpreter.search))
    if lacks:
        without = "to use the toolkit's own TensorFlow" if name == "source" else "to do without it"
        other = "to have an environment made" if requirements.can_be_made else without
        raise EnvironmentUnavailable(
            f"environment {name}: the interpreter {str(path)!r} lacks {', '.join(lacks)}",
            f"install them there, name another, or leave out `--python {name}=...` {other}",
        )
    return _found(requirements, interpreter, installed(interpreter.search))


def _found(requirements: Requirements, interpreter: Interpreter, holds: Mapping[str, str]) -> Environment:
    variables = as_is() | lend(requirements.name, interpreter, holds)
    engine = requirements.engine.found_in(holds)
    if requirements.lock.is_file():
        known = requirements.locked | requirements.accepted
        versions = {name: version for name, version in sorted(holds.items()) if name in known}
        identity = identify(versions, interpreter.version, interpreter.platform)
    else:
        versions = dict(sorted(holds.items()))
        told = versions | not_of_an_index(interpreter.search)
        identity = identify(told, interpreter.version, interpreter.platform)
    return Environment(requirements.name, interpreter.path, identity, versions, variables, engine)


def _made(requirements: Requirements, python: Path, facts: Marker) -> Environment:
    versions = facts["versions"]
    identity = identify(versions, facts["python"], facts["platform"])
    return Environment(requirements.name, python, identity, versions, VARIABLES, requirements.engine.found_in(versions))
