"""aarch64 on another processor, by QEMU: the engine's ARM build, told that it runs on one core of a named kind.

Options: `cpu`, which has no default. QEMU's own default is `max`, whose newest instructions QEMU 7.2 computes wrongly, and which no board has.
An engine picks its kernels by `/proc/cpuinfo` and `/sys`; it sees files of the same kind of core there, never those of this machine
(with which LiteRT and ONNX Runtime crash, and which would name instructions that the emulated core lacks).

What is emulated is arithmetic, not time: no duration measured here says anything about a device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from toolkit.environments import emulation, instructions, processors, sysroot
from toolkit.environments.emulation import EMULATED
from toolkit.environments.interpreters import identify
from toolkit.environments.memory import recall, remember
from toolkit.environments.processors import PROCESSORS
from toolkit.environments.requirements import read_requirements
from toolkit.environments.status import Status
from toolkit.environments.sysroot import System
from toolkit.environments.virtual import VARIABLES
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, UnknownName, suggestion
from toolkit.launchers import Launch
from toolkit.launchers.known_answer import FOLDER, known_answer
from toolkit.settings import Settings

__all__ = ["EMULATED", "prepare", "ready", "status"]


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a script in `environment` on the emulated core `options["cpu"]`.

    What is missing is made first. An engine must give a known answer once on each core, emulator and version, before it is trusted.
    """
    cpu = _cpu(environment, options)
    try:
        system = sysroot.make_system(settings)
        site, versions = emulation.make_packages(environment, settings)
        overlay = processors.make_overlay(cpu, system.root, settings)
    except EnvironmentUnavailable as error:
        raise TargetUnavailable(f"launcher qemu: {error.problem}", error.hint) from error
    engine = read_requirements(environment).engine.found_in(versions)
    command = [
        system.emulator.path,
        "-cpu",
        cpu,
        "-U",
        "LD_PRELOAD,LD_LIBRARY_PATH",
        "-L",
        overlay,
        overlay / "usr/bin/python3.11",
    ]
    launch = Launch(
        command=tuple(map(str, command)),
        variables={**VARIABLES, "PYTHONPATH": str(site)},
        identity=_identity(system, engine, versions, cpu),
        about={
            "engine": engine,
            "machine": "aarch64",
            "launcher": "qemu",
            "emulator": f"qemu {system.emulator.version}",
            "cpu": cpu,
            "processor": instructions.class_of("aarch64", PROCESSORS[cpu].features.split()),
        },
    )
    if recall(settings.home, "known_answer", _answer_key(launch)) is None:
        settings.say(f"{engine} on qemu {cpu}: checking a known answer, once")
        known_answer(launch, environment)
        remember(settings.home, "known_answer", _answer_key(launch), "right")
    return launch


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether system and packages are there; what else `prepare` does takes a second and no network."""
    _cpu(environment, options)
    return sysroot.find_system(settings) is not None and emulation.find_packages(environment, settings) is not None


def status(settings: Settings) -> Status:
    """Return what `doctor` shows."""
    return emulation.status(settings)


def _cpu(environment: str, options: Mapping[str, object]) -> str:
    """Return the core that is asked for; raise `RequestError` for a request that cannot be meant."""
    if environment not in EMULATED:
        raise UnknownName("environment on launcher qemu", environment, EMULATED)
    for option in options:
        if option != "cpu":
            raise RequestError(f"launcher qemu: option {option!r}: unknown; {suggestion(option, ['cpu'])}")
    cpu = options.get("cpu")
    if cpu is None:
        raise RequestError(
            f"launcher qemu: option 'cpu': missing; it names the core to emulate; {suggestion('', PROCESSORS)}"
        )
    if cpu == "max":
        raise RequestError(
            f"launcher qemu: cpu 'max': no board has it, and QEMU 7.2 computes its int8 instructions wrongly; {suggestion('', PROCESSORS)}"
        )
    if cpu not in PROCESSORS:
        raise RequestError(f"launcher qemu: cpu {cpu!r}: unknown; {suggestion(str(cpu), PROCESSORS)}")
    return str(cpu)


def _identity(system: System, engine: str, versions: Mapping[str, str], cpu: str) -> str:
    packages = identify(versions, "3.11", "linux-aarch64")
    parts = [engine, packages, system.identity, system.emulator.version_line, processors.identity(cpu)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _answer_key(launch: Launch) -> list[str]:
    files = b"".join((FOLDER / name).read_bytes() for name in ("model.tflite", "answer.npz", "check.py"))
    return [launch.identity, launch.about["cpu"], launch.command[0], hashlib.sha256(files).hexdigest()]
