"""Runs a command as on a kernel without Landlock, whose three calls are not there: `python without_landlock.py COMMAND...`."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/filter.h
ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # linux/seccomp.h
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2  # linux/prctl.h
CALLS = (444, 445, 446)


def main() -> None:
    """Take the calls away, for ever, and become the command."""
    steps = [(LOAD, 0, 0, 0), *((EQUAL, 3 - place, 0, call) for place, call in enumerate(CALLS))]
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    packed = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(packed)))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, first, second in ((NO_NEW_PRIVILEGES, 1, 0), (SECCOMP, FILTER, ctypes.addressof(program))):
        if libc.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 (that is what it is for)


if __name__ == "__main__":
    main()
