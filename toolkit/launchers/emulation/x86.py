"""x86_64 processors that are emulated on x86_64, with the engines' packages of this machine and one program of QEMU.

An engine chooses its kernels by CPUID, which QEMU emulates; a made `/proc/cpuinfo` says the same. Features: Intel's list for the Core i7-4770
(Haswell, 2013), limited to those that engines ask for (toolkit/launchers/local.py). QEMU 7.2 is the first that emulates AVX2.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments.instructions import X86
from toolkit.environments.made_once import Making, Marker, make_once
from toolkit.errors import EnvironmentUnavailable
from toolkit.launchers.emulation import emulator
from toolkit.launchers.emulation.emulator import Emulator
from toolkit.settings import Settings

MACHINE = "x86_64"

_WHAT = "x86_64 emulation"


@dataclass(frozen=True, slots=True)
class X86Processor:
    """One kind of processor: its name, the value of QEMU's `-cpu` (without features that QEMU warns it lacks), and Linux's names of its features."""

    name: str
    qemu: str
    features: str


PROCESSORS = {
    "haswell": X86Processor(
        "haswell",
        "Haswell-noTSX,pcid=off,x2apic=off,tsc-deadline=off,invpcid=off",
        "fpu mmx sse sse2 ssse3 sse4_1 sse4_2 popcnt avx f16c fma bmi1 avx2 bmi2",
    )
}


def make_emulator(settings: Settings) -> Emulator:
    """Return the emulator of x86_64, made first if it is missing.

    Raises `EnvironmentUnavailable` if this machine is no x86_64, or if apt, a Debian archive or the network is missing.
    """
    require_x86()
    return emulator.make_emulator(MACHINE, _WHAT, settings)


def make_if_it_serves(settings: Settings) -> Emulator | None:
    """Return the result of `make_emulator`, or None on a machine that does not emulate x86_64."""
    return make_emulator(settings) if os.uname().machine in X86 else None


def said(settings: Settings) -> str:
    """Return the text about x86_64 for doctor's line on QEMU; "" on a machine that does not emulate it."""
    if os.uname().machine not in X86:
        return ""
    try:
        found = emulator.find_emulator(MACHINE, settings)
    except EnvironmentUnavailable as error:
        return f"; no x86_64: {error.problem}"
    return f"; x86_64 by {found.version}" if found else "; no x86_64 yet: edge-toolkit setup qemu"


def require_x86() -> None:
    """Raise `EnvironmentUnavailable` if this machine is no x86_64, because its own packages run in the emulator."""
    machine = os.uname().machine
    if machine not in X86:
        raise EnvironmentUnavailable(
            f"{_WHAT}: runs the engines' own packages, which are {machine} here",
            "build for this target on an x86_64 machine",
        )


def make_overlay(name: str, settings: Settings) -> Path:
    """Return the folder for QEMU's `-L`: files about one processor of a kind that replace this machine's; made first if it is missing."""
    folder = settings.home / "overlays" / f"{name}-{identity(name)[:12]}"

    def build(making: Making) -> Marker:
        for path, text in files(PROCESSORS[name]).items():
            (making.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (making.folder / path).write_text(text + "\n")
        return {"cpu": name}

    make_once(folder, build, what=f"files of {name}", say=settings.say)
    return folder


def identity(name: str) -> str:
    """Return a hash that changes with everything that describes the emulated processor."""
    processor = PROCESSORS[name]
    return hashlib.sha256(json.dumps([processor.qemu, files(processor)]).encode()).hexdigest()[:16]


def files(processor: X86Processor) -> dict[str, str]:
    """Return {path: content} of the files that describe a machine with one such processor; threads would not be faster."""
    cpuinfo = f"processor\t: 0\nmodel name\t: {processor.name}\nflags\t\t: {processor.features}\n"
    cpus = "sys/devices/system/cpu"
    return {"proc/cpuinfo": cpuinfo} | {f"{cpus}/{each}": "0" for each in ("possible", "present", "online")}
