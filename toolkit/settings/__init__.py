"""The user's decisions for a whole run: where files are kept, whether the network may be used, which interpreters to use.

Precedence, highest first: an argument (a flag of the command line), an environment variable, the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from toolkit import printable
from toolkit.errors import RequestError
from toolkit.settings.permissions import Permissions

CACHE_LIMIT = "EDGE_TOOLKIT_CACHE_LIMIT"
CACHE_BYTES = 10_000_000_000
"""The most that finished jobs may take, unless the user says otherwise: room for the first builds of fifteen models of 287 MB, each of which leaves
644 MB, and as much as GitHub keeps of a project (https://docs.github.com/en/actions/reference/workflows-and-actions/dependency-caching)."""

_YES = {"1", "true", "yes", "on"}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kMGT]?i?)B?", re.IGNORECASE)
_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 1 << 10,
    "mi": 1 << 20,
    "gi": 1 << 30,
    "ti": 1 << 40,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of wall clock, bytes of resident memory, and bytes written to files, for each job.

    The largest that a job writes is a set of samples: 50,000 pictures of 224 x 224 x 3 numbers of 4 bytes are 30 GB.
    """

    timeout_s: float = 900.0
    memory_bytes: int = 8_000_000_000
    written_bytes: int = 64_000_000_000


def default_home() -> Path:
    """Return EDGE_TOOLKIT_HOME, else the user's cache folder for the toolkit; absolute, not necessarily there."""
    named = os.environ.get("EDGE_TOOLKIT_HOME")
    if named:
        return Path(os.path.expanduser(named)).absolute()  # a `~name` of no user stays as it is
    from platformdirs import user_cache_path

    return user_cache_path("edge-toolkit")


def default_offline() -> bool:
    """Return whether EDGE_TOOLKIT_OFFLINE forbids the network."""
    return os.environ.get("EDGE_TOOLKIT_OFFLINE", "").strip().lower() in _YES


def default_cache_bytes() -> float:
    """Return EDGE_TOOLKIT_CACHE_LIMIT, else 10 GB: the bytes that finished jobs may take; infinity for `none`."""
    said = os.environ.get(CACHE_LIMIT, "").strip()
    if not said:
        return CACHE_BYTES
    return float("inf") if said.lower() == "none" else parse_bytes(CACHE_LIMIT, said)


def parse_bytes(name: str, text: str) -> float:
    """Return the bytes that a text such as `5GB`, `500 MB` or `2GiB` says; RequestError, which names the option or variable, for any other."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or found[2].lower() not in _UNITS:
        raise RequestError(f"{name} {text!r}: is not a size; expected one as 5GB, 500MB or 2GiB")
    return float(found[1]) * _UNITS[found[2].lower()]


def _say_nothing(line: str) -> None:
    """Ignore a line of progress."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`home` is the cache root; `pythons` maps an environment's name to the interpreter the user named for it.

    `limits` hold for each job, `permissions` for the user's own code. Beyond `cache_bytes` the finished jobs not used longest are removed. `say`
    takes one short line of progress before each long step; several threads may call it. RequestError for a home that is not UTF-8.
    """

    home: Path = field(default_factory=default_home)
    offline: bool = field(default_factory=default_offline)
    pythons: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)
    permissions: Permissions = field(default_factory=Permissions)
    say: Callable[[str], None] = _say_nothing
    cache_bytes: float = field(default_factory=default_cache_bytes)

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", self.home.absolute())
        if not printable.is_utf8(str(self.home)):
            raise RequestError(
                f"{self.home}: is not UTF-8; a cache folder has to be",
                "EDGE_TOOLKIT_HOME with another folder, or another current folder where it is relative",
            )
