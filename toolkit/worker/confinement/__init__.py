"""What a job of a worker can reach: what it names, the engine's environment, and its own folder; neither the network, nor another process.

The kernel enforces it for the job's process and whatever that starts, before anything of a model is read: Landlock for files, TCP and
signals, a filter of system calls for what Landlock does not know, a namespace of processes for what would outlive the job.

    Ability                 what this machine's kernel has of it
    Bounds                  what one job may use beside its environment and its folder
    Confinement.enter       confines this process, for ever
"""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.worker.confinement import kernel, landlock, places, seccomp

NOT_CONFINED = "not confined"
_CAP_DAC_OVERRIDE = 1  # linux/capability.h: root goes on to read what belongs to others, where the job names it
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True)
class Ability:
    """`landlock` is the version of its interface, 0 for none; `filters` is whether system calls can be filtered.

    `namespace` is whether what a worker starts is sure to end with it; None where nobody has tried.
    """

    landlock: int
    filters: bool
    namespace: bool | None = None

    @property
    def confines(self) -> bool:
        """Whether a job can neither read what it does not name, nor reach the network."""
        return self.landlock > 0 and self.filters

    @property
    def missing(self) -> list[str]:
        """What this kernel lacks, in words; nothing where it has all that is used."""
        lacks = []
        if self.landlock == 0:
            lacks.append("this kernel has no Landlock (Linux 5.13, and `landlock` in its list of security modules)")
        elif self.landlock < _BEST:
            lacks.append(f"Landlock ABI {self.landlock}: newer kernels refuse {_LATER[self.landlock]} too")
        if not self.filters:
            lacks.append(f"no filter of system calls for {os.uname().machine}, or seccomp is switched off")
        if self.namespace is False:
            lacks.append(
                "no namespace of processes (user namespaces are switched off, or this is a container without them)"
            )
        return lacks

    def __str__(self) -> str:
        if not self.confines:
            return f"{NOT_CONFINED}: {self.missing[0]}"
        return f"Landlock ABI {self.landlock}, seccomp" + (", PID namespace" if self.namespace else "")


_BEST = 6
_LATER = {
    1: "links and moves between folders, and signals and abstract sockets to other programs",
    2: "signals and abstract sockets to other programs",
    3: "signals and abstract sockets to other programs",
    4: "signals and abstract sockets to other programs",
    5: "signals and abstract sockets to other programs",
}


def ability(*, namespace: bool | None = None) -> Ability:
    """Return what this kernel has; whether there is a namespace says who has tried."""
    return Ability(landlock.abi(), seccomp.known() and _filters(), namespace)


def _filters() -> bool:
    """Return whether the kernel takes filters: it says that a program at no address is at none."""
    try:
        kernel.prctl(kernel.PR_SET_SECCOMP, 2, 0)
    except OSError as error:
        return error.errno == errno.EFAULT
    return False


@dataclass(frozen=True)
class Bounds:
    """What one job may use: `reads`, files and folders; the `network`; whether it runs `user_code`, which may start processes; `devices` of a GPU."""

    reads: tuple[str, ...] = ()
    network: bool = False
    user_code: bool = False
    gpu: bool = False

    @classmethod
    def from_json(cls, asked: dict[str, Any]) -> Bounds:
        """Return what `toolkit.access` wrote."""
        return cls(tuple(asked["reads"]), asked["network"], asked["user_code"], asked["gpu"])


@dataclass(frozen=True)
class Confinement:
    """What all jobs of a worker may use: `package`, the toolkit's own folder, and the engine's environment without `private`, the user's home."""

    package: Path
    private: Path
    has: Ability

    def __str__(self) -> str:
        return str(self.has)

    def enter(self, bounds: Bounds, folder: Path) -> None:
        """Confine this process, which has one thread, and all that it starts, for ever; OSError where the kernel refuses what it said it could."""
        _drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if self.has.landlock:
            with landlock.Ruleset(self.has.landlock, network=bounds.network) as rules:
                self._allow(rules, bounds)
                for path in bounds.reads:
                    rules.allow(path, landlock.RUN if bounds.user_code else landlock.READ)
                rules.allow(str(folder), landlock.WRITE)
                special = landlock.MAKE_SPECIAL if bounds.user_code else landlock.MAKE_LINK
                rules.allow(str(folder / "tmp"), landlock.WRITE | special)  # a link is followed by the same rules
                rules.enforce()
        if self.has.filters:
            seccomp.enforce(seccomp.Job(os.getpid(), bounds.user_code, bounds.network, self.has.landlock))

    def _allow(self, rules: landlock.Ruleset, bounds: Bounds) -> None:
        for path in places.of_engine(self.package, self.private):
            rules.allow(path, landlock.RUN)
        for path in places.of_machine():
            rules.allow(path, landlock.READ)
        for path in places.DEVICES:
            rules.allow(path, landlock.USE_DEVICE)
        if bounds.gpu:
            for path in places.of_gpu():
                rules.allow(path, landlock.USE_DEVICE | landlock.READ)
        if bounds.network:
            for path in places.NETWORK:
                rules.allow(path, landlock.READ)
        if bounds.user_code:
            rules.allow(places.SHARED_MEMORY, landlock.WRITE)
            for path in places.of_user_code(self.private):
                rules.allow(path, landlock.RUN)


@dataclass(frozen=True)
class Already:
    """What confines a worker from outside, in words, so that its jobs need do nothing."""

    how: str

    def __str__(self) -> str:
        return self.how

    def enter(self, bounds: Bounds, folder: Path) -> None:
        """Return: it is done."""


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Capabilities(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _drop_capabilities() -> None:
    """Give up what root may, and whoever is in a namespace of users that is his own; to read and write files of others stays root's."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_CAPABILITY_VERSION_3, 0), (_Capabilities * 2)()
    if libc.capget(ctypes.byref(header), ctypes.byref(sets)) != 0:
        return
    kept = sets[0].permitted & (1 << _CAP_DAC_OVERRIDE)
    sets[0], sets[1] = _Capabilities(kept, kept, 0), _Capabilities(0, 0, 0)
    libc.capset(ctypes.byref(header), ctypes.byref(sets))
