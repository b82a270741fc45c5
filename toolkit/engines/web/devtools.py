"""The Chrome DevTools Protocol over two pipes: JSON messages, each followed by a zero byte (`--remote-debugging-pipe`).

The browser reads from its file descriptor 3 and writes to 4. So nothing listens at a port, and no other program can speak to it.
Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from toolkit.errors import WorkerCrashed, WorkerLied

_READS, _WRITES, _FOLDER = 3, 4, 5  # the browser's descriptors
_ABOVE = 10  # where the other ends lie until the browser has its own
_BLOCK = 1 << 20
_SHOWN = 80  # characters of a message that makes no sense
_WORDS, _LONGEST = 3, 300  # last lines that the browser printed, and characters of each
_NOISE = ("dbus", "crashpad", "gcm", "/usr/bin/chromium")  # what a browser without a desktop complains of


class BrowserEvent(TypedDict, total=False):
    """What the browser tells of its own accord: `method` names it, and `sessionId` is the page that it is about."""

    method: str
    params: dict[str, Any]
    sessionId: str


class CommandRefused(Exception):
    """The browser refuses a command, in its own words."""


class DevTools:
    """A running browser. `handle` is called with each event that comes while a command waits for its answer."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], folder: Path) -> None:
        """Start the browser in a folder, where it also prints to; WorkerCrashed where the program cannot be started."""
        self.handle: Callable[[BrowserEvent], None] = lambda event: None
        self._log = folder / "printed.txt"
        self._text = bytearray()
        self._number = 0
        theirs_in, self._commands = os.pipe()
        self._answers, theirs_out = os.pipe()
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for end in (theirs_in, theirs_out, here)]

        def place() -> None:
            for end, number in zip(ends, (_READS, _WRITES, _FOLDER), strict=True):
                os.dup2(end, number)
            # The name of a socket has 107 bytes at most (unix(7)), and the browser makes one in TMPDIR; its other processes share memory there.
            os.environ.clear()
            os.environ.update({**variables, "TMPDIR": f"/proc/{os.readlink('/proc/self')}/fd/{_FOLDER}"})

        try:
            with open(self._log, "wb") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=folder,
                    close_fds=False,  # Python's own descriptors close themselves; 3 and 4 have to stay
                    preexec_fn=place,  # noqa: PLW1509 (a job has one thread)
                )
        except OSError as error:
            raise WorkerCrashed(f"{command[0]} cannot be started ({error.strerror})") from error
        finally:
            for end in (theirs_in, theirs_out, here, *ends):
                os.close(end)

    def call(self, method: str, params: Mapping[str, object] | None = None, session: str | None = None) -> Any:
        """Return what the browser answers to a command.

        Raises CommandRefused in the browser's words, WorkerCrashed where the browser has ended, WorkerLied for what is no message.
        """
        number = self.tell(method, params, session)
        while True:
            message = self._read()
            if message.get("id") == number:
                if "error" in message:
                    raise CommandRefused(f"{method}: {message['error'].get('message')}")
                return message["result"]
            if "method" in message:
                self.handle(message)

    def tell(self, method: str, params: Mapping[str, object] | None = None, session: str | None = None) -> int:
        """Send a command without waiting for its answer, and return its number; WorkerCrashed where the browser has ended."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params or {}}
        if session is not None:
            message["sessionId"] = session
        left = memoryview(json.dumps(message).encode() + b"\0")
        try:
            while left:
                left = left[os.write(self._commands, left) :]
        except BrokenPipeError:
            raise self.crashed("the browser") from None
        return self._number

    def wait(self) -> None:
        """Wait for the next event, and handle it; raises as `call` does."""
        message = self._read()
        if "method" in message:
            self.handle(message)

    def crashed(self, what: str) -> WorkerCrashed:
        """Return the error for a browser, or a part of it, that is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # its last words are written before it has ended
            self._process.wait(1.0)
        status = self._process.poll()
        how = "" if status is None else f" (exit status {status})" if status >= 0 else f" (signal {-status})"
        return WorkerCrashed(f"{what} ended in the middle of the job{how}", self._last_words())

    def close(self) -> None:
        """End the browser; nothing of it is asked any more."""
        self._process.kill()
        self._process.wait()
        for end in (self._commands, self._answers):
            with contextlib.suppress(OSError):
                os.close(end)

    def _read(self) -> Any:
        """Return the next message."""
        searched = 0
        while (place := self._text.find(0, searched)) < 0:
            searched = len(self._text)
            more = os.read(self._answers, _BLOCK)
            if not more:
                raise self.crashed("the browser")
            self._text += more
        line = bytes(self._text[:place])
        del self._text[: place + 1]
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise WorkerLied(f"the browser sent {line[:_SHOWN]!r}, which is no message", self._last_words())
        return message

    def _last_words(self) -> str | None:
        """Return the last lines that the browser printed, without those about what it does not need."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        kept = [line for line in lines if line.strip() and not any(word in line for word in _NOISE)]
        return "; ".join(line.strip()[:_LONGEST] for line in kept[-_WORDS:]) or None
