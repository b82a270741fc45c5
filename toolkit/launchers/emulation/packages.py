"""The engines' aarch64 packages for the emulated Python 3.11, and the steps that make all parts of emulation."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from toolkit import printable
from toolkit.environments import releases
from toolkit.environments.interpreters import installed
from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.environments.requirements import Requirements, read_requirements, split_name
from toolkit.environments.status import Status
from toolkit.environments.virtualenv import UV_VARIABLES, find_uv
from toolkit.errors import EnvironmentUnavailable, UnknownName
from toolkit.launchers.emulation import sysroot, x86
from toolkit.launchers.emulation.bytecode import compile_bytecode
from toolkit.launchers.emulation.debian import missing_programs
from toolkit.settings import Settings

ENVIRONMENTS = ("litert", "tflite_runtime")

_PLATFORM = "aarch64-manylinux_2_36"  # the C library of Debian bookworm; uv's plain `aarch64-unknown-linux-gnu` means 2.28, which is too old
_PYTHON = "3.11"
_NEEDS = ("versions",)


def find_packages(name: str, settings: Settings) -> tuple[Path, dict[str, str]] | None:
    """Return the folder of the aarch64 packages of environment `name`, and their versions; None if it was not made."""
    base = split_name(name)[0]
    if base not in ENVIRONMENTS:
        raise UnknownName("emulated environment", base, ENVIRONMENTS)
    requirements = releases.read_lock(read_requirements(name), settings.home, _PLATFORM)
    if not requirements.lock.is_file():
        return None
    folder = _folder(requirements, settings.home)
    facts = read_marker(folder, _NEEDS)
    return None if facts is None else (folder / "site", facts["versions"])


def make_packages(name: str, settings: Settings) -> tuple[Path, dict[str, str]]:
    """Return the result of `find_packages`; make the folder first if it is missing."""
    found = find_packages(name, settings)
    if found is not None:
        return found
    what = f"environment {name} for aarch64"
    if settings.offline:
        raise EnvironmentUnavailable(
            f"{what}: not installed yet, and the network is off (offline)",
            f"run `edge-toolkit setup {printable.command(each for each in (name, 'qemu') if each not in ENVIRONMENTS)}` once with network",
        )
    requirements = releases.make_lock(read_requirements(name), settings, (_PYTHON,), _PLATFORM)
    uv = find_uv(what)

    def build(making: Making) -> Marker:
        settings.say(f"{what}: making it, once ({requirements.engine.text})")
        site = making.folder / "site"
        command = [
            uv,
            "pip",
            "install",
            "--require-hashes",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--python",
            sys.executable,
        ]
        target = ["--target", str(site), "--python-platform", _PLATFORM, "--python-version", _PYTHON]
        making.run([*command, *target, "--requirements", str(requirements.lock)], variables=UV_VARIABLES)
        compile_bytecode(making, site)
        return {"versions": dict(sorted(installed([str(site)]).items()))}

    folder = _folder(requirements, settings.home)
    return folder / "site", make_once(folder, build, what=what, say=settings.say, usable=_is_whole)["versions"]


STEPS: tuple[Callable[[Settings], object], ...] = (
    sysroot.make_system,
    x86.make_if_it_serves,
    *(partial(make_packages, name) for name in ENVIRONMENTS),
)
"""The steps for emulation; each makes its part if it is missing, and none depends on another."""


def status(settings: Settings) -> Status:
    """Return the status of emulation on this machine; makes nothing, needs no network."""
    emulator = sysroot.installed_qemu()
    try:
        system = sysroot.find_system(settings)
    except EnvironmentUnavailable as error:
        return Status("launcher", "qemu", False, str(emulator), emulator, error.problem, error.hint)
    if system is None:
        about = f"{emulator} on the PATH" if emulator else "QEMU user emulation of aarch64"
        lacks = missing_programs()
        if lacks:
            problem = f"its parts are Debian packages, and {', '.join(lacks)} not found"
            return Status(
                "launcher", "qemu", False, about, None, problem, "use a Debian-like machine, or a container of one"
            )
        return Status("launcher", "qemu", False, about, None, "not installed yet", "edge-toolkit setup qemu")
    about = f"qemu {system.emulator.version}{x86.said(settings)}"
    missing = [name for name in ENVIRONMENTS if find_packages(name, settings) is None]
    if missing:
        problem = f"no aarch64 packages of {', '.join(missing)} yet"
        return Status("launcher", "qemu", False, about, system.emulator.path, problem, "edge-toolkit setup qemu")
    return Status("launcher", "qemu", True, about, system.emulator.path)


def _is_whole(folder: Path) -> bool:
    return read_marker(folder, _NEEDS) is not None


def _folder(requirements: Requirements, home: Path) -> Path:
    content = requirements.lock.read_text() + _PLATFORM + _PYTHON
    return home / "environments" / f"{requirements.name}-aarch64-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
