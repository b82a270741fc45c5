"""The packages of engines for a page, fetched once with npm and checked by hash.

`packages.json` is the lock: by environment, each package's version, the SHA-512 of its archive (npm's `integrity`; Subresource Integrity of the W3C),
and the files of it that are kept. To renew it: `npm pack NAME@VERSION --json` prints version and integrity. npm takes its registry from the settings
of the user; the hash decides whether what came is taken.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.errors import EnvironmentUnavailable, UnknownName
from toolkit.launchers.browser.program import find_path
from toolkit.settings import Settings

NO_NPM = "comes by npm, and no npm was found"
HOW_NPM = "install Node.js with npm (Debian, Ubuntu: apt-get install npm), then run `edge-toolkit setup chromium`"

_LOCK = Path(__file__).with_name("packages.json")
_NEEDS = ("versions",)
_INSIDE = "package/"  # the folder that npm puts everything of a package in
_MOST_BYTES = 100_000_000  # of one file; the largest has 15 MB


@dataclass(frozen=True, slots=True)
class WebPackage:
    """A package of the lock; `files` are the paths in it that are kept."""

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]


def _read_lock() -> dict[str, tuple[WebPackage, ...]]:
    return {
        environment: tuple(WebPackage(**{**each, "files": tuple(each["files"])}) for each in packages)
        for environment, packages in json.loads(_LOCK.read_text()).items()
    }


LOCKED = _read_lock()
"""The packages by environment. The first of each is the engine."""


def locked(environment: str) -> tuple[WebPackage, ...]:
    """Return the packages that stand for an environment in a page; UnknownName for one that has none."""
    if environment not in LOCKED:
        raise UnknownName("environment on launcher chromium", environment, LOCKED)
    return LOCKED[environment]


def find_packages(environment: str, settings: Settings) -> Mapping[str, Path] | None:
    """Return the folder of each package by name; None if they were not fetched."""
    folder = _folder(environment, settings)
    if read_marker(folder, _NEEDS) is None:
        return None
    return {package.name: folder / package.name for package in locked(environment)}


def make_packages(environment: str, settings: Settings) -> Mapping[str, Path]:
    """Return the result of `find_packages`; fetch the packages first if they are missing.

    EnvironmentUnavailable without network or npm, and for a package that is not the locked one.
    """
    found = find_packages(environment, settings)
    if found is not None:
        return found
    packages = locked(environment)
    what = f"{packages[0].name} {packages[0].version}"
    if settings.offline:
        raise EnvironmentUnavailable(
            f"{what}: not installed yet, and the network is off (offline)",
            "run `edge-toolkit setup chromium` once with network",
        )
    if shutil.which("npm") is None:
        raise EnvironmentUnavailable(
            f"{what}: {NO_NPM}",
            HOW_NPM,
        )

    def build(making: Making) -> Marker:
        settings.say(f"{what}: fetching it, once")
        for package in packages:
            _fetch(making, package)
        return {"versions": {package.name: package.version for package in packages}}

    folder = _folder(environment, settings)
    make_once(folder, build, what=what, say=settings.say)
    return {package.name: folder / package.name for package in packages}


def make_if_it_serves(environment: str, settings: Settings) -> Mapping[str, Path] | None:
    """Return the result of `make_packages`; None on a machine without npm or without a browser, which cannot use them."""
    able = shutil.which("npm") is not None and find_path() is not None
    return make_packages(environment, settings) if able else find_packages(environment, settings)


STEPS: tuple[Callable[[Settings], object], ...] = tuple(partial(make_if_it_serves, name) for name in LOCKED)
"""The steps that fetch the packages of each environment."""


def _fetch(making: Making, package: WebPackage) -> None:
    """Fetch a package with npm, and unpack its files if it is the locked one."""
    folder = making.folder / "fetched"
    folder.mkdir()
    asked = f"{package.name}@{package.version}"
    making.run(["npm", "pack", asked, "--ignore-scripts", "--no-update-notifier", "--pack-destination", folder])
    archives = list(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise EnvironmentUnavailable(f"{making.what}: npm pack {asked} left {len(archives)} archives; expected one")
    unpack(archives[0], package, making.folder / package.name)
    shutil.rmtree(folder)


def unpack(archive: Path, package: WebPackage, folder: Path) -> None:
    """Write the files of a package into `folder`; EnvironmentUnavailable if the archive is not the locked one, or lacks one of them.

    Nothing else of the archive is written, and no name of it is used as a path.
    """
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    asked = f"{package.name}@{package.version}"
    if digest != package.integrity:
        raise EnvironmentUnavailable(
            f"{asked}: npm fetched another package than the locked one ({digest[:24]}..., expected {package.integrity[:24]}...)",
            "look at npm's registry (`npm config get registry`); nothing of it was kept",
        )
    wanted = {_INSIDE + name: folder / name for name in package.files}
    with tarfile.open(archive, "r:gz") as packed:
        for member in packed:
            file = wanted.get(member.name)
            if file is None or not member.isfile() or member.size > _MOST_BYTES:
                continue
            content = packed.extractfile(member)
            if content is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
                del wanted[member.name]
    if wanted:
        raise EnvironmentUnavailable(
            f"{asked}: lacks {', '.join(sorted(name.removeprefix(_INSIDE) for name in wanted))}"
        )


def _folder(environment: str, settings: Settings) -> Path:
    parts = [[each.name, each.version, each.integrity, *each.files] for each in locked(environment)]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return settings.home / "environments" / f"{environment}-web-{digest[:12]}"
