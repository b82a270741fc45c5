"""The packages of an environment for another machine: a folder for its PYTHONPATH, made here once from the same lock.

Packages with compiled parts are built for a processor, a C library and a Python, so another machine needs other files than this one. uv fetches
them by these three and compares each with the lock's hashes; the other machine needs no network, no pip and no `venv` for it.
The folder is that of an emulated machine with the same three (`toolkit.launchers.emulation.packages`): the same packages are kept once.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments import releases
from toolkit.environments.interpreters import identify, installed
from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.environments.requirements import Requirements, read_requirements
from toolkit.environments.virtualenv import UV_VARIABLES, find_uv
from toolkit.errors import EnvironmentUnavailable
from toolkit.settings import Settings

# The platforms of `uv pip install --python-platform`: versions of glibc that it knows, for these processors.
_GLIBC = (40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17)
_MACHINES = ("x86_64", "aarch64")
NEEDS = ("versions",)
"""What the marker of a folder of packages says."""

# uv's words for a package without a file for the platform or the Python, and its list of those that there are.
_NO_FILE = re.compile(r"Because (\S+) has (?:no usable wheels|no wheels with a matching|no wheels are available)")
_FILES = re.compile(r"Wheels are available for .* on the following (?:platforms|Python.*): .*")


@dataclass(frozen=True, slots=True)
class WheelPlatform:
    """What compiled packages are built for: `machine` as `uname -m` says it, `libc` as `glibc 2.36` or `musl`, and `python` as `3.11.2`."""

    machine: str
    libc: str
    python: str

    @property
    def short_python(self) -> str:
        """The version of Python that packages are built for: `3.11`."""
        return ".".join(self.python.split(".")[:2])

    @property
    def uv(self) -> str | None:
        """The name that uv has for the platform, with the newest C library that is not newer than this one; None for one that uv does not know."""
        if self.machine not in _MACHINES:
            return None
        if self.libc.startswith("musl"):
            return f"{self.machine}-unknown-linux-musl"
        found = re.fullmatch(r"glibc 2\.(\d+)(\..*)?", self.libc)
        minor = next((known for known in _GLIBC if found is not None and known <= int(found[1])), None)
        return None if minor is None else f"{self.machine}-manylinux_2_{minor}"

    @property
    def of_lock(self) -> releases.Platform:
        """The platform as locks of other releases are made for it."""
        options = ["--python-platform", str(self.uv)]
        return releases.Platform(self.machine, str(self.uv), self.short_python, (), lambda _: options)

    def __str__(self) -> str:
        return f"Python {self.short_python} on {self.machine} with {self.libc or 'an unknown C library'}"


@dataclass(frozen=True, slots=True)
class SitePackages:
    """`folder` holds the packages; `versions` are theirs by normalized name; `engine` reads `ai-edge-litert 2.3.0`.

    `identity` changes with anything of the packages, the Python or the platform that could change a result.
    """

    folder: Path
    versions: dict[str, str]
    engine: str
    identity: str


def make_site_packages(name: str, platform: WheelPlatform, settings: Settings) -> SitePackages:
    """Return the packages of the environment `name` for a platform, made first if they are missing.

    EnvironmentUnavailable where a package has no file for the platform, where there is no network, and as `make_once` raises it.
    """
    what = f"environment {name} for {platform}"
    if platform.uv is None:
        raise EnvironmentUnavailable(
            f"{what}: no packages are built for it; expected {' or '.join(_MACHINES)} with glibc 2.{_GLIBC[-1]} or newer, or musl"
        )
    requirements = releases.read_lock(read_requirements(name), settings.home, platform.uv)
    if not requirements.lock.is_file() or _found(requirements, platform, settings) is None:
        if settings.offline:
            raise EnvironmentUnavailable(
                f"{what}: not made yet, and the network is off (offline)", "build once with network; it is kept then"
            )
        requirements = releases.make_lock(read_requirements(name), settings, platform.of_lock)
        _make(requirements, platform, what, settings)
    facts = _found(requirements, platform, settings)
    if facts is None:
        raise EnvironmentUnavailable(f"{what}: was removed while it was used", "run the command again")
    versions = facts["versions"]
    identity = identify(versions, platform.python, f"linux-{platform.machine} {platform.libc}")
    engine = requirements.engine.found_in(versions)
    return SitePackages(_folder(requirements, platform, settings) / "site", versions, engine, identity)


def _make(requirements: Requirements, platform: WheelPlatform, what: str, settings: Settings) -> None:
    uv = find_uv(what)

    def build(making: Making) -> Marker:
        settings.say(f"{what}: making it, once ({requirements.engine.text})")
        chosen = ["--python", sys.executable, "--python-platform", str(platform.uv)]
        try:
            site = install_wheels(making, uv, requirements.lock, platform.short_python, chosen)
        except EnvironmentUnavailable as error:
            raise _without_file(error, what) from error
        return {"versions": dict(sorted(installed([str(site)]).items()))}

    folder = _folder(requirements, platform, settings)
    make_once(folder, build, what=what, say=settings.say, usable=is_whole)


def install_wheels(making: Making, uv: str, lock: Path, python: str, chosen: Sequence[str]) -> Path:
    """Return the folder `site` of a making, with a lock's packages for a Python (`3.11`); `chosen` are uv's options that choose the platform."""
    site = making.folder / "site"
    command = [uv, "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--target", str(site)]
    making.run([*command, *chosen, "--python-version", python, "--requirements", str(lock)], variables=UV_VARIABLES)
    return site


def _without_file(error: EnvironmentUnavailable, what: str) -> EnvironmentUnavailable:
    """Return the error that names the package without a file for the platform; the error itself for any other."""
    said = " ".join(f"{error.problem} {error.hint or ''}".split())
    missing, files = _NO_FILE.search(said), _FILES.search(said)
    if missing is None:
        return error
    return EnvironmentUnavailable(f"{what}: {missing[1]} has no file for it", files[0] if files else error.hint)


def _found(requirements: Requirements, platform: WheelPlatform, settings: Settings) -> Marker | None:
    return read_marker(_folder(requirements, platform, settings), NEEDS)


def is_whole(folder: Path) -> bool:
    """Return whether a folder of packages was made to its end."""
    return read_marker(folder, NEEDS) is not None


def folder_of(requirements: Requirements, machine: str, platform: str, python: str, home: Path) -> Path:
    """Return where the packages of an environment lie for a machine, a platform (by the name that locks have for it) and a Python (`3.11`)."""
    content = f"{requirements.lock.read_text()}{platform}{python}"
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return home / "environments" / f"{requirements.name}-{machine}-{digest}"


def _folder(requirements: Requirements, platform: WheelPlatform, settings: Settings) -> Path:
    return folder_of(requirements, platform.machine, str(platform.uv), platform.short_python, settings.home)
