"""QEMU's programs, one for each kind of processor: those on the PATH, else those of a Debian package, which is fetched once for all of them."""

from __future__ import annotations

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
from toolkit.settings import Settings
from toolkit.settings.environment_variables import by_everybody

PROCESSORS = ("aarch64", "arm", "x86_64")  # whose programs are kept, by QEMU's names

_PACKAGE = "qemu-user-static"
_NEEDS_BYTES = 150_000_000  # at the peak: apt's lists, the package, and the programs


@dataclass(frozen=True, slots=True)
class Emulator:
    """A QEMU for programs of one kind of processor: its path, and the first line that it prints as its version."""

    path: Path
    version_line: str

    @property
    def version(self) -> str:
        """Return only the version: `7.2.22`."""
        match = re.search(r"version (\S+)", self.version_line)
        return match[1] if match else self.version_line


def installed(processor: str) -> Path | None:
    """Return the QEMU for a processor on the PATH, or None."""
    return next((Path(found) for found in map(shutil.which, _programs(processor)) if found is not None), None)


def find_emulator(processor: str, settings: Settings) -> Emulator | None:
    """Return the QEMU for a processor on the PATH, else the one that was made, else None; makes nothing.

    EnvironmentUnavailable if it does not run here.
    """
    found = installed(processor)
    if found is None and _is_whole(_folder(settings.home)):
        found = _own(processor, settings.home)
    return None if found is None else Emulator(found, _version_line(found, settings.home))


def make_emulator(processor: str, what: str, settings: Settings) -> Emulator:
    """Return the emulator of a processor, made first if it is missing: 63 MB from Debian's archive, of which 35 MB are kept.

    `what` it is for is part of messages. EnvironmentUnavailable if apt, a Debian archive or the network is missing.
    """
    found = find_emulator(processor, settings)
    if found is not None:
        return found
    require_network(what, settings)
    make_once(_folder(settings.home), _build, what="QEMU", say=settings.say, usable=_is_whole, needs_bytes=_NEEDS_BYTES)
    path = _own(processor, settings.home)
    return Emulator(path, _version_line(path, settings.home))


def require_network(what: str, settings: Settings) -> None:
    """Raise EnvironmentUnavailable where a part of emulation is missing and nothing may be fetched."""
    if settings.offline:
        raise EnvironmentUnavailable(
            f"{what}: not installed yet, and the network is off (offline)",
            "run `edge-toolkit setup qemu` once with network",
        )


def _build(making: Making) -> Marker:
    apt = debian.Apt(making, [debian.NATIVE])
    making.say("QEMU: making it, once (fetching 63 MB)")
    apt.update()
    (deb,) = apt.download([_PACKAGE])
    provenance = debian.describe(making, deb)
    for processor in PROCESSORS:
        _unpack(making, deb, _programs(processor)[0])
    apt.remove()
    return {"release": debian.RELEASE, "packages": [provenance]}


def _unpack(making: Making, deb: Path, program: str) -> None:
    """Unpack one program of the package and nothing else: it also holds programs for 30 other processors, 370 MB."""
    script = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --occurrence=1 --strip-components=3 "./usr/bin/$2"'
    making.run(["sh", "-c", script, "sh", deb, program])


def _programs(processor: str) -> tuple[str, str]:
    return f"qemu-{processor}-static", f"qemu-{processor}"


def _folder(home: Path) -> Path:
    return home / "systems" / f"{'-'.join(PROCESSORS)}-{debian.RELEASE}-{_PACKAGE}"


def _own(processor: str, home: Path) -> Path:
    """Return the program that was made; homes that are links to one another share its remembered version."""
    return _folder(home).resolve() / _programs(processor)[0]


def _is_whole(folder: Path) -> bool:
    programs = (folder / _programs(processor)[0] for processor in PROCESSORS)
    return read_marker(folder) is not None and all(os.access(program, os.X_OK) for program in programs)


def _version_line(emulator: Path, home: Path) -> str:
    """Return the version that an emulator prints; it is asked once and remembered until the file changes.

    Raises `EnvironmentUnavailable` if the emulator does not run here.
    """
    try:
        stat = emulator.stat()
        key = [str(emulator), stat.st_mtime_ns, stat.st_size]
        line = recall(home, "emulator", key, str)
        if line is None:
            answer = subprocess.run(
                [emulator, "--version"], capture_output=True, text=True, timeout=60, check=True, env=by_everybody()
            )
            line = answer.stdout.splitlines()[0]
            remember(home, "emulator", key, line)
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise EnvironmentUnavailable(f"emulation: {emulator} does not run here", str(error)) from error
    return str(line)
