"""Another processor, emulated by QEMU: one core of a named kind, ARM (64 or 32 bits) with the engine's ARM build, or x86_64 with its own build.

Options: `cpu`, which has no default. QEMU's own default is `max`; no board has it, and QEMU 7.2 computes its newest instructions wrongly. An engine
picks its kernels by `/proc/cpuinfo` and `/sys`. There it sees files of the emulated kind of core, never those of this machine: LiteRT and ONNX
Runtime crash with those, and they name instructions that the emulated core lacks.

QEMU emulates arithmetic, not time: a duration measured here says nothing about a device.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from toolkit import environments, printable
from toolkit.environments import instructions
from toolkit.environments.interpreters import identify
from toolkit.environments.remembered import recall, remember
from toolkit.environments.requirements import read_requirements, split_name
from toolkit.environments.status import Status
from toolkit.environments.virtualenv import VARIABLES
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, UnknownName, suggestion
from toolkit.launchers import Launch
from toolkit.launchers.emulation import emulator, packages, processors, sysroot, x86
from toolkit.launchers.emulation.emulator import Emulator
from toolkit.launchers.emulation.known_answer import answer_key, known_answer
from toolkit.launchers.emulation.machines import MACHINES
from toolkit.launchers.emulation.processors import PROCESSORS
from toolkit.settings import Settings

__all__ = [
    "EMULATED",
    "HOST",
    "SETUP",
    "TIMED",
    "features",
    "make_release",
    "means",
    "prepare",
    "ready",
    "require_environment",
    "require_options",
    "status",
]

HOST = False
EMULATED = True
TIMED = False
SETUP = packages.STEPS  # the emulator, the systems that it runs, and the engines' packages for them

_LOADER = "LD_PRELOAD,LD_LIBRARY_PATH"  # for this machine's programs; emulated programs must not get them


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a script in `environment` on the emulated core `options["cpu"]`.

    Missing parts are made first. An engine must also give a known answer, once for each core, emulator and version, before it is trusted.
    """
    cpu = _cpu(environment, options)
    try:
        launch = (_on_x86 if cpu in x86.PROCESSORS else _on_arm)(environment, cpu, settings)
    except EnvironmentUnavailable as error:
        raise TargetUnavailable(printable.together("launcher qemu: ", error.problem), error.hint) from error
    engine = split_name(environment)[0]
    key = answer_key(launch, engine)
    if recall(settings.home, "known_answer", key) is None:
        settings.say(f"{launch.about['engine']} on qemu {cpu}: checking a known answer, once")
        known_answer(launch, engine)
        remember(settings.home, "known_answer", key, "right")
    return launch


def _on_arm(environment: str, cpu: str, settings: Settings) -> Launch:
    machine = MACHINES[PROCESSORS[cpu].machine]
    system = sysroot.make_system(machine, settings)
    held = packages.make_packages(environment, machine, settings)
    overlay = processors.make_overlay(cpu, system.root, settings)
    engine = read_requirements(environment).engine.found_in(held.versions)
    command = [system.emulator.path, "-cpu", cpu, "-U", _LOADER, "-L", overlay, overlay / "usr/bin/python3.11"]
    distributions = identify(held.versions, "3.11", f"linux-{machine.name}")
    return Launch(
        command=tuple(map(str, command)),
        variables={**VARIABLES, "PYTHONPATH": os.pathsep.join(map(str, held.search))},
        identity=_identity(
            engine, distributions, system.identity, system.emulator.version_line, processors.identity(cpu)
        ),
        about=_about(engine, machine.name, system.emulator, cpu),
        needs=tuple(map(str, (system.emulator.path, overlay, system.root, *held.search))),
    )


def _on_x86(environment: str, cpu: str, settings: Settings) -> Launch:
    qemu = x86.make_emulator(settings)
    resolved = environments.resolve(environment, settings)
    overlay = x86.make_overlay(cpu, settings)
    command = [qemu.path, "-cpu", x86.PROCESSORS[cpu].qemu, "-U", _LOADER, "-L", overlay, resolved.python]
    return Launch(
        command=tuple(map(str, command)),
        variables=resolved.variables,
        identity=_identity(resolved.engine, resolved.identity, qemu.version_line, x86.identity(cpu)),
        about=_about(resolved.engine, x86.MACHINE, qemu, cpu),
        needs=tuple(map(str, (qemu.path, overlay, *resolved.folders))),
    )


def make_release(environment: str, settings: Settings) -> None:
    """Make the packages of another release of an engine for each emulated machine that its wheels are for.

    EnvironmentUnavailable, with all reasons, if the release has none for any of them.
    """
    machines = [one for one in MACHINES.values() if split_name(environment)[0] in packages.able(one.name)]
    failures: list[EnvironmentUnavailable] = []
    for machine in machines:
        try:
            packages.make_packages(environment, machine, settings)
        except EnvironmentUnavailable as error:
            failures.append(error)
    if machines and len(failures) == len(machines):
        hints = dict.fromkeys(error.hint for error in failures if error.hint)
        raise EnvironmentUnavailable(
            printable.lines(error.problem for error in failures), printable.lines(hints) or None
        )


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether system and packages exist; the rest of `prepare` takes a second and no network."""
    cpu = _cpu(environment, options)
    if cpu in x86.PROCESSORS:
        found = emulator.find_emulator(x86.MACHINE, settings)
        return found is not None and environments.find(environment, settings) is not None
    return packages.find_packages(environment, MACHINES[PROCESSORS[cpu].machine], settings) is not None


def means(options: Mapping[str, object]) -> str:
    """Return the emulator and the emulated core."""
    return f"QEMU, {options['cpu']}" if "cpu" in options else "QEMU"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return machine and features of the emulated core; no feature for an unknown core."""
    cpu = str(options.get("cpu"))
    if cpu in x86.PROCESSORS:
        return x86.MACHINE, x86.PROCESSORS[cpu].features.split()
    return (PROCESSORS[cpu].machine, PROCESSORS[cpu].features.split()) if cpu in PROCESSORS else ("aarch64", [])


def status(settings: Settings) -> Status:
    """Return the line for `doctor`."""
    return packages.status(settings)


def require_options(options: Mapping[str, object]) -> None:
    """Raise RequestError, with all mistakes, for a core that is missing or unknown, and for other options."""
    cores = (*PROCESSORS, *x86.PROCESSORS)
    wrong = [f"option {option!r}: unknown; {suggestion(option, ['cpu'])}" for option in options if option != "cpu"]
    cpu = options.get("cpu")
    if cpu is None:
        wrong.append(f"option 'cpu': missing; it names the core to emulate; {suggestion('', cores)}")
    elif cpu == "max":
        wrong.append(
            f"cpu 'max': no board has it, and QEMU 7.2 computes its int8 instructions wrongly; {suggestion('', cores)}"
        )
    elif cpu not in cores:
        wrong.append(f"cpu {cpu!r}: unknown; {suggestion(str(cpu), cores)}")
    if wrong:
        raise RequestError(printable.lines(printable.line(f"launcher qemu: {each}") for each in wrong))


def require_environment(environment: str, options: Mapping[str, object]) -> None:
    """Raise UnknownName for an environment that has no packages for the emulated machine; the options are right."""
    cpu = str(options["cpu"])
    machine = x86.MACHINE if cpu in x86.PROCESSORS else PROCESSORS[cpu].machine
    if (base := split_name(environment)[0]) not in packages.able(machine):
        raise UnknownName(f"launcher qemu: environment for {cpu} ({machine})", base, packages.able(machine))


def _cpu(environment: str, options: Mapping[str, object]) -> str:
    """Return the requested core; RequestError for wrong options, UnknownName for an environment that cannot run on it."""
    require_options(options)
    require_environment(environment, options)
    return str(options["cpu"])


def _about(engine: str, machine: str, qemu: Emulator, cpu: str) -> dict[str, str]:
    return {
        "engine": engine,
        "machine": machine,
        "launcher": "qemu",
        "emulator": f"qemu {qemu.version}",
        "cpu": cpu,
        "processor": instructions.class_of(*features({"cpu": cpu})),
    }


def _identity(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
