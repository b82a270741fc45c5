"""The engines' packages for the Python 3.11 of an emulated machine, and the steps that make all parts of emulation.

An environment's `.in` file names the machines that its wheels are for.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolkit import environments, printable
from toolkit.environments import releases
from toolkit.environments.interpreters import installed
from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.environments.releases import Platform
from toolkit.environments.requirements import Requirements, read_requirements, split_name
from toolkit.environments.site_packages import NEEDS, folder_of, install_wheels, is_whole
from toolkit.environments.status import Status
from toolkit.environments.virtualenv import find_uv
from toolkit.errors import EnvironmentUnavailable, UnknownName
from toolkit.launchers.emulation import emulator, sysroot, x86
from toolkit.launchers.emulation.bytecode import compile_bytecode
from toolkit.launchers.emulation.debian import missing_programs
from toolkit.launchers.emulation.machines import MACHINES, Machine
from toolkit.launchers.emulation.sysroot import System
from toolkit.settings import Settings

_PYTHON = "3.11"
_PIN = re.compile(r"^(?P<name>[a-z0-9][\w.-]*)==.*(?:\n[ \t].*)*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Packages:
    """An environment's packages for a machine: the `search` path of Python, and the `versions` of all distributions there."""

    search: tuple[Path, ...]
    versions: dict[str, str]


def able(machine: str) -> tuple[str, ...]:
    """Return the environments whose wheels are for a machine (Python's name of it), sorted."""
    return tuple(name for name in environments.names() if machine in read_requirements(name).machines)


def find_packages(name: str, machine: Machine, settings: Settings) -> Packages | None:
    """Return the packages of environment `name` for a machine; None if they or its system were not made. UnknownName without wheels for it."""
    base = split_name(name)[0]
    if base not in able(machine.name):
        raise UnknownName(f"environment for {machine.name}", base, able(machine.name))
    requirements = releases.read_lock(read_requirements(name), settings.home, _tag(machine))
    system = sysroot.find_system(machine, settings)
    if system is None or not requirements.lock.is_file():
        return None
    folder = _folder(requirements, machine, settings.home)
    facts = read_marker(folder, NEEDS)
    return None if facts is None else Packages(_search(folder, machine, system), facts["versions"])


def make_packages(name: str, machine: Machine, settings: Settings) -> Packages:
    """Return the result of `find_packages`; make the packages, and the system that they are for, if they are missing."""
    found = find_packages(name, machine, settings)
    if found is not None:
        return found
    what = f"environment {name} for {machine.name}"
    if settings.offline:
        parts = printable.command((*((name,) if environments.is_release(name) else ()), "qemu"))
        raise EnvironmentUnavailable(
            f"{what}: not installed yet, and the network is off (offline)",
            f"run `edge-toolkit setup {parts}` once with network",
        )
    system = sysroot.make_system(machine, settings)
    uv = find_uv(what)
    platform = Platform(
        machine.name, _tag(machine), _PYTHON, tuple(machine.provided), partial(_choosing, machine, system)
    )
    requirements = releases.make_lock(read_requirements(name), settings, platform)

    def build(making: Making) -> Marker:
        settings.say(f"{what}: making it, once ({requirements.engine.text})")
        lock = making.folder / "requirements.txt"
        lock.write_text(_without(requirements.lock.read_text(), machine.provided))
        compile_bytecode(making, install_wheels(making, uv, lock, _PYTHON, _choosing(machine, system, making)))
        return {"versions": dict(sorted(installed(map(str, _search(making.folder, machine, system))).items()))}

    folder = _folder(requirements, machine, settings.home)
    facts = make_once(folder, build, what=what, say=settings.say, usable=is_whole)
    return Packages(_search(folder, machine, system), facts["versions"])


STEPS: tuple[Callable[[Settings], object], ...] = (
    x86.make_if_it_serves,
    *(partial(sysroot.make_system, machine) for machine in MACHINES.values()),
    *(partial(make_packages, name, machine) for machine in MACHINES.values() for name in able(machine.name)),
)
"""The steps for emulation; each makes its part, and what that needs, if it is missing."""


def status(settings: Settings) -> Status:
    """Return the status of emulation on this machine; makes nothing, needs no network."""
    path = next(filter(None, (emulator.installed(machine.qemu) for machine in MACHINES.values())), None)
    try:
        systems = {machine.name: sysroot.find_system(machine, settings) for machine in MACHINES.values()}
    except EnvironmentUnavailable as error:
        return Status("launcher", "qemu", False, str(path), path, error.problem, error.hint)
    made = {name: system for name, system in systems.items() if system is not None}
    fix = "edge-toolkit setup qemu"
    if not made:
        about, lacks = f"{path} on the PATH" if path else "QEMU user emulation", missing_programs()
        if lacks:
            problem = f"its parts are Debian packages, and {', '.join(lacks)} not found"
            fix = "use a Debian-like machine, or a container of one"
            return Status("launcher", "qemu", False, about, None, problem, fix)
        return Status("launcher", "qemu", False, about, None, "not installed yet", fix)
    versions = {name: system.emulator.version for name, system in made.items()}
    about = f"qemu {', '.join(dict.fromkeys(versions.values()))} ({', '.join(versions)}{x86.said(settings)})"
    missing = [name for name in systems if name not in made]
    missing += [
        f"{name} for {machine.name}"
        for machine in MACHINES.values()
        for name in (able(machine.name) if machine.name in made else ())
        if find_packages(name, machine, settings) is None
    ]
    path = next(iter(made.values())).emulator.path
    if missing:
        return Status("launcher", "qemu", False, about, path, f"not made yet: {', '.join(missing)}", fix)
    return Status("launcher", "qemu", True, about, path)


def _tag(machine: Machine) -> str:
    """Return the name of the platform in the names of locks."""
    return machine.wheels or machine.name


def _choosing(machine: Machine, system: System, making: Making) -> list[str]:
    """Return the options by which uv chooses wheels for a machine: its platform by name, or the emulated interpreter, which uv asks."""
    if machine.wheels is not None:
        return ["--python", sys.executable, "--python-platform", machine.wheels]
    starter = making.folder / "python"
    command = shlex.join(map(str, (system.emulator.path, "-L", system.root, system.python)))
    starter.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    starter.chmod(0o755)
    return ["--python", str(starter)]


def _without(lock: str, provided: Collection[str]) -> str:
    """Return a lock without the distributions that the system provides."""
    return _PIN.sub(lambda pin: "" if pin["name"] in provided else pin[0], lock)


def _search(folder: Path, machine: Machine, system: System) -> tuple[Path, ...]:
    return (folder / "site", *([system.packages] if machine.provided else []))


def _folder(requirements: Requirements, machine: Machine, home: Path) -> Path:
    return folder_of(requirements, machine.name, _tag(machine), _PYTHON, home)
