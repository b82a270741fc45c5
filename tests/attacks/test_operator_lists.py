"""The list of operators against those that TensorFlow registers, and against the networks that the project knows."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from toolkit.environments import resolve
from toolkit.settings import Settings
from toolkit.source.loading import operators

pytestmark = pytest.mark.engines

_LISTED = """
import json
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session as session
listed = op_def_pb2.OpList()
listed.ParseFromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
print("OPERATORS", json.dumps([each.name for each in listed.op]))
"""
_HELD = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from toolkit.engines.tensorflow.messages import message, parse
from toolkit.source.loading.reach import of_saved_model
found = {}
for folder in sys.argv[2:]:
    for path in Path(folder).rglob("saved_model.pb"):
        for graph in parse(message("protobuf.saved_model", "SavedModel"), path, "SavedModel").meta_graphs:
            found[str(path)] = [str(each) for each in of_saved_model(graph)]
print("REACHED", json.dumps(found))
"""


def answered(python: Path, code: str, word: str, *arguments: Path) -> object:
    """Return the JSON that a script prints behind a word."""
    variables = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [python, "-c", code, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=900, check=False)
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith(word)) if ended.stdout else ("",)
    assert line, ended.stderr[-2000:]
    return json.loads(line.removeprefix(word))


def pythons(home: Path) -> dict[str, Path]:
    """Return the interpreters with a TensorFlow: the pinned one, and an old one where there is one."""
    found = {"pinned": resolve("tensorflow", settings=Settings(home=home)).python}
    old = os.environ.get("EDGE_TOOLKIT_KERAS2")
    return found | ({"2.15": Path(old)} if old else {})


def test_every_registered_operator_is_listed(home):
    """As harmless, with what it can do, or as one that nobody has looked at: an upgrade of TensorFlow does not pass by this list."""
    for name, python in pythons(home).items():
        registered = answered(python, _LISTED, "OPERATORS")
        assert isinstance(registered, list)
        assert len(registered) > 1500

        assert sorted(set(registered) - operators.kinds().keys()) == [], name


def test_the_models_at_hand_need_no_trust(home, sample):
    """The embedded sample, and those of others where they are here."""
    shared = Path(__file__).resolve().parents[3] / "shared"
    folders = [sample.parent, *(shared / name for name in ("models", "cases") if (shared / name).is_dir())]

    found = answered(pythons(home)["pinned"], _HELD, "REACHED", Path(__file__).resolve().parents[2], *folders)

    assert isinstance(found, dict)
    assert found
    assert {path: reached for path, reached in found.items() if reached} == {}
