"""A filter of system calls (seccomp): it refuses calls that no job of a model needs and that Landlock does not govern. All others pass.

The filter is a program for the kernel's packet filter, linux/filter.h. A refused call returns an error that libraries can handle.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from toolkit.confinement import kernel

_ARCHITECTURES = {
    "x86_64": 0xC000003E,
    "aarch64": 0xC00000B7,
}  # linux/audit.h; both have the lower half of an argument first
_X32 = 0x40000000  # calls of the second set of numbers that x86_64 has

# linux/filter.h and linux/seccomp.h
_LOAD, _EQUAL, _MORE_THAN, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_MODE_FILTER = 2
_TOGETHER = 12  # calls; jumps are no longer than 255 instructions
_OWN_PID = -1  # stands for the number of this process until it is known

# Numbers of calls on (x86_64, aarch64), asm/unistd.h; None where a processor has no such call.
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "sendto": (44, 206), "sendmsg": (46, 211), "listen": (50, 201), "sendmmsg": (307, 269),
    "open": (2, None), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "socket": (41, 198), "connect": (42, 203), "clone": (56, 220),
    "fork": (57, None), "vfork": (58, None), "kill": (62, 129), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "truncate": (76, 45), "chmod": (90, None),
    "fchmod": (91, 52), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "ptrace": (101, 117), "syslog": (103, 116),
    "rt_sigqueueinfo": (129, 138), "utime": (132, None), "personality": (135, 92), "setpriority": (141, 140), "vhangup": (153, 58),
    "modify_ldt": (154, None), "pivot_root": (155, 41), "prctl": (157, 167), "adjtimex": (159, 171), "chroot": (161, 51), "acct": (163, 89),
    "settimeofday": (164, 170), "mount": (165, 40), "umount2": (166, 39), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None), "init_module": (175, 105),
    "delete_module": (176, 106), "quotactl": (179, 60), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "tkill": (200, 130), "semtimedop": (220, 192),
    "clock_settime": (227, 112), "tgkill": (234, 131), "utimes": (235, None),
    "inotify_init": (253, None), "inotify_add_watch": (254, 27), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "kexec_load": (246, 104), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "ioprio_set": (251, 30),
    "openat": (257, 56), "fchownat": (260, 54), "futimesat": (261, None), "fchmodat": (268, 53), "unshare": (272, 97), "utimensat": (280, 88),
    "inotify_init1": (294, 26), "rt_tgsigqueueinfo": (297, 240), "perf_event_open": (298, 241), "fanotify_init": (300, 262), "prlimit64": (302, 261),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "clock_adjtime": (305, 266), "setns": (308, 268),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272), "finit_module": (313, 273), "memfd_create": (319, 279),
    "kexec_file_load": (320, 294), "bpf": (321, 280), "userfaultfd": (323, 282), "pidfd_send_signal": (424, 424), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "clone3": (435, 435), "openat2": (437, 437), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "mount_setattr": (442, 442), "quotactl_fd": (443, 443), "memfd_secret": (447, 447), "process_mrelease": (448, 448),
    "ioctl": (16, 29), "socketpair": (53, 199), "fcntl": (72, 25), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "getxattr": (191, 8), "lgetxattr": (192, 9), "fgetxattr": (193, 10), "listxattr": (194, 11), "llistxattr": (195, 12), "flistxattr": (196, 13),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "fallocate": (285, 47), "sched_setattr": (314, 274), "getxattrat": (464, 464),
    "listxattrat": (465, 465),
    "fchmodat2": (452, 452), "setxattrat": (463, 463), "removexattrat": (466, 466), "open_tree_attr": (467, 467), "file_setattr": (469, 469),
}  # fmt: skip

_OTHER_PROCESSES = "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise process_mrelease migrate_pages move_pages"
_WATCHES = (
    "inotify_init inotify_init1 inotify_add_watch"  # tells the names of files in folders that the job may not list
)
_KEYS = "add_key request_key keyctl"  # sessions keep passwords in them
_SHARED = "shmget shmat shmctl semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink"  # shared by key, without a path
_SYSTEM = (
    "mount umount2 pivot_root chroot unshare setns open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr acct"
    " swapon swapoff reboot sethostname setdomainname settimeofday clock_settime adjtimex clock_adjtime init_module finit_module delete_module"
    " kexec_load kexec_file_load quotactl quotactl_fd vhangup iopl ioperm syslog"
)
_DOORS = "bpf perf_event_open userfaultfd modify_ldt personality fanotify_init"  # used to break into kernels, and by no engine
_AROUND_PATHS = "name_to_handle_at open_by_handle_at"  # opens a file without its folder
_MEMORY_FILES = (
    "memfd_create memfd_secret"  # no limit counts its memory: neither that of memory, nor that of written bytes
)
_AROUND_CALLS = "io_uring_setup io_uring_enter io_uring_register"  # opens sockets that no filter sees
# Landlock does not know these. Copying a file sets its mode and times, and fails where that is refused: so the call does nothing and succeeds.
_MODES = "chmod fchmod fchmodat fchmodat2 utime utimes futimesat utimensat"
_OWNERS = "chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr setxattrat removexattrat file_setattr"
_NOTES = (  # people and programs keep notes in them, such as where a file was downloaded from; with a path, Landlock lets a job read them
    "getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr getxattrat listxattrat"
)
_SPACE = "fallocate"  # takes disk space without writing, so no limit counts it; the C library then writes zeros
_SCHEDULING = "sched_setparam sched_setscheduler sched_setattr"  # reach any process of the user's

# Commands to files, asm-generic/ioctls.h: what libraries ask of a file that may be a terminal, and how Python has a file closed on exec.
_FIOCLEX, _FIONCLEX, _FIONBIO, _FIONREAD, _TCGETS, _TCGETS2, _TIOCGWINSZ = (
    0x5451, 0x5450, 0x5421, 0x541B, 0x5401, 0x802C542A, 0x5413,
)  # fmt: skip
_PLAIN_COMMANDS = (_FIOCLEX, _FIONCLEX, _FIONBIO, _FIONREAD, _TCGETS, _TCGETS2, _TIOCGWINSZ)
# What a command can do to a file that may only be read (linux/fs.h, linux/falloc.h, linux/fsverity.h, linux/fscrypt.h), or beyond the process.
_REACHING_COMMANDS = (
    0x40086602, 0x40046602, 0x401C5820, 0x40087602,  # FS_IOC_SETFLAGS, its older form, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION
    0x40806685, 0x800C6613,  # FS_IOC_ENABLE_VERITY, FS_IOC_SET_ENCRYPTION_POLICY
    0x40305828, 0x4030582A, 0x40305839,  # FS_IOC_RESVSP, FS_IOC_RESVSP64, FS_IOC_ZERO_RANGE: as fallocate
    0x8901, 0x8902, 0x5412, 0x541C,  # FIOSETOWN, SIOCSPGRP: as F_SETOWN; TIOCSTI, TIOCLINUX: types into a terminal
)  # fmt: skip
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = (
    8,
    10,
    15,
)  # asm-generic/fcntl.h: which process gets which signal when a file is ready

_CLONE_THREAD = 0x00010000
_CLONE_PARENT = 0x00008000  # the new process would not be the job's, so no limit would hold
_CLONE_NEW = 0x7E020000  # all namespaces: a new one of users gives every right in it
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_IPPROTO_TCP = 6  # and 0, the usual one of a stream. Landlock knows no other: MPTCP would reach any port
_MSG_FASTOPEN = 0x20000000  # connects without `connect`, so Landlock does not see it
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE = 1, 5, 0xF
_O_TRUNC, _O_ACCMODE = 0o1000, 0o3
_PRIO_PROCESS, _IOPRIO_WHO_PROCESS = 0, 1


@dataclass(frozen=True)
class _Step:
    """One instruction; jumps count the instructions that are passed over."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0


@dataclass(frozen=True)
class JobKind:
    """A kind of jobs: whether they run `user_code`, which may start processes, reach the `network`, use a `gpu`, and may make `memory_files`.

    `ports` is whether they connect by TCP to ports that Landlock allows: their programs get no other socket.

    An `emulated` worker is filtered as a whole, so it may start its jobs and set their attributes. The same holds of a worker whose job starts a
    `browser`: its processes talk by pairs of sockets, and it makes a socket of its own that it never needs to connect to.
    """

    user_code: bool = False
    network: bool = False
    emulated: bool = False
    gpu: bool = False
    browser: bool = False
    memory_files: bool = False
    ports: bool = False

    @property
    def whole(self) -> bool:
        """Whether a whole worker is filtered."""
        return self.emulated or self.browser


class Filter:
    """The filter of a kind of jobs, with this version of Landlock for files; KeyError on a processor without known calls."""

    def __init__(self, kind: JobKind, *, landlock: int, machine: str = os.uname().machine) -> None:
        self.steps = _program(machine, _rules(kind, landlock))
        self._packed = (_Instruction * len(self.steps))(
            *(_Instruction(one.code, one.if_true, one.if_false, max(one.value, 0)) for one in self.steps)
        )
        self._own = [place for place, one in enumerate(self.steps) if one.value == _OWN_PID]
        self._whole = _Program(len(self.steps), ctypes.cast(self._packed, ctypes.POINTER(_Instruction)))

    def enforce(self, pid: int) -> None:
        """Filter the calls of this process, `pid`, and of all that it starts; PR_SET_NO_NEW_PRIVS has to be set before."""
        for place in self._own:
            self._packed[place].value = pid
        kernel.prctl(kernel.PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(self._whole))


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction))]


def _program(machine: str, rules: Iterable[tuple[str, Sequence[_Step]]]) -> list[_Step]:
    """Return the filter's program. It searches calls by number, a few at a time, as the kernel runs it for each possible call when it is set up."""
    steps = [_Step(_LOAD, _ARCHITECTURE_AT), _Step(_EQUAL, _ARCHITECTURES[machine], 1, 0), _Step(_RETURN, _KILL)]
    steps.append(_Step(_LOAD, _NUMBER_AT))
    if machine == "x86_64":
        steps += [_Step(_AT_LEAST, _X32, 0, 1), _refuse(errno.EPERM)]
    column = list(_ARCHITECTURES).index(machine)
    numbered = [(_NUMBERS[name][column], block) for names, block in rules for name in names.split()]
    known = sorted((number, block) for number, block in numbered if number is not None)
    for place in range(0, len(known), _TOGETHER):
        part = known[place : place + _TOGETHER]
        body = [step for number, block in part for step in (_Step(_EQUAL, number, 0, len(block)), *block)]
        steps += [_Step(_MORE_THAN, part[-1][0], len(body) + 1, 0), *body, _Step(_RETURN, _ALLOW)]
    return [*steps, _Step(_RETURN, _ALLOW)]


def _rules(kind: JobKind, landlock: int) -> Iterable[tuple[str, Sequence[_Step]]]:
    """Yield names of calls, and the program for them."""
    yield (
        f"{_OTHER_PROCESSES} {_WATCHES} {_KEYS} {_SHARED} {_SYSTEM} {_DOORS} {_AROUND_PATHS} {_OWNERS}",
        [_refuse(errno.EPERM)],
    )
    yield _AROUND_CALLS, [_refuse(errno.ENOSYS)]  # as on a kernel without them
    yield f"{_NOTES} {_SPACE}", [_refuse(errno.EOPNOTSUPP)]  # as on a file system without them
    yield "ioctl", _commands(kind)
    yield "fcntl", _none_of(1, (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX))
    yield _SCHEDULING, _one_of(0, (0, _OWN_PID))
    # User code has /dev/shm anyway; drivers and QEMU may need them.
    if not (kind.user_code or kind.gpu or kind.whole or kind.memory_files):
        yield _MEMORY_FILES, [_refuse(errno.ENOSYS)]
    yield _MODES, [_refuse(0)]
    yield "clone3", [_refuse(errno.ENOSYS)]  # its flags lie behind an address; the C library then uses `clone`
    yield "prlimit64", _one_of(0, (0, _OWN_PID))
    for name, process in (("setpriority", _PRIO_PROCESS), ("ioprio_set", _IOPRIO_WHO_PROCESS)):
        yield name, [_load(0), _Step(_EQUAL, process, 1, 0), _refuse(errno.EPERM), *_one_of(1, (0, _OWN_PID))]
    if not kind.whole:
        yield "prctl", _none_of(0, (kernel.PR_SET_PDEATHSIG, kernel.PR_SET_DUMPABLE, kernel.PR_SET_CHILD_SUBREAPER))
    # Landlock governs TCP only; without a socket a job reaches nobody.
    by_tcp = kind.ports and not kind.network
    sockets = _sockets_of_browser() if kind.browser else _sockets_of_tcp() if by_tcp else None
    yield "socket", sockets or _one_of(0, _families(kind), errno.EACCES)
    if by_tcp:
        yield "listen", [_refuse(errno.EACCES)]
        yield "sendto sendmmsg", _without_flag(3, _MSG_FASTOPEN)
        yield "sendmsg", _without_flag(2, _MSG_FASTOPEN)
    yield "socketpair", _pairs(kind)
    if kind.browser:
        yield "connect", [_refuse(errno.EACCES)]
    yield from _processes(may_start=kind.user_code or kind.whole)
    if landlock < 3:  # versions that do not govern truncation
        yield "truncate", [_refuse(errno.EPERM)]
        yield "openat2", [_refuse(errno.ENOSYS)]
        yield "open", _cuts_what_it_reads(1)
        yield "openat", _cuts_what_it_reads(2)


def _families(kind: JobKind) -> list[int]:
    """Return the families of sockets that may be opened: processes of user code talk by sockets with a path."""
    return [
        *([_AF_UNIX] if kind.network or (kind.user_code and not kind.ports) else []),
        *([_AF_INET, _AF_INET6, _AF_NETLINK] if kind.network else []),
    ]


def _pairs(kind: JobKind) -> list[_Step]:
    """Allow a pair of sockets that stays connected. A pair of datagram sockets is checked like any socket: it can send to any socket with a path."""
    known = [_load(0), _Step(_EQUAL, _AF_UNIX, 1, 0), _refuse(errno.EACCES)]
    if _AF_UNIX in _families(kind):
        return [*known, _Step(_RETURN, _ALLOW)]
    connected = (_SOCK_STREAM, _SOCK_SEQPACKET) if kind.browser else (_SOCK_STREAM,)
    return [*known, *_of_types(connected), _Step(_RETURN, _ALLOW)]


def _sockets_of_browser() -> list[_Step]:
    """Allow the socket by which a browser finds out whether its profile is in use. It can connect to none, and a stream sends only when connected."""
    known = [_load(0), _Step(_EQUAL, _AF_UNIX, 1, 0), _refuse(errno.EACCES)]
    return [*known, *_of_types((_SOCK_STREAM,)), _Step(_RETURN, _ALLOW)]


def _sockets_of_tcp() -> list[_Step]:
    """Allow sockets of TCP, by which Landlock lets a job connect to its ports only."""
    family = [_load(0), _Step(_EQUAL, _AF_INET, 2), _Step(_EQUAL, _AF_INET6, 1), _refuse(errno.EACCES)]
    return [*family, *_of_types((_SOCK_STREAM,)), *_one_of(2, (0, _IPPROTO_TCP), errno.EACCES)]


def _without_flag(argument: int, flag: int) -> list[_Step]:
    """Refuse the call where an argument has this bit."""
    return [_load(argument), _Step(_ANY_BIT, flag, 0, 1), _refuse(errno.EACCES), _Step(_RETURN, _ALLOW)]


def _of_types(types: Sequence[int]) -> list[_Step]:
    """Refuse a socket, or a pair, of any other than these types; the second argument has the type, and flags above it."""
    tests = [_Step(_EQUAL, each, len(types) - place) for place, each in enumerate(types)]
    return [_load(1), _Step(_AND, _SOCK_TYPE), *tests, _refuse(errno.EACCES)]


def _commands(kind: JobKind) -> list[_Step]:
    """Allow a model's job the commands that libraries give to any file; drivers, emulators and user code all others but those that reach further."""
    if kind.user_code or kind.gpu or kind.whole:
        return _none_of(1, _REACHING_COMMANDS, errno.ENOTTY)
    return _one_of(1, _PLAIN_COMMANDS, errno.ENOTTY)


def _processes(*, may_start: bool) -> Iterable[tuple[str, Sequence[_Step]]]:
    """Keep a model's job to one process, which can signal no other; so nothing of it outlives it."""
    new = [_load(0), _Step(_ANY_BIT, _CLONE_NEW | _CLONE_PARENT, 0, 1), _refuse(errno.EPERM)]
    if may_start:
        yield "clone", [*new, _Step(_RETURN, _ALLOW)]
    else:
        yield "fork vfork", [_refuse(errno.EPERM)]
        yield "clone", [*new, _Step(_ANY_BIT, _CLONE_THREAD, 1, 0), _refuse(errno.EPERM), _Step(_RETURN, _ALLOW)]
        yield "tkill pidfd_send_signal", [_refuse(errno.EPERM)]
        yield "kill tgkill rt_sigqueueinfo rt_tgsigqueueinfo", _one_of(0, (0, _OWN_PID))


def _load(argument: int) -> _Step:
    return _Step(_LOAD, _ARGUMENTS_AT + 8 * argument)


def _refuse(error: int) -> _Step:
    return _Step(_RETURN, _REFUSE | error)


def _one_of(argument: int, values: Sequence[int], error: int = errno.EPERM) -> list[_Step]:
    """Allow the call where an argument is one of these; the kernel reads its lower half only."""
    tests = [_Step(_EQUAL, value, len(values) - place) for place, value in enumerate(values)]
    return [_load(argument), *tests, _refuse(error), _Step(_RETURN, _ALLOW)]


def _none_of(argument: int, values: Sequence[int], error: int = errno.EPERM) -> list[_Step]:
    tests = [_Step(_EQUAL, value, len(values) - place) for place, value in enumerate(values)]
    return [_load(argument), *tests, _Step(_RETURN, _ALLOW), _refuse(error)]


def _cuts_what_it_reads(flags: int) -> list[_Step]:
    """Refuse to open a file for reading with truncation."""
    cuts = [_load(flags), _Step(_ANY_BIT, _O_TRUNC, 1, 0), _Step(_RETURN, _ALLOW)]
    return [*cuts, _Step(_AND, _O_ACCMODE), _Step(_EQUAL, 0, 0, 1), _refuse(errno.EPERM), _Step(_RETURN, _ALLOW)]
