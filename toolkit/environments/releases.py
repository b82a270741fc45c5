"""Releases of engines other than the pinned ones: `litert==2.1.0` is an environment of its own, from a lock of its own.

The lock is made once, when the release is first needed: all of its packages with the hashes that the package index gives, for one Python and one
platform. It is kept in `locks/` of the cache folder with its SHA-256, and is used while that fits. So each environment of the release gets the same
packages, and another file under a package's name is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.environments.interpreters import current
from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.environments.requirements import HERE, Requirements, read_requirements
from toolkit.environments.virtualenv import UV_VARIABLES, find_uv
from toolkit.errors import EnvironmentUnavailable, RequestError
from toolkit.settings import Settings

_LOCK = "requirements.txt"
_EXCLUDED = "excluded.txt"
_NEEDS = ("python", "lock_sha256")
_NO_RELEASE = re.compile(r"there is no version of")  # uv's message for a release that does not exist,
_NO_FILES = re.compile(
    r"has no wheels with a matching|no wheels are available|has no usable wheels"
)  # and for a Python without files
_NEWEST_PYTHON = 20  # ranges of Pythons are searched up to this minor version


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform other than this machine's: the `machine`, the `name` in the names of locks, and its Python (`3.11`).

    `provided` are the distributions that it has already. `options` are uv's that choose it; they may need a file in the folder of the making.
    """

    machine: str
    name: str
    python: str
    provided: tuple[str, ...]
    options: Callable[[Making], list[str]]


def names(home: Path) -> list[str]:
    """Return the environments of other releases that have a lock, sorted."""
    folder = home / "locks"
    found = (path.name.partition(" ")[0] for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted({name for name in found if read_lock(read_requirements(name), home).lock.is_file()})


def read_lock(requirements: Requirements, home: Path, platform: str = "") -> Requirements:
    """Return the requirements with the lock of their release and its Python; unchanged where there is no lock yet."""
    folder = _folder(requirements, home, platform)
    if requirements.release is None or not _is_whole(folder):
        return requirements
    facts = read_marker(folder, _NEEDS) or {}
    return replace(requirements, lock=folder / _LOCK, python=f"=={facts['python']}.*")


def make_lock(requirements: Requirements, settings: Settings, platform: Platform | None = None) -> Requirements:
    """Return as `read_lock` does, after making the lock if it is missing: for the first Python that the release has files for.

    The Pythons are those that the requirements accept, this one first, or that of the `platform`.
    RequestError for a release that does not exist, EnvironmentUnavailable where it has no files, or the index cannot be reached.
    """
    if requirements.release is None:
        return requirements
    what = f"environment {requirements.name}" + ("" if platform is None else f" for {platform.machine}")
    uv = find_uv(what)
    asked = tuple(_pythons(requirements)) if platform is None else (platform.python,)
    name = "" if platform is None else platform.name

    def build(making: Making) -> Marker:
        settings.say(f"{what}: finding its packages and their hashes, once ({requirements.engine.text})")
        options = list(_place(making, requirements, platform))
        python = next(python for python in asked if _compile(making, uv, requirements, python, options, asked[-1]))
        content = (making.folder / _LOCK).read_bytes()
        _require_the_release(requirements, content.decode())
        return {"python": python, "platform": name, "lock_sha256": hashlib.sha256(content).hexdigest()}

    make_once(_folder(requirements, settings.home, name), build, what=what, say=settings.say, usable=_is_whole)
    return read_lock(requirements, settings.home, name)


def _place(making: Making, requirements: Requirements, platform: Platform | None) -> Iterator[str]:
    """Write the requirements for uv, without what the platform has already, and yield the options that choose the platform."""
    provided = () if platform is None else platform.provided
    wanted = [each.text for each in requirements.packages if not set(each.names) & set(provided)]
    (making.folder / "requirements.in").write_text("".join(f"{each}\n" for each in wanted))
    if platform is not None:
        yield from platform.options(making)
    if provided:
        (making.folder / _EXCLUDED).write_text("".join(f"{each}\n" for each in provided))
        yield from ("--excludes", _EXCLUDED)


def _compile(making: Making, uv: str, requirements: Requirements, python: str, platform: list[str], last: str) -> bool:
    """Write the lock for one Python; return False where the release has no files for it and it is not the last one that is tried."""
    command = [uv, "pip", "compile", "--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate"]
    place = ["--python-version", python, "--no-python-downloads", *platform]
    try:
        making.run([*command, *place, "--output-file", _LOCK, "requirements.in"], variables=UV_VARIABLES)
    except EnvironmentUnavailable as error:
        said, package = f"{error.problem}\n{error.hint}", requirements.engine.names[0]
        if _NO_RELEASE.search(said) and f"{package}==" in said:
            raise _no_release(requirements) from error
        if _NO_FILES.search(said) and python != last:
            return False
        raise EnvironmentUnavailable(
            f"{making.what}: {requirements.engine.text} and its dependencies are not available for Python {python}",
            error.hint or str(error.problem),
        ) from error
    return True


def _no_release(requirements: Requirements) -> RequestError:
    """Return the error for a release that the index does not have: which one is pinned, and whether another engine is of that version."""
    package, base = requirements.engine.names[0], requirements.base
    others = [
        f"{name} is pinned to {requirements.release}"
        for name in sorted(path.stem for path in HERE.glob("*.txt"))
        if name != base and read_requirements(name).version == requirements.release
    ]
    return RequestError(
        f"environment {requirements.name}: there is no {package} {requirements.release}; {base} is pinned to "
        f"{read_requirements(base).version}{''.join(f', {other}' for other in others)}",
        f"`pip index versions {package}` lists the releases",
    )


def _require_the_release(requirements: Requirements, lock: str) -> None:
    """Raise RequestError where the lock's engine has another name for the version: `2.1` means 2.1.0, and it is 2.1.0 that says so when it runs."""
    held = requirements.engine.version_in(lock)
    if held != requirements.release:
        raise RequestError(
            f"environment {requirements.name}: {requirements.engine.text} is release {held}; expected {requirements.base}=={held}"
        )


def _pythons(requirements: Requirements) -> list[str]:
    """Return the Pythons that serve, this one first, then the newest; `3.11`."""
    here = current()
    mine = "" if here is None else ".".join(here.version.split(".")[:2])
    known = (f"3.{minor}" for minor in range(_NEWEST_PYTHON, 0, -1))
    return sorted((each for each in known if requirements.accepts_python(f"{each}.0")), key=lambda each: each != mine)


def _folder(requirements: Requirements, home: Path, platform: str) -> Path:
    return home / "locks" / f"{requirements.name} {platform}".strip()


def _is_whole(folder: Path) -> bool:
    facts = read_marker(folder, _NEEDS)
    try:
        return facts is not None and hashlib.sha256((folder / _LOCK).read_bytes()).hexdigest() == facts["lock_sha256"]
    except OSError:
        return False
