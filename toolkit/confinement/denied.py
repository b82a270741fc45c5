"""Tells from an exception of the user's own code what was refused to it, a file or the network, and which flag allows it.

Landlock keeps a process from opening a file, but not from asking whether it could: access(2) looks at the file's mode alone. So a file that access(2)
allows and that cannot be opened was refused by the job's confinement, and by nothing else.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PATH = re.compile(r"/[^\s'\":;,()\[\]<>|]+")
_OF_NETWORK = re.compile(r"name resolution|resolve host|\bconnect|network|\burl|https?:|download", re.IGNORECASE)


def advice(error: BaseException) -> str | None:
    """Return the advice with the flag that allows what was refused; None where nothing was refused."""
    chain = list(_chain(error))
    unread = [path for each in chain for path in _paths(each) if is_refused(path)]
    if unread:
        flag = f"--allow-read {shlex.quote(unread[0])}"
        return f"it may read its own folder and what its job names; to let it read this too: {flag}"
    for each in chain:
        said = _of_folder(each) or _of_module(each) or _of_variable(each)
        if said is not None:
            return said
    if any(map(_is_of_network, chain)) and has_no_network():
        return "it may not reach the network; to let it: --allow-network"
    return None


def is_refused(path: str) -> bool:
    """Return whether this process cannot read a file or folder that the user may read."""
    if not os.access(path, os.R_OK):
        return False
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno == errno.EACCES
    return False


def has_no_network() -> bool:
    """Return whether the network is closed to this process: it does not even get a socket."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM)
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _paths(error: BaseException) -> list[str]:
    """Return the files that an error names in its fields and in its text."""
    named = [
        name for name in (getattr(error, "filename", None), getattr(error, "filename2", None)) if isinstance(name, str)
    ]
    return [*named, *(path.rstrip(".") for path in _PATH.findall(str(error)))]


def _of_folder(error: BaseException) -> str | None:
    """Return the advice for a file that cannot be written, or that was looked for in a home folder."""
    path = getattr(error, "filename", None)
    if not (isinstance(error, OSError) and isinstance(path, str)):
        return None
    if isinstance(error, PermissionError) and os.access(_there(Path(path)), os.W_OK):
        return f"it may write in its own temporary folder alone, which tempfile.gettempdir() names, here {tempfile.gettempdir()}"
    home = os.environ.get("HOME")
    if isinstance(error, FileNotFoundError) and home and Path(home) in Path(path).parents:
        return "its home folder is a temporary one; to let it have yours: --allow-env HOME, with --allow-read for what it reads there"
    return None


def _there(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _of_module(error: BaseException) -> str | None:
    """Return the advice for a module in a folder that Python could not list, and therefore skipped silently."""
    if not (isinstance(error, ModuleNotFoundError) and error.name):
        return None
    first = error.name.partition(".")[0]
    for entry in sys.path:
        holds = any(os.path.exists(os.path.join(entry, name)) for name in (first, f"{first}.py"))
        if entry and holds and is_refused(entry):
            return f"{first!r} is in {entry}, which it may not read; to let it: --allow-read {shlex.quote(entry)}"
    return None


def _of_variable(error: BaseException) -> str | None:
    """Return the advice for an environment variable that the code asked for."""
    if not (isinstance(error, KeyError) and error.args and isinstance(error.args[0], str)):
        return None
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_globals.get("__name__") != "os":
        return None
    return f"a worker gets few environment variables; if {error.args[0]} is set in yours: --allow-env {error.args[0]}"


def _is_of_network(error: BaseException) -> bool:
    if isinstance(error, (socket.gaierror, ConnectionError, TimeoutError)):
        return True
    is_bare = isinstance(error, PermissionError) and error.filename is None
    return is_bare or _OF_NETWORK.search(f"{type(error).__name__} {error}") is not None
