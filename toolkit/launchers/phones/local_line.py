"""Jobs of this machine that ask the phone: a socket in the cache, which only this user reaches.

A connection is the line of a worker, which passes on one end of a channel for each of its jobs (`toolkit.wire.phone`), or of a launcher, which asks
what phone there is. A job sends a model first (`load`), then samples (`call`), and ends by closing its channel.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import TargetUnavailable
from toolkit.files.private import make_private
from toolkit.launchers.browser.packages import LOCKED
from toolkit.launchers.phones.phone import Abandoned, BeganAnew, NotAnswered, Phone
from toolkit.wire.phone import FOLDER, SOCKET, TAKEN, Ended, Header, receive, send

_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_MOST_PASSED = 1
_LOCK = "lock"


class LocalLine:
    """The socket, served by threads until `close`; TargetUnavailable where another `serve-device` of this user runs already."""

    def __init__(self, home: Path, phone: Phone, about: Callable[[], Mapping[str, object]]) -> None:
        self._phone, self._about = phone, about
        folder = home / FOLDER
        make_private(home)
        make_private(folder)
        self._lock = open(folder / _LOCK, "w")  # noqa: SIM115 (held until `close`)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise TargetUnavailable(
                "serve-device: it runs already, for this user and this cache folder",
                "use that one, or end it with Ctrl-C",
            ) from None
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            (folder / SOCKET).unlink(missing_ok=True)  # left by a kill; whoever holds the lock owns it
            self._socket.bind(
                f"/proc/self/fd/{place}/{SOCKET}"
            )  # a path of any length; a socket's own has 107 bytes at most (unix(7))
            self._socket.listen()
        finally:
            os.close(place)
        self._path = folder / SOCKET
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take the socket away; whoever waits at the other end sees it."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()
        self._lock.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            _, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            if user == os.geteuid():
                threading.Thread(target=self._take_channels, args=(connection,), daemon=True).start()
            else:
                connection.close()

    def _take_channels(self, connection: socket.socket) -> None:
        """Serve each channel that a worker passes on; its line ends with the worker."""
        with connection, contextlib.suppress(OSError):
            while True:
                letter, passed, _, _ = socket.recv_fds(connection, 1, _MOST_PASSED)
                if not letter:
                    return
                for number in passed:
                    channel = socket.socket(fileno=number)
                    threading.Thread(target=self._serve, args=(channel,), daemon=True).start()

    def _serve(self, channel: socket.socket) -> None:
        """Answer one job, or one launcher, until it ends."""
        with channel, contextlib.suppress(Ended, Abandoned, OSError):
            channel.sendall(TAKEN)
            header, body = receive(channel)
            if header.get("do") == "about":
                send(channel, dict(self._about()))
                return
            with self._phone.turn(lambda: _is_open(channel)):
                self._phone.say(f"a job begins: {_text(header, 'title')}")
                while True:
                    self._ask(channel, header, body)
                    header, body = receive(channel)

    def _ask(self, channel: socket.socket, header: Header, body: bytes) -> None:
        """Put a job's question to the phone, and send the job the answer, or why there is none."""
        told, number, wait_s = _told(header), _text(header, "phone"), header.get("wait_s")
        if not isinstance(wait_s, int | float) or told["do"] not in ("load", "call"):
            raise Ended("no question of ours")
        try:
            answer = self._phone.ask(told, body, number, wait_s, lambda: _is_open(channel))
        except BeganAnew:
            send(channel, {"anew": True})
        except NotAnswered as error:
            self._phone.say(error.problem)
            send(channel, {"problem": error.problem, "hint": error.hint})
        else:
            send(channel, {}, answer)


def _told(header: Header) -> dict[str, Any]:
    """Return what the page is told of a job's question."""
    engine = _text(header, "engine")
    if engine not in LOCKED:
        raise Ended(f"no engine {engine}")
    return {
        **{name: header.get(name) for name in ("do", "engine", "options", "done", "count")},
        "title": _text(header, "title"),
    }


def _text(header: Header, name: str) -> str:
    return str(header.get(name, ""))[:200]


def _is_open(channel: socket.socket) -> bool:
    """Return whether the job's end is there: a job that waits for an answer sends nothing, so what can be read is its end."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return not poll.poll(0)
