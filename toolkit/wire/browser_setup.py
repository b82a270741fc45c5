"""What a launcher tells a worker about the browser that its jobs run in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.errors import RequestError

SAID = "EDGE_TOOLKIT_BROWSER"
"""The variable by which a launcher tells a worker what its jobs run in: a `Setup` as JSON."""

SOFTWARE = "swiftshader"


@dataclass(frozen=True, slots=True)
class Setup:
    """A browser's `program` and its `packages`, {name: folder}, and on what models are run: "wasm", or "webgpu" on an `adapter`.

    `phone` is the number of a phone's pairing: its own browser runs the models, so `program` and `packages` say nothing. It may take `wait_s` seconds
    for an answer.
    """

    program: str
    packages: Mapping[str, str]
    versions: Mapping[str, str]
    accelerator: str = "wasm"
    adapter: str | None = None
    phone: str | None = None
    wait_s: float = 0.0

    def to_text(self) -> str:
        """Return it as the variable `SAID` has it."""
        return json.dumps(
            {
                "program": self.program,
                "packages": dict(self.packages),
                "versions": dict(self.versions),
                "accelerator": self.accelerator,
                "adapter": self.adapter,
                "phone": self.phone,
                "wait_s": self.wait_s,
            },
            sort_keys=True,
        )


def said() -> Setup:
    """Return what the launcher said; RequestError where this worker was started by a launcher without a browser."""
    text = os.environ.get(SAID)
    if text is None:
        raise RequestError(
            "this runtime runs in a browser; its launcher is chromium or phone, and another one was named"
        )
    return Setup(**json.loads(text))
