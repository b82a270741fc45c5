"""What the user decided for a whole run: where things are kept, whether the network may be used, which interpreters to take.

Precedence, highest first: an argument (a flag of the command line), an environment variable, the default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from toolkit.limits import Limits
from toolkit.permissions import Permissions

_YES = {"1", "true", "yes", "on"}


def default_home() -> Path:
    """Return EDGE_TOOLKIT_HOME, else the user's cache folder for the toolkit; absolute, not necessarily there."""
    named = os.environ.get("EDGE_TOOLKIT_HOME")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("edge-toolkit")


def default_offline() -> bool:
    """Return whether EDGE_TOOLKIT_OFFLINE forbids the network."""
    return os.environ.get("EDGE_TOOLKIT_OFFLINE", "").strip().lower() in _YES


def _say_nothing(line: str) -> None:
    """Take a line of progress and drop it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`home` is the cache root; `pythons` maps an environment's name to the interpreter the user named for it.

    `limits` hold for each job, `permissions` for the user's own code. `say` takes one short line of progress before each step that lasts; it may be
    called from several threads.
    """

    home: Path = field(default_factory=default_home)
    offline: bool = field(default_factory=default_offline)
    pythons: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)
    permissions: Permissions = field(default_factory=Permissions)
    say: Callable[[str], None] = _say_nothing

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", self.home.absolute())
