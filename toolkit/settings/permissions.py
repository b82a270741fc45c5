"""The user's permissions for his own code (builders, functions of datasets, metrics), besides those of every job."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import printable
from toolkit.errors import RequestError
from toolkit.settings.environment_variables import allowed


@dataclass(frozen=True, slots=True)
class Permissions:
    """`read` are files and folders that the user's own code may read, `network` is whether it may reach the network; a model's jobs never may.

    `variables` are the names of environment variables that workers on this machine get as this process has them; their values are part of each
    job's key.
    Raises RequestError, with all mistakes, for a path that is not there and a variable that is not set.
    """

    read: tuple[Path, ...] = ()
    network: bool = False
    variables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        paths = tuple(Path(os.path.abspath(os.path.expanduser(path))) for path in self.read)
        object.__setattr__(self, "read", paths)
        wrong = [
            f"--allow-read {said}: {_missing(path)}"
            for said, path in zip(self.read, paths, strict=True)
            if not path.exists()
        ]
        try:
            allowed(self.variables)
        except RequestError as error:
            wrong.append(error.problem)
        if wrong:
            raise RequestError(printable.lines(wrong))

    def of_user_code(self) -> dict[str, Any]:
        """Return the permissions as JSON for the key of a job with the user's code, whose answer may depend on them; {} where nothing is allowed."""
        given = {"read": [str(path) for path in self.read], "network": self.network}
        return {"permissions": given} if any(given.values()) else {}

    def flags(self) -> Iterator[str]:
        """Yield the permissions as arguments of the command line."""
        for path in self.read:
            yield from ("--allow-read", str(path))
        if self.network:
            yield "--allow-network"
        for name in self.variables:
            yield from ("--allow-env", name)


def _missing(path: Path) -> str:
    try:
        names = os.listdir(path.parent)
    except OSError:
        names = []
    close = difflib.get_close_matches(path.name, names, n=1)
    return "no such file or folder" + (f"; did you mean {str(path.with_name(close[0]))!r}?" if close else "")
