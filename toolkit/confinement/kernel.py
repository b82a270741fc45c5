"""System calls for which Python has no function, called by number through the C library."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_LIBC.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

# linux/sched.h
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000


def call(number: int, *arguments: int) -> int:
    """Call the system with whole numbers and addresses, and return the result; OSError where the kernel refuses."""
    answer = int(_LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))
    if answer < 0:
        raise _error()
    return answer


def prctl(option: int, *arguments: int) -> None:
    """Set an attribute of this process; OSError where the kernel refuses it."""
    four = [*arguments, 0, 0, 0, 0][:4]
    if _LIBC.prctl(option, *four) != 0:
        raise _error()


def unshare(flags: int) -> None:
    """Move into new namespaces; OSError where the kernel, or the container's owner, refuses."""
    if _LIBC.unshare(flags) != 0:
        raise _error()


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
