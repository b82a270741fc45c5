"""Asks a runtime what it can run: loads small models, one after the other, and runs each once."""

from __future__ import annotations

import importlib
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

import numpy as np

from toolkit.errors import causes
from toolkit.wire.request import Request


class Probes(TypedDict):
    """What came of each model, by its name: null where it ran, else what the runtime said; and the engine that reported itself ("" for none)."""

    engine: str
    said: dict[str, str | None]


_DIED = "aborts: what it runs in does not go on after this model"


def probe(request: Request) -> Probes:
    """Load and run each model of the archive inputs["models"] that options["members"] names, fed with ones. What a runtime raises is an answer.

    Options: `runtime` (a file of toolkit/execution/runtimes), and what the runtime takes.
    """
    runtime = importlib.import_module(f"toolkit.execution.runtimes.{request.options['runtime']}")
    said: dict[str, str | None] = {}
    with zipfile.ZipFile(request.inputs["models"]) as archive, tempfile.TemporaryDirectory() as folder:
        asked = (_AskedInTurn if hasattr(runtime, "in_turn") else _Asked)(runtime, request.options)
        try:
            for done, member in enumerate(request.options["members"]):
                path = Path(folder) / Path(member).name
                path.write_bytes(archive.read(member))
                said[member] = asked.ask(path)
                request.progress(done, len(request.options["members"]))
        finally:
            asked.close()
    return {"engine": asked.engine, "said": said}


class _Asked:
    """A runtime that is asked with models; `engine` is what reported itself, "" for none."""

    def __init__(self, runtime: ModuleType, options: dict[str, Any]) -> None:
        self._loads: Any = runtime
        self._options = options
        self.engine = ""

    def ask(self, model: Path) -> str | None:
        """Return what comes of a model: None where it runs, else what the runtime says."""
        try:
            loaded = self._loads.load(model, self._options)
            self.engine = loaded.engine
            loaded.call({spec["name"]: np.ones(spec["shape"], spec["dtype"]) for spec in loaded.signature["inputs"]})
        except Exception as error:  # noqa: BLE001 (an engine may raise anything, and that is what is asked)
            return causes(error)
        return None

    def close(self) -> None:
        """Let go of what the models ran in."""


class _AskedInTurn(_Asked):
    """A runtime whose models share what they run in.

    After a model that fails, one that ran before is run again: if that fails too, the failure may be the doing of a model before. So all is started
    again, and the model that failed is asked as the first.
    """

    def __init__(self, runtime: ModuleType, options: dict[str, Any]) -> None:
        super().__init__(runtime, options)
        self._loads = self._turns = runtime.in_turn()
        self._sound: Path | None = None

    def ask(self, model: Path) -> str | None:
        """Return what comes of a model, whatever the models before it did."""
        self._turns.open()
        said = super().ask(model)
        if said is not None and not self._goes_on():
            self._turns.close()
            self._turns.open()
            said = super().ask(model)
            if said is not None and not self._goes_on():
                self._turns.close()
                return _DIED if self._sound is not None else said
        if said is None:
            self._sound = model
        return said

    def close(self) -> None:
        """End what the models ran in."""
        self._turns.close()

    def _goes_on(self) -> bool:
        """Return whether a model that ran before still runs; False where there is none."""
        return self._sound is not None and super().ask(self._sound) is None
