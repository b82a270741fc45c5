"""What a program reaches that may connect to one port by TCP: `reach_ports.py PACKAGE FOLDER ALLOWED OTHER` prints {attempt: null or error}."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

MSG_FASTOPEN, IPPROTO_MPTCP = 0x20000000, 262  # linux/socket.h, linux/in.h


def connect(port: int, protocol: int = 0) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as made:
        made.settimeout(5)
        made.connect(("127.0.0.1", port))


def connect_by_sending(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.sendto(b"taken", MSG_FASTOPEN, ("127.0.0.1", port))


def connect_by_sending_a_message(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.sendmsg([b"taken"], [], MSG_FASTOPEN, ("127.0.0.1", port))


def send_by_udp(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(b"taken", ("127.0.0.1", port))


def listen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.listen()  # without an address the kernel takes a free port


def bind(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", port))


def main() -> None:
    """Confine this process as a job with one port, and try."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = int(taken.getsockname()[1])
    package, folder, allowed, other = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    sys.path.insert(0, str(package.parent))
    from toolkit.confinement import Bounds, Confinement, ability

    confinement = Confinement(package, Path("/root"), ability())
    confinement.prepare()
    ports = (allowed,) if allowed else ()
    bounds = Bounds(user_code=True, ports=ports, network=not ports)
    attempts = {
        "its port": lambda: connect(allowed or other),
        "another port": lambda: connect(other),
        "another port, by MPTCP": lambda: connect(other, IPPROTO_MPTCP),
        "another port, by sending": lambda: connect_by_sending(other),
        "another port, by a message": lambda: connect_by_sending_a_message(other),
        "a port by UDP": lambda: send_by_udp(other),
        "listening": listen,
        "a port of its own": lambda: bind(free),
        "a socket with a path": lambda: socket.socket(socket.AF_UNIX).close(),
        "the interfaces": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    }
    os.makedirs(folder / "tmp", exist_ok=True)
    confinement.ready(bounds, folder).enter(1 << 32, 1 << 32)
    found: dict[str, str | None] = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            found[name] = None
        except OSError as error:
            found[name] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
