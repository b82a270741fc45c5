"""Starts a command on a kernel that has no Landlock, as far as the command can tell: its three system calls answer ENOSYS.

    python without_landlock.py COMMAND...

A filter of system calls says so to the command and to all that it starts, which is what a kernel before 5.13 says.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

_FIRST, _LAST = (
    444,
    446,
)  # landlock_create_ruleset to landlock_restrict_self, the same on every processor (asm-generic/unistd.h)
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2  # linux/prctl.h
_LOAD, _AT_LEAST, _ABOVE, _RETURN = 0x20, 0x35, 0x25, 0x06  # linux/filter.h
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000  # linux/seccomp.h

_PROGRAM = (
    (_LOAD, 0, 0, 0),  # the number of the call
    (_AT_LEAST, 0, 2, _FIRST),
    (_ABOVE, 1, 0, _LAST),
    (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    (_RETURN, 0, 0, _ALLOW),
)


class _Step(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step)))


def forget_landlock() -> None:
    """Have the kernel answer this process, and all that it starts, as if it knew nothing of Landlock; OSError where it takes no filter."""
    steps = (_Step * len(_PROGRAM))(*(_Step(*step) for step in _PROGRAM))
    program = _Program(len(steps), steps)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    for option, first, second in ((_NO_NEW_PRIVS, 1, 0), (_SECCOMP, _FILTER, ctypes.addressof(program))):
        if libc.prctl(option, first, second, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    forget_landlock()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 (that is what it is for)
