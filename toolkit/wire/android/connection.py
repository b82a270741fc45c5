"""What a launcher tells the worker of the phone that it chose, in a variable of the worker's environment."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

VARIABLE = "EDGE_TOOLKIT_PHONE"


@dataclass(frozen=True, slots=True)
class Connection:
    """The phone `serial`, the client `adb` that reaches it, and `folder` on it, in which batches have theirs.

    `program` is benchmark_model on this machine, with its SHA-256 as `digest`. `engine` is what reports call the program; it ends with the version
    that the profile says, because the program does not tell its own.
    """

    adb: str
    serial: str
    folder: str
    program: str
    digest: str
    engine: str

    def to_json(self) -> str:
        """Return it as one line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Connection:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))
