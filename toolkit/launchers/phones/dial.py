"""Starts a worker with a connection to `serve-device`, which its jobs could not make: `python dial.py FOLDER SOCKET VARIABLE PROGRAM ARGUMENT...`.

Standard library only: it runs in the engine's interpreter, before the toolkit is there.
"""

from __future__ import annotations

import os
import socket
import sys


def connect(folder: str, name: str) -> socket.socket:
    """Return a connection to a socket in a folder, however long the folder's path is: a socket's has 107 bytes at most (unix(7))."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.connect(f"/proc/self/fd/{place}/{name}")
    except OSError:
        line.close()
        raise
    finally:
        os.close(place)
    return line


def main() -> None:
    """Connect, and become the worker."""
    folder, name, variable, *command = sys.argv[1:]
    try:
        line = connect(folder, name)
    except OSError as error:
        raise SystemExit(f"`serve-device` is not there any more ({error.strerror})") from error
    os.set_inheritable(line.fileno(), True)
    os.environ[variable] = str(line.fileno())
    os.execv(command[0], command)  # noqa: S606 (the command of the launcher, without a shell)


if __name__ == "__main__":
    main()
