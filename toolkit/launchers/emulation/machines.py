"""The kinds of machines that are emulated with a system of their own, and the names that Debian, QEMU and Python packages give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of machine: `name` as Python (`platform.machine`) gives it, `debian` as dpkg, `qemu` as QEMU's program, `folder` as the C library.

    `wheels` is uv's name of the platform; None for a platform that uv does not know: then the emulated Python itself says which wheels fit.
    `provided` are Python distributions that no index has for the machine, each with the Debian packages that hold it.
    """

    name: str
    debian: str
    qemu: str
    folder: str
    wheels: str | None = None
    provided: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


MACHINES = {
    machine.name: machine
    for machine in (
        # manylinux_2_36: the C library of Debian bookworm; uv's plain `aarch64-unknown-linux-gnu` means 2.28, which is too old
        Machine("aarch64", "arm64", "aarch64", "aarch64-linux-gnu", "aarch64-manylinux_2_36"),
        Machine(
            "armv7l", "armhf", "arm", "arm-linux-gnueabihf",
            provided=MappingProxyType({"numpy": ("python3-numpy", "libblas3", "liblapack3", "libgfortran5")}),
        ),
    )
}  # fmt: skip
