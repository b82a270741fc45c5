"""The parts that run aarch64 programs here: a static QEMU, and a small Debian system with Python 3.11. They need no root.

Both come from Debian packages and are made together in one folder that all engines and processors share. Its `made.json` holds the version and
SHA-256 of each package. A QEMU on the PATH is preferred to the one in the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.environments.remembered import recall, remember
from toolkit.errors import EnvironmentUnavailable
from toolkit.launchers.emulation import debian
from toolkit.launchers.emulation.bytecode import compile_bytecode
from toolkit.settings import Settings
from toolkit.settings.environment_variables import by_everybody

WHAT = "aarch64 emulation"

# Python 3.11, and the libraries that it and the engines' wheels link to; 9.6 MB, 30 MB unpacked.
_PACKAGES = (
    "libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3"
    " python3.11-minimal libpython3.11-minimal libpython3.11-stdlib"
).split()
_UNUSED = ("usr/share", "usr/lib/aarch64-linux-gnu/gconv")
_NEEDS_BYTES = 300_000_000  # at the peak: apt's lists, the packages, and the unpacked files
_QEMU_PACKAGE = "qemu-user-static"
_QEMU = "qemu-aarch64-static"
_INSTALLED = ("qemu-aarch64-static", "qemu-aarch64")


@dataclass(frozen=True, slots=True)
class Emulator:
    """A QEMU for aarch64 programs: its path, and the first line that it prints as its version."""

    path: Path
    version_line: str

    @property
    def version(self) -> str:
        """Return only the version: `7.2.22`."""
        match = re.search(r"version (\S+)", self.version_line)
        return match[1] if match else self.version_line


@dataclass(frozen=True, slots=True)
class System:
    """The emulator, the `root` of the system it runs (`root/usr/bin/python3.11`), and a hash of its packages."""

    emulator: Emulator
    root: Path
    identity: str


def find_system(settings: Settings) -> System | None:
    """Return the system, or None if it was not made; makes nothing."""
    folder = _folder(settings.home)
    facts = read_marker(folder, ("packages",))
    if facts is None or not _usable(folder):
        return None
    return _system(folder, facts, settings)


def make_system(settings: Settings) -> System:
    """Return the system, made first if it is missing: 10 MB from Debian's archive, 63 MB more if no QEMU is installed.

    Raises `EnvironmentUnavailable` if apt, a Debian archive or the network is missing.
    """
    found = find_system(settings)
    if found is not None:
        return found
    if settings.offline:
        raise EnvironmentUnavailable(
            f"{WHAT}: not installed yet, and the network is off (offline)",
            "run `edge-toolkit setup qemu` once with network",
        )
    folder = _folder(settings.home)
    facts = make_once(folder, _build, what=WHAT, say=settings.say, usable=_is_whole, needs_bytes=_NEEDS_BYTES)
    return _system(folder, facts, settings)


def installed_qemu() -> Path | None:
    """Return the QEMU on the PATH, or None."""
    return next((Path(found) for found in map(shutil.which, _INSTALLED) if found is not None), None)


def _build(making: Making) -> Marker:
    emulator = installed_qemu()
    apt = debian.Apt(making, ["arm64"] if emulator else [debian.NATIVE, "arm64"])
    making.say(f"{WHAT}: making it, once (fetching Debian {debian.RELEASE}'s lists of packages)")
    apt.update()
    own = [] if emulator else [_QEMU_PACKAGE]
    making.say(f"{WHAT}: fetching Python 3.11 for arm64 (10 MB)" + (" and QEMU (63 MB)" if own else ""))
    debs = apt.download([*own, *(f"{package}:arm64" for package in _PACKAGES)])
    provenance = [debian.describe(making, deb) for deb in debs]
    root = making.folder / "root"
    for deb, facts in zip(debs, provenance, strict=True):
        if facts["package"] == _QEMU_PACKAGE:
            unpack_qemu(making, deb, _QEMU)
        else:
            making.run(["dpkg-deb", "--extract", deb, root])
    apt.remove()
    for unused in _UNUSED:
        shutil.rmtree(root / unused, ignore_errors=True)
    compile_bytecode(making, root / "usr/lib/python3.11")
    return {"release": debian.RELEASE, "packages": provenance}


def unpack_qemu(making: Making, deb: Path, program: str) -> None:
    """Unpack one program of the package and nothing else: it also holds programs for 30 other processors, 370 MB."""
    script = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --occurrence=1 --strip-components=3 "./usr/bin/$2"'
    making.run(["sh", "-c", script, "sh", deb, program])


def _folder(home: Path) -> Path:
    recipe = " ".join([debian.RELEASE, *_PACKAGES])
    return home / "systems" / f"aarch64-{debian.RELEASE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def _usable(folder: Path) -> bool:
    return installed_qemu() is not None or os.access(folder / _QEMU, os.X_OK)


def _is_whole(folder: Path) -> bool:
    return _usable(folder) and read_marker(folder, ("packages",)) is not None


def _system(folder: Path, facts: Marker, settings: Settings) -> System:
    own = sorted(each["sha256"] for each in facts["packages"] if each["package"] != _QEMU_PACKAGE)
    identity = hashlib.sha256(" ".join(own).encode()).hexdigest()[:16]
    folder = folder.resolve()  # homes that are links to one another share the remembered version
    emulator = installed_qemu() or folder / _QEMU
    return System(Emulator(emulator, version_line(emulator, settings.home)), folder / "root", identity)


def version_line(emulator: Path, home: Path) -> str:
    """Return the version that an emulator prints; it is asked once and remembered until the file changes.

    Raises `EnvironmentUnavailable` if the emulator does not run here.
    """
    stat = emulator.stat()
    key = [str(emulator), stat.st_mtime_ns, stat.st_size]
    line = recall(home, "emulator", key, str)
    if line is None:
        try:
            answer = subprocess.run(
                [emulator, "--version"], capture_output=True, text=True, timeout=60, check=True, env=by_everybody()
            )
            line = answer.stdout.splitlines()[0]
        except (OSError, subprocess.SubprocessError, IndexError) as error:
            raise EnvironmentUnavailable(f"emulation: {emulator} does not run here", str(error)) from error
        remember(home, "emulator", key, line)
    return str(line)
