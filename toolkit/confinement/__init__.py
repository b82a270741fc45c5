"""Confines a worker's job: it can reach the files that it names, the engine's environment and its own folder, but no network and no other process.

The kernel enforces this for the job's process and all that it starts, before anything of a model is read: Landlock for files, TCP and signals, a
filter of system calls for what Landlock does not cover, and a namespace of processes for those that would outlive the job.

    Ability                 what this machine's kernel offers
    Bounds                  what one job may use besides its environment and its folder
    Confinement             what all jobs of a worker may use
    Ready.enter             confines this process, for ever
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from toolkit.confinement import kernel, landlock, places, resources

if TYPE_CHECKING:
    from toolkit.confinement import seccomp

NOT_CONFINED = "not confined"
FILTERED = ("x86_64", "aarch64")  # processors whose system calls are known by number
_CAP_DAC_OVERRIDE = 1  # linux/capability.h: so root can still read files of others that the job names
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True)
class Ability:
    """`landlock` is the version of its interface, 0 for none; `filters` is whether system calls can be filtered.

    `namespace` is whether all processes that a worker starts end with it; None where that was not tried.
    """

    landlock: int
    filters: bool
    namespace: bool | None = None

    @property
    def confines(self) -> bool:
        """Whether a job can read only the files that it names, and cannot reach the network."""
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
    """Return what this kernel offers; the caller has tried whether there is a `namespace`."""
    return Ability(landlock.abi(), os.uname().machine in FILTERED and _filters(), namespace)


def _filters() -> bool:
    """Return whether the kernel takes filters: then it refuses a filter at address 0 with EFAULT."""
    try:
        kernel.prctl(kernel.PR_SET_SECCOMP, 2, 0)
    except OSError as error:
        return error.errno == errno.EFAULT
    return False


class BoundsJson(TypedDict):
    """What the host tells a worker of a job's `Bounds`."""

    reads: list[str]
    network: bool
    user_code: bool
    gpu: bool
    memory_files: bool
    ports: list[int]


@dataclass(frozen=True)
class Bounds:
    """What one job may use: `reads`, files and folders; the `network`; whether it runs `user_code`, which may start processes; a `gpu`.

    `ports` are those that it may connect to by TCP, and nothing else of the network. The kernel does not look at the address.

    `memory_files` are files without a path, in memory, in which a driver in software keeps a model's tensors. `emulated` is whether a whole worker is
    confined, with its emulator, and `browser` the same with the browser that its job starts.
    """

    reads: tuple[str, ...] = ()
    network: bool = False
    user_code: bool = False
    gpu: bool = False
    memory_files: bool = False
    emulated: bool = False
    browser: bool = False
    ports: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, asked: BoundsJson, *, emulated: bool = False, browser: bool = False) -> Bounds:
        """Return what `toolkit.jobs.access` wrote."""
        reads, allowed = tuple(asked["reads"]), (asked["network"], asked["user_code"], asked["gpu"])
        more = {"memory_files": asked["memory_files"], "emulated": emulated, "browser": browser}
        return cls(reads, *allowed, **more, ports=tuple(asked["ports"]))


class Confinement:
    """What all jobs of a worker may use: `package`, the toolkit's own folder, and the engine's environment without `private`, the user's home.

    As much as possible is done in the worker, in `prepare` once and in `ready` for each job: a process that was just forked is slower.
    """

    def __init__(self, package: Path, private: Path, has: Ability) -> None:
        self.has = has
        self._package, self._private = package, private
        self._engine: tuple[str, ...] = ()
        self._user_code: tuple[str, ...] = ()
        self._filters: dict[seccomp.JobKind, seccomp.Filter] = {}
        self.capabilities = Capabilities()

    def __str__(self) -> str:
        return str(self.has)

    def prepare(self, needs: Iterable[str] | None = None) -> None:
        """Look up the environment's files, after the engine was imported; or take those that another interpreter `needs`."""
        self._engine = places.of_engine(self._package, self._private, needs)
        self._user_code = places.of_user_code(self._private)

    def ready(self, bounds: Bounds, folder: Path) -> Ready:
        """Return what confines a job, before it is forked."""
        from toolkit.confinement import seccomp  # the host only asks for abilities, and does not need it

        kind = seccomp.JobKind(
            bounds.user_code,
            bounds.network,
            bounds.emulated,
            bounds.gpu,
            bounds.browser,
            bounds.memory_files,
            bool(bounds.ports),
        )
        if self.has.filters and kind not in self._filters:
            self._filters[kind] = seccomp.Filter(kind, landlock=self.has.landlock)
        rules = None
        if self.has.landlock:
            rules = landlock.Ruleset(self.has.landlock, network=bounds.network)
            for port in bounds.ports if self.has.landlock >= landlock.KNOWS_TCP and not bounds.network else ():
                rules.allow_port(port)
            for paths, rights in self._allowed(bounds, str(folder)):
                for path in paths:
                    rules.allow(path, rights)
        special = landlock.MAKE_SPECIAL if bounds.user_code or bounds.browser else landlock.MAKE_LINK
        scratch = (os.path.join(folder, "tmp"), landlock.WRITE | special)
        return Ready(self, rules, self._filters.get(kind), scratch, bounds.emulated)

    def _allowed(self, bounds: Bounds, folder: str) -> Iterator[tuple[Iterable[str], int]]:
        """Yield what a job may use, and how."""
        yield self._engine, landlock.RUN
        yield places.MACHINE, landlock.READ
        yield places.DEVICES, landlock.USE_DEVICE
        yield [folder], landlock.WRITE
        yield bounds.reads, landlock.RUN if bounds.user_code else landlock.READ
        if bounds.gpu:
            yield places.ABOUT_GPU, landlock.READ
            yield places.of_gpu(), landlock.READ | landlock.USE_DEVICE
        if bounds.network:
            yield places.NETWORK, landlock.READ
        if bounds.user_code:
            yield self._user_code, landlock.RUN
            yield [places.SHARED_MEMORY], landlock.WRITE
            yield places.of_keras(), landlock.WRITE


@dataclass
class Ready:
    """Confines one job: the job's process calls `enter`; the worker uses it as a context manager.

    `scratch` is the job's temporary folder and the rights there. The same rules apply behind links that the job makes.
    """

    confinement: Confinement | None = None
    rules: landlock.Ruleset | None = None
    filter: seccomp.Filter | None = None
    scratch: tuple[str, int] = ("", 0)
    emulated: bool = False

    def __enter__(self) -> Ready:
        return self

    def __exit__(self, *_: object) -> None:
        if self.rules is not None:
            self.rules.close()

    def enter(self, memory_bytes: int, written_bytes: int) -> None:
        """Confine this process, which has one thread, and all that it starts, for ever; OSError where the kernel refuses.

        Files that did not exist before the process, as its own in /proc, are allowed here.
        """
        if self.confinement is None:
            return
        resources.hold(memory_bytes, written_bytes, emulated=self.emulated)
        self.confinement.capabilities.drop()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if self.rules is not None:
            self.rules.allow(places.THIS_PROCESS, landlock.READ)
            self.rules.allow(*self.scratch)
            self.rules.enforce()
            self.rules.close()
        if self.filter is not None:
            self.filter.enforce(os.getpid())


@dataclass(frozen=True)
class Already:
    """Stands for a worker that is confined from outside already: `how` says it in words, and its jobs do nothing."""

    how: str
    has = Ability(
        0, filters=True
    )  # a job inside counts as one that starts no processes, unless the worker is told otherwise

    def __str__(self) -> str:
        return self.how

    def prepare(self) -> None:
        """Do nothing."""

    def ready(self, *_: object) -> Ready:
        """Return what does nothing."""
        return Ready()


class Capabilities:
    """The rights of root, and of a user in his own namespace of users. All are given up but reading and writing files of others."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._header, self._sets = _Header(_CAPABILITY_VERSION_3, 0), (_Capabilities * 2)()
        self._libc.capget(ctypes.byref(self._header), ctypes.byref(self._sets))
        kept = self._sets[0].permitted & (1 << _CAP_DAC_OVERRIDE)
        self._sets[0], self._sets[1] = _Capabilities(kept, kept, 0), _Capabilities(0, 0, 0)

    def drop(self) -> None:
        """Give them up; OSError where that is refused."""
        if self._libc.capset(ctypes.byref(self._header), ctypes.byref(self._sets)) != 0:
            raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Capabilities(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]
