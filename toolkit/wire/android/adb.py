"""The `adb` client of Android's Platform-Tools: which phones it sees, what they are, and files and commands there.

A phone's answers are a stranger's: they are text until they are parsed, and a file of a phone's is read only where one was asked for.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.errors import TargetUnavailable, suggestion
from toolkit.wire import bounded_output

NAMED = "EDGE_TOOLKIT_ADB"
"""The variable that names a client in place of the one on the PATH: no profile does, because the program is started with the user's rights."""

HOW_TO_GET_IT = (
    f"install Android's SDK Platform-Tools (Debian and Ubuntu: apt install adb), or name one: {NAMED}=/path/to/adb"
)

_TIMEOUT_S = 60.0  # of a command that moves no file and runs no model
_FILES_S = 600.0
_RETURN_S = 30.0  # how long a phone that was lost may take to come back
_PLUG_IN = "plug it in, with USB debugging switched on; `adb devices` has to show it"
_PROPERTY = re.compile(r"^\[([^\]]+)\]: \[(.*)\]$", re.MULTILINE)
_STRANGE = re.compile(r"[^\w .,:/()+-]", re.ASCII)
_MOST_CHARACTERS = 80
# What another attempt would meet again, with what helps.
_STAYS = {
    "No space left": "free space on the phone, or name another folder: options = { folder = '...' }",
    "Permission denied": "name a folder that adb's shell may write to and start programs in, as /data/local/tmp",
    "Read-only file system": "name a folder that adb's shell may write to and start programs in, as /data/local/tmp",
    "unauthorized": "unlock its screen and allow USB debugging for this computer",
    "cannot be started": HOW_TO_GET_IT,
    "printed more than": "no phone answers so; disconnect it",
}
# The states of `adb devices` in which a phone takes no commands, and what helps.
_STATES = {
    "unauthorized": "unlock its screen and allow USB debugging for this computer",
    "authorizing": "unlock its screen and allow USB debugging for this computer",
    "offline": "plug it in again, or run `adb reconnect`",
    "connecting": "wait a moment, and run the command again",
    "no permissions": "let your user open the USB device: udev rules for Android (Debian: android-sdk-platform-tools-common)",
    "recovery": "start Android on it: `adb reboot`",
    "sideload": "start Android on it: `adb reboot`",
    "bootloader": "start Android on it: `fastboot reboot`",
}


class AdbError(Exception):
    """What `adb` said when it failed, or that it took too long: the phone may be lost, and come back.

    `stays` is whether another attempt would meet the same, and `helps` is what can be done.
    """

    def __init__(self, said: str) -> None:
        super().__init__(said)
        known = next((helps for words, helps in _STAYS.items() if words in said), None)
        self.stays = known is not None
        self.helps = known or "plug it in again, and run the command again"


@dataclass(frozen=True, slots=True)
class Adb:
    """The client `program`, started with `variables`, None for those of this process."""

    program: str
    variables: Mapping[str, str] | None = None

    def call(self, *words: str, timeout_s: float = _TIMEOUT_S) -> str:
        """Return what a command of the client prints; AdbError with its last words if it fails, takes longer, or prints too much."""
        try:
            ended = bounded_output.run([self.program, *words], timeout_s=timeout_s, variables=self.variables)
        except bounded_output.PrintedTooMuch as error:
            raise AdbError(f"adb {words[0]}: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise AdbError(f"adb {words[0]}: no answer in {timeout_s:g} s") from error
        except OSError as error:
            raise AdbError(f"{self.program} cannot be started ({error.strerror})") from error
        said = ended.answer.replace("\r\n", "\n")
        if ended.status != 0:
            lines = [*said.splitlines(), *ended.errors.splitlines()]
            told = [line.strip() for line in lines if line.strip() and not line.startswith("* daemon")]
            raise AdbError("; ".join(told[-3:]) or f"adb {words[0]}: exit status {ended.status}")
        return said

    def devices(self) -> dict[str, str]:
        """Return the state of each phone that the client sees, by its serial number; AdbError if it cannot tell."""
        lines = self.call("devices").partition("List of devices attached")[2].splitlines()
        rows = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("*")]
        return {row[0]: row[1].strip() if len(row) > 1 else "unknown" for row in rows}


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone by its serial number, which is given to every command: another one that is plugged in meanwhile is never asked."""

    adb: Adb
    serial: str

    def shell(self, command: str, timeout_s: float = _TIMEOUT_S) -> str:
        """Return what a command line of the phone's shell prints. Old phones do not tell its exit status: the text has to show that it worked."""
        return self.adb.call("-s", self.serial, "shell", command, timeout_s=timeout_s)

    def push(self, here: str, there: str) -> None:
        """Copy a file, or a folder with all in it, to the phone."""
        self.adb.call("-s", self.serial, "push", here, there, timeout_s=_FILES_S)

    def pull(self, there: str, here: str) -> None:
        """Copy a file, or a folder with all in it, from the phone."""
        self.adb.call("-s", self.serial, "pull", there, here, timeout_s=_FILES_S)

    def properties(self) -> dict[str, str]:
        """Return the phone's system properties, by name: printable ASCII, of limited length, whatever the phone says."""
        found = dict(_PROPERTY.findall(self.shell("getprop")))
        return {name: _STRANGE.sub("?", value)[:_MOST_CHARACTERS] for name, value in found.items()}

    def digest(self, path: str) -> str | None:
        """Return the SHA-256 of a file there; None where there is none."""
        said = re.match(r"([0-9a-f]{64})\b", self.shell(f"sha256sum {shlex.quote(path)} 2>/dev/null; true"))
        return said and said[1]

    def await_return(self) -> None:
        """Wait until the phone takes commands again; AdbError if it does not come back."""
        self.adb.call("-s", self.serial, "wait-for-device", timeout_s=_RETURN_S)


def choose(adb: Adb, serial: str | None) -> Phone:
    """Return the phone with that serial number, or the only one; TargetUnavailable, with what helps, where no phone can be asked."""
    try:
        seen = adb.devices()
    except AdbError as error:
        raise TargetUnavailable(f"launcher adb: {error}", "run `adb devices` to see what it says") from error
    listed = ", ".join(f"{name} ({state.partition(';')[0]})" for name, state in sorted(seen.items())) or "none"
    if serial is None:
        if len(seen) > 1:
            raise TargetUnavailable(
                f"launcher adb: several phones, and none is named; there are: {listed}", "options = { serial = '...' }"
            )
        if not seen:
            raise TargetUnavailable("launcher adb: no phone is connected", _PLUG_IN)
        serial = next(iter(seen))
    if serial not in seen:
        raise TargetUnavailable(
            f"launcher adb: no phone {serial!r} is connected; there are: {listed}",
            suggestion(serial, seen) if seen else _PLUG_IN,
        )
    state = seen[serial]
    if state != "device":
        helps = next((words for name, words in _STATES.items() if state.startswith(name)), "run `adb devices`")
        raise TargetUnavailable(f"launcher adb: the phone {serial} is {state.partition(';')[0]}", helps)
    return Phone(adb, serial)
