"""The systems that emulated programs run on: small Debian systems with Python 3.11, one for each kind of machine. They need no root.

Each is made of Debian packages in one folder, which all engines and processors of that kind share. Its `made.json` holds the version and SHA-256 of
each package.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.launchers.emulation import debian
from toolkit.launchers.emulation.bytecode import compile_bytecode
from toolkit.launchers.emulation.emulator import Emulator, find_emulator, make_emulator, require_network
from toolkit.launchers.emulation.machines import Machine
from toolkit.settings import Settings

# Python 3.11, and the libraries that it and the engines' wheels link to; 9.6 MB, 30 MB unpacked.
_PACKAGES = (
    "libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3"
    " python3.11-minimal libpython3.11-minimal libpython3.11-stdlib"
).split()
# BLAS and LAPACK lie in folders of their own, as one of several: links make them the system's (Debian has update-alternatives for that).
_ALTERNATIVES = ("blas/libblas.so.3", "lapack/liblapack.so.3")
_PYTHON = "usr/lib/python3.11"
_OF_DEBIAN = "usr/lib/python3/dist-packages"
_NEEDS_BYTES = 300_000_000  # at the peak: apt's lists, the packages, and the unpacked files


@dataclass(frozen=True, slots=True)
class System:
    """The emulator, the `root` of the system it runs (`root/usr/bin/python3.11`), and a hash of its packages."""

    emulator: Emulator
    root: Path
    identity: str

    @property
    def python(self) -> Path:
        """Return the system's interpreter, a program for its machine."""
        return self.root / "usr/bin/python3.11"

    @property
    def packages(self) -> Path:
        """Return the folder of the Python distributions that are Debian packages; it exists where the machine's `provided` names some."""
        return self.root / _OF_DEBIAN


def find_system(machine: Machine, settings: Settings) -> System | None:
    """Return the system of a machine, or None if it or its emulator was not made; makes nothing."""
    facts = read_marker(_folder(machine, settings.home), ("packages",))
    emulator = find_emulator(machine.qemu, settings)
    return None if facts is None or emulator is None else _system(machine, emulator, facts, settings)


def make_system(machine: Machine, settings: Settings) -> System:
    """Return the system of a machine, made first if it is missing: 10 to 15 MB from Debian's archive, 63 MB more if no QEMU is installed.

    Raises `EnvironmentUnavailable` if apt, a Debian archive or the network is missing.
    """
    found = find_system(machine, settings)
    if found is not None:
        return found
    what = f"{machine.name} emulation"
    require_network(what, settings)
    emulator = make_emulator(machine.qemu, what, settings)

    def build(making: Making) -> Marker:
        return _build(machine, making)

    folder = _folder(machine, settings.home)
    facts = make_once(folder, build, what=what, say=settings.say, usable=_is_whole, needs_bytes=_NEEDS_BYTES)
    return _system(machine, emulator, facts, settings)


def _build(machine: Machine, making: Making) -> Marker:
    apt = debian.Apt(making, [machine.debian])
    making.say(f"{making.what}: making it, once (fetching Debian {debian.RELEASE}'s lists of packages)")
    apt.update()
    making.say(f"{making.what}: fetching Python 3.11 for {machine.debian} (10 to 15 MB)")
    debs = apt.download([f"{package}:{machine.debian}" for package in _packages(machine)])
    provenance = [debian.describe(making, deb) for deb in debs]
    root = making.folder / "root"
    for deb in debs:
        making.run(["dpkg-deb", "--extract", deb, root])
    apt.remove()
    libraries = root / "usr/lib" / machine.folder
    for unused in (root / "usr/share", libraries / "gconv"):
        shutil.rmtree(unused, ignore_errors=True)
    for library in _ALTERNATIVES:
        if (libraries / library).exists():
            (libraries / Path(library).name).symlink_to(library)
    compile_bytecode(making, *(folder for folder in (root / _PYTHON, root / _OF_DEBIAN) if folder.is_dir()))
    return {"release": debian.RELEASE, "packages": provenance}


def _packages(machine: Machine) -> Iterator[str]:
    yield from _PACKAGES
    for packages in machine.provided.values():
        yield from packages


def _folder(machine: Machine, home: Path) -> Path:
    recipe = " ".join([debian.RELEASE, *_packages(machine)])
    return home / "systems" / f"{machine.name}-{debian.RELEASE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def _is_whole(folder: Path) -> bool:
    return read_marker(folder, ("packages",)) is not None


def _system(machine: Machine, emulator: Emulator, facts: Marker, settings: Settings) -> System:
    own = sorted(each["sha256"] for each in facts["packages"])
    identity = hashlib.sha256(" ".join(own).encode()).hexdigest()[:16]
    return System(emulator, _folder(machine, settings.home).resolve() / "root", identity)
