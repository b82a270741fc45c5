"""The options of a board: where it is, and what the profile says that it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit import printable
from toolkit.environments.instructions import class_of
from toolkit.errors import RequestError, suggestion
from toolkit.launchers.emulation import x86
from toolkit.launchers.emulation.processors import PROCESSORS

_KNOWN = ("host", "port", "folder", "python", "machine", "cpu", "wait_s")
_MACHINES = ("x86_64", "aarch64")
# No word of these is an option of ssh, and no shell there reads anything into them.
_HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.@:%+-]*")
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+-]*")
_MOST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class BoardOptions:
    """`host` is what `ssh` is told: `pi@board.local`, or a name of the user's ssh configuration; `port` is None for that of the configuration.

    `folder` is the toolkit's own on the board, from the home folder there or absolute. `python` is an interpreter there, None for one that serves.
    `machine` and `cpu` are what the board has to be; None where the profile does not say. A connection that breaks, or a board that
    reboots, is waited for `wait_s` seconds.
    """

    host: str
    port: int | None = None
    folder: str = "edge-toolkit"
    python: str | None = None
    machine: str | None = None
    cpu: str | None = None
    wait_s: float = 120.0

    @classmethod
    def read(cls, options: Mapping[str, object]) -> BoardOptions:
        """Return the options of a launcher's table; RequestError with all mistakes."""
        wrong = [f"option {name!r}: unknown; {suggestion(name, _KNOWN)}" for name in options if name not in _KNOWN]
        given: dict[str, Any] = {name: value for name, value in options.items() if name in _KNOWN}
        wrong += [f"option {name!r}: {what}" for name, value in given.items() if (what := _problem(name, value))]
        if "host" not in given:
            wrong.append("option 'host': missing; it is what ssh is told, as host = \"pi@board.local\"")
        if not wrong and (what := _contradiction(given)):
            wrong.append(what)
        if wrong:
            raise RequestError(printable.lines(printable.line(f"launcher ssh: {each}") for each in wrong))
        return cls(**given)

    @property
    def expected(self) -> tuple[str, list[str]]:
        """The machine and the features of the processor that the profile says; nothing for what it does not say."""
        if self.cpu in x86.PROCESSORS:
            return "x86_64", x86.PROCESSORS[self.cpu].features.split()
        if self.cpu in PROCESSORS:
            return PROCESSORS[self.cpu].machine, PROCESSORS[self.cpu].features.split()
        return self.machine or "", []

    @property
    def expected_class(self) -> str | None:
        """The class of the processor that the profile says; None where it does not say one."""
        machine, features = self.expected
        return class_of(machine, features) if features else None


def _problem(name: str, value: object) -> str | None:
    """Return what is wrong with the value of a known option; None for nothing."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "port":
        return None if type(value) is int and 0 < value < 1 << 16 else f"{value!r}; expected a number from 1 to 65535"
    if name == "wait_s":
        fits = number and 0 <= float(str(value)) <= _MOST_WAIT_S
        return None if fits else f"{value!r}; expected seconds, from 0 to {_MOST_WAIT_S:g}"
    if not isinstance(value, str):
        return f"{value!r}; expected a text"
    if name == "host":
        return None if _HOST.fullmatch(value) else f"{value!r}; expected a name or an address, as pi@board.local"
    if name in ("folder", "python"):
        plain = PLAIN_PATH.fullmatch(value) and ".." not in value.split("/")
        return None if plain else f"{value!r}; expected a path of letters, digits and . _ + - /, without '..'"
    known = _MACHINES if name == "machine" else (*PROCESSORS, *x86.PROCESSORS)
    return None if value in known else f"{value!r}: unknown; {suggestion(value, known)}"


def _contradiction(given: Mapping[str, object]) -> str | None:
    machine = BoardOptions("", cpu=str(given["cpu"])).expected[0] if "cpu" in given else None
    if machine is None or given.get("machine", machine) == machine:
        return None
    return f"option 'machine': {given['machine']!r}, and {given['cpu']} is of {machine}; leave machine out"
