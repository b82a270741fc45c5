"""Landlock: the files and folders that a process may use. The kernel enforces it for the process and all that it starts, for ever.

Numbers are those of linux/landlock.h. Each version of its interface (ABI) knows more rights: 2 moving between folders, 3 cutting files off, 4 TCP,
5 commands to devices, 6 signals and sockets without a path, 7 and 8 nothing that is used here, 9 sockets with a path.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from toolkit.confinement import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every processor
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH, _NET_PORT = 1, 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_MAKE_SOCK, _MAKE_FIFO, _MAKE_SYM = 1 << 9, 1 << 10, 1 << 12
_REFER, _TRUNCATE, _IOCTL_DEV, _RESOLVE_UNIX = 1 << 13, 1 << 14, 1 << 15, 1 << 16

READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
USE_DEVICE = READ_FILE | WRITE_FILE | _IOCTL_DEV
WRITE = READ | WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
MAKE_LINK = _MAKE_SYM
MAKE_SPECIAL = _MAKE_SOCK | _MAKE_FIFO | MAKE_LINK | _RESOLVE_UNIX
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEV | _RESOLVE_UNIX
_BY_ABI = ((1, (1 << 13) - 1), (2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV), (9, _RESOLVE_UNIX))

_BIND_TCP, _CONNECT_TCP = 0b01, 0b10
_TCP = _BIND_TCP | _CONNECT_TCP
_ANY_FREE = (
    0  # adb's client takes a free port for itself before it connects; nobody reaches it there, as it cannot listen
)
KNOWS_TCP = 4
_SCOPES = (0b11, 0b01, 0)  # sockets without a path, and signals; some kernels that say 6 lack the second


class _Attributes(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # what `_pack_` means; newer Pythons require it
    _fields_ = [("rights", ctypes.c_uint64), ("folder", ctypes.c_int32)]


class _Port(ctypes.Structure):
    _fields_ = [("rights", ctypes.c_uint64), ("port", ctypes.c_uint64)]


def abi() -> int:
    """Return the version of the kernel's interface; 0 where there is none, or it is switched off."""
    try:
        return kernel.call(_CREATE_RULESET, 0, 0, _VERSION)
    except OSError:
        return 0


def handled(version: int) -> int:
    """Return all rights to files that a version knows; those that are not allowed are refused."""
    return sum(rights for first, rights in _BY_ABI if first <= version)


class Ruleset:
    """The rights that will be allowed. It can be changed until it is closed; forked processes share it."""

    def __init__(self, version: int, *, network: bool) -> None:
        self._handled = handled(version)
        attributes = _Attributes(self._handled, _TCP if version >= KNOWS_TCP and not network else 0, 0)
        size = 24 if version >= 6 else 16 if version >= KNOWS_TCP else 8
        for scopes in _SCOPES if version >= 6 else (0,):
            attributes.scopes = scopes
            try:
                self._descriptor = kernel.call(_CREATE_RULESET, ctypes.addressof(attributes), size, 0)
            except OSError as error:
                if error.errno != errno.EINVAL or not scopes:
                    raise
            else:
                return

    def allow(self, path: str, rights: int) -> None:
        """Allow rights to a file, or to a folder with its content; a path that is missing or cannot be opened allows nothing."""
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # missing, a ring of links, too long a name: nobody can read it
            return
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            rule = _Beneath(rights & self._handled, descriptor)
            if rule.rights:
                kernel.call(_ADD_RULE, self._descriptor, _PATH_BENEATH, ctypes.addressof(rule), 0)
        finally:
            os.close(descriptor)

    def allow_port(self, port: int) -> None:
        """Allow to connect to a port by TCP, of whatever machine: the kernel does not look at addresses. The ruleset is one without the network."""
        for rule in (_Port(_CONNECT_TCP, port), _Port(_BIND_TCP, _ANY_FREE)):
            kernel.call(_ADD_RULE, self._descriptor, _NET_PORT, ctypes.addressof(rule), 0)

    def enforce(self) -> None:
        """Refuse all that was not allowed, to this thread and all that it starts from now on; PR_SET_NO_NEW_PRIVS has to be set before."""
        kernel.call(_RESTRICT_SELF, self._descriptor, 0)

    def close(self) -> None:
        """Close the ruleset; what was enforced stays."""
        os.close(self._descriptor)
