"""Models that share what they run in: what one of them does to it is not said of the next."""

from __future__ import annotations

import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.engines.loaded import Loaded
from toolkit.execution import probe

SIGNATURE = {"key": None, "inputs": [{"name": "x", "dtype": "float32", "shape": [1]}], "outputs": []}


class Page:
    """An engine that models are loaded in one after the other; one that `ends` spoils all that come after it."""

    def __init__(self):
        self.starts, self._open, self._spoilt = 0, False, False

    def open(self):
        """Start it if it does not run."""
        if not self._open:
            self.starts, self._open, self._spoilt = self.starts + 1, True, False

    def close(self):
        """End it."""
        self._open = False

    def load(self, model, _):
        """Return the model, or raise, as it says."""
        does = json.loads(model.read_text())
        late, self._spoilt = self._spoilt, self._spoilt or does in ("ends", "spoils")
        if late or does in ("raises", "ends"):
            raise RuntimeError("the engine ended before" if late else f"it {does}")
        return Loaded(lambda sample: {"x": np.ones(1)}, "page 1", SIGNATURE)


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Return a function that asks a page with models, and gives what it said and how often it was started."""

    def ask(**models):
        archive, page = tmp_path / "models.zip", Page()
        with zipfile.ZipFile(archive, "w") as written:
            for name, does in models.items():
                written.writestr(name, json.dumps(does))
        monkeypatch.setattr(probe.importlib, "import_module", lambda name: SimpleNamespace(in_turn=lambda: page))
        options = {"runtime": "page", "members": list(models)}
        request = SimpleNamespace(inputs={"models": archive}, options=options, progress=lambda done, of: None)
        return probe.probe(request)["said"], page.starts

    return ask


def test_a_refusal_starts_nothing_again(said):
    found, starts = said(fine="runs", no="raises", too="runs")

    assert found == {"fine": None, "no": "RuntimeError: it raises", "too": None}
    assert starts == 1


def test_a_model_that_ends_the_engine_leaves_its_neighbours_alone(said):
    found, _ = said(fine="runs", dies="ends", too="runs", no="raises")

    assert found["dies"].startswith("aborts: ")
    assert (found["fine"], found["too"], found["no"]) == (None, None, "RuntimeError: it raises")


def test_a_model_that_runs_and_spoils_the_engine_is_not_held_against_the_next(said):
    found, starts = said(fine="runs", spoils="spoils", next="runs")

    assert (found["next"], starts) == (None, 2)
