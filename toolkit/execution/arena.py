"""Asks a runtime whether a model runs in an arena of a size: a job of its own each time, because one that is too small may end its process."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from toolkit.wire.request import Request

if TYPE_CHECKING:
    from toolkit.engines.tflite.micro_arena import ArenaProbe


def probe(request: Request) -> ArenaProbe:
    """Return what came of one call of inputs["model"] in an arena of options["arena_bytes"], null for one that is large enough for any purpose.

    Options: `runtime` (a file of toolkit/execution/runtimes that has arenas) and `signature`.
    """
    runtime = importlib.import_module(f"toolkit.execution.runtimes.{request.options['runtime']}")
    found: ArenaProbe = runtime.arena(
        request.inputs["model"], request.options["signature"], request.options["arena_bytes"]
    )
    return found
