"""Asks a runtime what it can run: loads small models, one after the other, and runs each once."""

from __future__ import annotations

import importlib
import tempfile
import zipfile
from pathlib import Path
from typing import TypedDict

import numpy as np

from toolkit.errors import causes
from toolkit.wire.request import Request


class Probes(TypedDict):
    """What came of each model, by its name: null where it ran, else what the runtime said; and the engine that reported itself ("" for none)."""

    engine: str
    said: dict[str, str | None]


def probe(request: Request) -> Probes:
    """Load and run each model of the archive inputs["models"] that options["members"] names, fed with ones. What a runtime raises is an answer.

    Options: `runtime` (a file of toolkit/execution/runtimes), and what the runtime takes.
    """
    runtime = importlib.import_module(f"toolkit.execution.runtimes.{request.options['runtime']}")
    engine = ""
    said: dict[str, str | None] = {}
    with zipfile.ZipFile(request.inputs["models"]) as archive, tempfile.TemporaryDirectory() as folder:
        for done, member in enumerate(request.options["members"]):
            path = Path(folder) / Path(member).name
            path.write_bytes(archive.read(member))
            try:
                loaded = runtime.load(path, request.options)
                engine = loaded.engine
                loaded.call(
                    {spec["name"]: np.ones(spec["shape"], spec["dtype"]) for spec in loaded.signature["inputs"]}
                )
                said[member] = None
            except Exception as error:  # noqa: BLE001 (an engine may raise anything, and that is what is asked)
                said[member] = causes(error)
            path.unlink()
            request.progress(done, len(request.options["members"]))
    return {"engine": engine, "said": said}
