"""The cores that can be emulated, and Linux's files about each in `/proc/cpuinfo` and `/sys/devices/system/cpu`.

QEMU gets the name of a core and the folder of these files from one entry here, so that they always agree. Otherwise an engine could read of an
instruction that the emulated core lacks, and die of SIGILL.

Sources: implementer and part number, Linux, arch/arm64/include/asm/cputype.h (ARM_CPU_IMP_ARM, ARM_CPU_PART_*) and arch/arm/include/asm/cputype.h,
and MIDR in the Technical Reference Manuals of Cortex-A7 (DDI 0464), A53 (DDI 0500), A72 (100095) and A76 (100798); names of features, Linux,
arch/arm64/kernel/cpuinfo.c and arch/arm/kernel/setup.c; features and caches, as printed by the kernels of the Raspberry Pi 2 (BCM2836), 3 (BCM2837),
4 (BCM2711) and 5 (BCM2712); caches of the Cortex-A7, which a 32-bit kernel does not print, its manual, sections 1.2, 6.1 and 7.1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments.made_once import Making, Marker, make_once
from toolkit.settings import Settings

_ARM = 0x41  # ARM_CPU_IMP_ARM
_FROM_SYSTEM = ("lib", "usr", "etc")


@dataclass(frozen=True, slots=True)
class Cache:
    """One cache as seen from one core; `kind` is Data, Instruction or Unified."""

    level: int
    kind: str
    size_kib: int
    ways: int
    line_bytes: int = 64


@dataclass(frozen=True, slots=True)
class Processor:
    """One kind of core and the `machine` that it is in: MIDR as part, variant and revision (`r<variant>p<revision>`), features and caches."""

    name: str
    machine: str
    part: int
    variant: int
    revision: int
    features: str
    caches: tuple[Cache, ...]
    khz: int


PROCESSORS = {
    processor.name: processor
    for processor in (
        Processor(
            "cortex-a7", "armv7l", 0xC07, 0, 5,
            "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
            (Cache(1, "Data", 32, 4), Cache(1, "Instruction", 32, 2, 32), Cache(2, "Unified", 512, 8)), 900_000,
        ),
        Processor(
            "cortex-a53", "aarch64", 0xD03, 0, 4, "fp asimd evtstrm crc32 cpuid",
            (Cache(1, "Data", 32, 4), Cache(1, "Instruction", 32, 2), Cache(2, "Unified", 512, 16)), 1_200_000,
        ),
        Processor(
            "cortex-a72", "aarch64", 0xD08, 0, 3, "fp asimd evtstrm crc32 cpuid",
            (Cache(1, "Data", 32, 2), Cache(1, "Instruction", 48, 3), Cache(2, "Unified", 1024, 16)), 1_500_000,
        ),
        Processor(
            "cortex-a76", "aarch64", 0xD0B, 4, 1,
            "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
            (Cache(1, "Data", 64, 4), Cache(1, "Instruction", 64, 4), Cache(2, "Unified", 512, 8), Cache(3, "Unified", 2048, 16)), 2_400_000,
        ),
    )
}  # fmt: skip


def make_overlay(name: str, root: Path, settings: Settings) -> Path:
    """Return the folder for QEMU's `-L`: the system at `root`, overlaid with the files of one core; made first if it is missing.

    There is one core: threads would not be faster, and an engine would try to bind them to processors that this machine may not have.
    """
    folder = (
        settings.home / "overlays" / f"{name}-{hashlib.sha256(f'{identity(name)} {root}'.encode()).hexdigest()[:12]}"
    )

    def build(making: Making) -> Marker:
        for part in _FROM_SYSTEM:
            (making.folder / part).symlink_to(root / part)
        for path, text in files(PROCESSORS[name]):
            (making.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (making.folder / path).write_text(text + "\n")
        return {"cpu": name, "root": str(root)}

    make_once(folder, build, what=f"files of {name}", say=settings.say)
    return folder


def identity(name: str) -> str:
    """Return a hash that changes with everything that describes the emulated core."""
    return hashlib.sha256(json.dumps([*files(PROCESSORS[name])]).encode()).hexdigest()[:16]


def files(processor: Processor) -> Iterator[tuple[str, str]]:
    """Yield the path and the content of each file that describes a machine with one such core."""
    yield "proc/cpuinfo", _cpuinfo(processor)
    cpus = "sys/devices/system/cpu"
    for name in ("possible", "present", "online"):
        yield f"{cpus}/{name}", "0"
    yield f"{cpus}/kernel_max", "255"
    for name, khz in (("cpuinfo_max_freq", processor.khz), ("cpuinfo_min_freq", 600_000)):
        yield f"{cpus}/cpu0/cpufreq/{name}", str(khz)
    for name in (
        "physical_package_id", "core_id", "core_siblings_list", "package_cpus_list", "cluster_cpus_list", "thread_siblings_list", "core_cpus_list",
    ):  # fmt: skip
        yield f"{cpus}/cpu0/topology/{name}", "0"
    for index, cache in enumerate(processor.caches):
        sets = cache.size_kib * 1024 // (cache.ways * cache.line_bytes)
        for name, value in (
            ("level", cache.level), ("type", cache.kind), ("size", f"{cache.size_kib}K"), ("ways_of_associativity", cache.ways),
            ("number_of_sets", sets), ("coherency_line_size", cache.line_bytes), ("shared_cpu_list", 0),
        ):  # fmt: skip
            yield f"{cpus}/cpu0/cache/index{index}/{name}", str(value)


def _cpuinfo(processor: Processor) -> str:
    old = processor.machine == "armv7l"
    lines = {
        "processor": "0",
        **({"model name": f"ARMv7 Processor rev {processor.revision} (v7l)"} if old else {}),
        "BogoMIPS": "38.40" if old else "108.00",
        "Features": processor.features,
        "CPU implementer": f"0x{_ARM:02x}",
        "CPU architecture": "7" if old else "8",
        "CPU variant": f"0x{processor.variant:x}",
        "CPU part": f"0x{processor.part:03x}",
        "CPU revision": str(processor.revision),
    }
    return "".join(f"{name}\t: {value}\n" for name, value in lines.items())
