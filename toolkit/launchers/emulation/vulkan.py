"""A Vulkan driver that needs no GPU: Mesa's lavapipe, which compiles shaders for this machine's processor. It needs no root.

Debian's packages are unpacked into one folder, and the few libraries that the driver loads are kept in its `lib/`, beside `lavapipe.json`, which
tells the Vulkan loader of the driver. The release's own Mesa is too old for LiteRT's GPU delegate (22.3 offers it no adapter), so the driver
comes from the archive of backports. `made.json` holds the version and SHA-256 of each package.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.environments.status import Status
from toolkit.errors import EnvironmentUnavailable
from toolkit.launchers.emulation import debian
from toolkit.settings import Settings

WHAT = "software Vulkan driver"
_DRIVER = "mesa-vulkan-drivers"

# The driver and all that it links to, except what every Python here has already: the C and C++ libraries, and zlib.
_PACKAGES = (
    *(f"{name}/{debian.BACKPORTS}" for name in (_DRIVER, "libdrm2")),
    *(
        "libvulkan1 libllvm15 libz3-4 libedit2 libbsd0 libmd0 libtinfo6 libffi8 libxml2 libicu72 liblzma5 libzstd1 libexpat1 libelf1"
        " libx11-xcb1 libxcb1 libxcb-dri3-0 libxcb-present0 libxcb-randr0 libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libxau6 libxdmcp6"
        " libxshmfence1 libwayland-client0"
    ).split(),
)
_LIBRARY = "libvulkan_lvp.so"
_LOADER = "libvulkan.so.1"
_MANIFEST = "lavapipe.json"
_NEEDS_BYTES = 600_000_000  # at the peak: apt's lists, the packages, and the unpacked files; 200 MB stay
_NEEDS = ("packages",)


@dataclass(frozen=True, slots=True)
class VulkanDriver:
    """The driver's `folder` of libraries, its Mesa `version` (`25.0.7`), and a hash of its packages."""

    folder: Path
    version: str
    identity: str

    @property
    def manifest(self) -> Path:
        """The file that tells the Vulkan loader of the driver."""
        return self.folder / _MANIFEST


def find_driver(settings: Settings) -> VulkanDriver | None:
    """Return the driver, or None if it was not made; makes nothing."""
    folder = _folder(settings.home)
    facts = read_marker(folder, _NEEDS)
    return None if facts is None or not _is_whole(folder) else _driver(folder, facts)


def make_driver(settings: Settings) -> VulkanDriver:
    """Return the driver, made first if it is missing: 58 MB from Debian's archive.

    Raises `EnvironmentUnavailable` if apt, a Debian archive with backports, or the network is missing.
    """
    found = find_driver(settings)
    if found is not None:
        return found
    if settings.offline:
        raise EnvironmentUnavailable(
            f"{WHAT}: not installed yet, and the network is off (offline)",
            "run `edge-toolkit setup lavapipe` once with network",
        )
    folder = _folder(settings.home)
    facts = make_once(folder, _build, what=WHAT, say=settings.say, usable=_is_whole, needs_bytes=_NEEDS_BYTES)
    return _driver(folder, facts)


def status(settings: Settings) -> Status:
    """Return the driver's line for `doctor`; makes nothing, needs no network."""
    try:
        driver = find_driver(settings)
    except EnvironmentUnavailable as error:
        return Status("launcher", "lavapipe", False, WHAT, None, error.problem, error.hint)
    if driver is not None:
        return Status("launcher", "lavapipe", True, f"Mesa {driver.version}", driver.folder)
    lacks = debian.missing_programs()
    if lacks:
        problem = f"its parts are Debian packages, and {', '.join(lacks)} not found"
        return Status(
            "launcher", "lavapipe", False, WHAT, None, problem, "use a Debian-like machine, or a container of one"
        )
    return Status("launcher", "lavapipe", False, WHAT, None, "not installed yet", "edge-toolkit setup lavapipe")


def _build(making: Making) -> Marker:
    apt = debian.Apt(making, [debian.NATIVE], backports=True)
    making.say(f"{WHAT}: making it, once (fetching Mesa's lavapipe for Debian {debian.RELEASE}, 58 MB)")
    apt.update()
    debs = apt.download(_PACKAGES)
    provenance = [debian.describe(making, deb) for deb in debs]
    root, folder = making.folder / "root", making.folder / "lib"
    for deb in debs:
        making.run(["dpkg-deb", "--extract", deb, root])
    apt.remove()
    folder.mkdir()
    for library in sorted(root.glob("**/lib*.so*")):
        if library.name == _LIBRARY or not library.name.startswith(("libvulkan_", "libVkLayer_")):
            shutil.move(library, folder / library.name)
    shutil.rmtree(root)
    (told,) = [facts["version"] for facts in provenance if facts["package"] == _DRIVER]
    icd = {"library_path": f"./{_LIBRARY}", "api_version": "1.4.0"}
    (folder / _MANIFEST).write_text(json.dumps({"file_format_version": "1.0.0", "ICD": icd}))
    return {"release": f"{debian.RELEASE}, Mesa {told}", "packages": provenance}


def _folder(home: Path) -> Path:
    recipe = " ".join([debian.RELEASE, *_PACKAGES])
    return home / "systems" / f"vulkan-{debian.RELEASE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def _is_whole(folder: Path) -> bool:
    return all((folder / "lib" / name).is_file() for name in (_LIBRARY, _LOADER, _MANIFEST))


def _driver(folder: Path, facts: Marker) -> VulkanDriver:
    packages = {each["package"]: each for each in facts["packages"]}
    hashes = " ".join(sorted(each["sha256"] for each in facts["packages"]))
    version = packages[_DRIVER]["version"].partition("-")[0] if "version" in packages.get(_DRIVER, {}) else "unknown"
    return VulkanDriver(folder.resolve() / "lib", version, hashlib.sha256(hashes.encode()).hexdigest()[:16])
