"""What the user allows the code that he brings himself (builders, functions of datasets, metrics), beside what every job may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Permissions:
    """`read` are files and folders that the user's own code may read, `network` is whether it may reach the network; a model's jobs never may.

    `variables` are the names of environment variables that all workers get as this process has them; their values are part of each job's key.
    """

    read: tuple[Path, ...] = ()
    network: bool = False
    variables: tuple[str, ...] = ()

    def flags(self) -> Iterator[str]:
        """Yield what was allowed as one says it on the command line."""
        for path in self.read:
            yield from ("--allow-read", str(path))
        if self.network:
            yield "--allow-network"
        for name in self.variables:
            yield from ("--allow-env", name)
