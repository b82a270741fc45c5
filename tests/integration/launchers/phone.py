"""A phone for tests: an adb server that speaks adb's own protocol to the real client. Its disk is this machine's, its shell this machine's `sh`.

The protocol: packages/modules/adb in the Android Open Source Project, OVERVIEW.TXT, SERVICES.TXT, SYNC.TXT and shell_protocol.h. Errors are worded as
adb's own server and daemon word them (client/transport.cpp, daemon/file_sync_service.cpp).
"""

from __future__ import annotations

import contextlib
import os
import socketserver
import stat
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_VERSION = "0029"  # ADB_SERVER_VERSION, 41: a client that meets another one starts its own server
_STDOUT, _STDERR, _EXIT = 1, 2, 3  # ShellProtocol::Id


PIXEL = {
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 8",
    "ro.build.version.release": "15",
    "ro.build.fingerprint": "google/shiba/shiba:15/AP4A.250105.002/12701944:user/release-keys",
    "ro.soc.model": "Tensor G3",
    "ro.hardware": "shiba",
    "ro.product.cpu.abilist": "arm64-v8a",
}


@dataclass
class Phone:
    """What the phone is like now; a test changes it at any time."""

    serial: str = "31270DLJH000AB"
    state: str = "device"
    properties: dict[str, str] = field(default_factory=lambda: dict(PIXEL))
    others: dict[str, str] = field(default_factory=dict)
    full: bool = False
    before: Callable[[str], None] = lambda service: (
        None
    )  # called with each service that is asked of the phone; may change it, or break the line
    asked: list[str] = field(default_factory=list)

    def seen(self) -> dict[str, str]:
        """Return the state of each phone, as `adb devices` shows it."""
        return {**({self.serial: self.state} if self.state else {}), **self.others}


class LineBroken(Exception):
    """Raised by `Phone.before`: the USB cable was pulled."""


class Server(socketserver.ThreadingTCPServer):
    """An adb server on a port of its own."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        super().__init__(("127.0.0.1", 0), _Conversation)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that lead a client here."""
        return {"ANDROID_ADB_SERVER_PORT": str(self.server_address[1])}


@contextlib.contextmanager
def serving(phone: Phone):
    """Yield the server of a phone, which ends with the block."""
    with Server(phone) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Conversation(socketserver.BaseRequestHandler):
    """One connection of a client: services of the server first, then one of the phone."""

    server: Server

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, LineBroken):
            while self._serve(self._read_text()):
                pass

    def _serve(self, service: str) -> bool:
        """Answer one service; return whether the line then goes on."""
        phone = self.server.phone
        if service.startswith("host"):
            return self._host(service)
        phone.asked.append(service)
        phone.before(service)
        kind, _, rest = service.partition(":")
        if kind.startswith("shell"):
            self._send(b"OKAY")
            self._shell(rest)
        elif kind == "sync":
            self._send(b"OKAY")
            while self._sync():
                pass
        else:
            self._fail("closed")
        return False

    def _host(self, service: str) -> bool:
        phone = self.server.phone
        name = service.rpartition(":")[2]
        if service == "host:version":
            self._say(_VERSION)
        elif service in ("host:devices", "host:devices-l"):
            self._say("".join(f"{serial}\t{state}\n" for serial, state in phone.seen().items()))
        elif service.startswith(("host:transport:", "host:tport:serial:")):
            if self._is_there(name):
                self._send(b"OKAY" + (struct.pack("<Q", 1) if "tport" in service else b""))
                return True
        elif name.startswith("wait-for"):
            self._send(b"OKAY")
            while not phone.state:
                threading.Event().wait(0.05)
            self._send(b"OKAY")
        elif name == "features":
            if self._is_there(service.split(":")[1]):
                self._say("shell_v2")
        else:
            self._fail("unknown host service")
        return False

    def _is_there(self, serial: str) -> bool:
        state = self.server.phone.seen().get(serial)
        if state == "device":
            return True
        self._fail(f"device '{serial}' not found" if state is None else f"device {state}")
        return False

    def _shell(self, command: str) -> None:
        phone = self.server.phone
        if command == "getprop":
            text = "".join(f"[{name}]: [{value}]\n" for name, value in phone.properties.items())
            return self._ended(text.encode(), b"", 0)
        ended = subprocess.run(["sh", "-c", command], capture_output=True, stdin=subprocess.DEVNULL, check=False)
        phone.before("after " + command)
        return self._ended(ended.stdout, ended.stderr, ended.returncode)

    def _ended(self, printed: bytes, complained: bytes, status: int) -> None:
        for number, content in ((_STDOUT, printed), (_STDERR, complained), (_EXIT, bytes([status & 255]))):
            if content:
                self._send(struct.pack("<BI", number, len(content)) + content)

    def _sync(self) -> bool:
        """Do one request for files; return whether others may follow."""
        kind, length = struct.unpack("<4sI", self._read(8))
        if kind == b"QUIT":
            return False
        path = self._read(length).decode()
        if kind == b"STAT":
            self._send(struct.pack("<4sIII", b"STAT", *_stat_of(path)))
        elif kind == b"LIST":
            for entry in sorted(Path(path).iterdir()) if os.path.isdir(path) else ():
                name = entry.name.encode()
                self._send(struct.pack("<4sIIII", b"DENT", *_stat_of(str(entry)), len(name)) + name)
            self._send(struct.pack("<4sIIII", b"DONE", 0, 0, 0, 0))
        elif kind == b"SEND":
            self._receive(path.rpartition(",")[0])
        elif kind == b"RECV":
            content = Path(path).read_bytes()
            for at in range(0, len(content), 1 << 16):
                piece = content[at : at + (1 << 16)]
                self._send(struct.pack("<4sI", b"DATA", len(piece)) + piece)
            self._send(struct.pack("<4sI", b"DONE", 0))
        return True

    def _receive(self, path: str) -> None:
        pieces = []
        while (header := struct.unpack("<4sI", self._read(8)))[0] == b"DATA":
            pieces.append(self._read(header[1]))
        if self.server.phone.full:
            said = b"No space left on device"
            self._send(struct.pack("<4sI", b"FAIL", len(said)) + said)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(b"".join(pieces))
        self._send(struct.pack("<4sI", b"OKAY", 0))

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            piece = self.request.recv(count - len(found))
            if not piece:
                raise ConnectionError
            found += piece
        return found

    def _read_text(self) -> str:
        return self._read(int(self._read(4), 16)).decode()

    def _send(self, content: bytes) -> None:
        self.request.sendall(content)

    def _say(self, text: str) -> None:
        self._send(b"OKAY" + f"{len(text):04x}{text}".encode())

    def _fail(self, text: str) -> None:
        self._send(b"FAIL" + f"{len(text):04x}{text}".encode())


def _stat_of(path: str) -> tuple[int, int, int]:
    """Return mode, size and time, zeros for what is not there."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        return found.st_mode, found.st_size if stat.S_ISREG(found.st_mode) else 0, int(found.st_mtime)
    return 0, 0, 0
