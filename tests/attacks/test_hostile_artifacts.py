"""TFLite and ONNX files that hold more, or other, than a file has room for: each is refused by name, before anything walks it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

import toolkit
from toolkit.environments import resolve
from toolkit.errors import RequestError
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings

HERE = Path(__file__).resolve().parent
PATIENCE_S = 60  # of one file, on a machine that does other things; each takes a fifth of a second
pytestmark = pytest.mark.engines


@pytest.fixture(params=[("tflite", "litert"), ("onnx", "onnxruntime")], ids=lambda each: each[0])
def files(request, home, tmp_path):
    """Return the folder of make_hostile_tflite_files.py, or of make_hostile_onnx_files.py."""
    form, environment = request.param
    python = resolve(environment, settings=Settings(home=home)).python
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [python, "-W", "ignore", HERE / f"make_hostile_{form}_files.py", tmp_path]
    subprocess.run(command, env=variables, check=True)
    return tmp_path


def test_what_a_file_has_no_room_for_is_refused_at_once(files, home):
    """With exit status 2 and what to do next: 800 kB could say 10,000,000,000 tensors, 4 kB as many operators, which took until the time limit."""
    wrong = []
    with LocalExecutor(Settings(home=home)) as executor:
        for name, says in json.loads((files / "expected.json").read_text()).items():
            began, said = time.monotonic(), ""
            try:
                toolkit.inspect(files / name, executor=executor)
            except RequestError as error:
                said = error.problem if error.hint else "no next step"
            took = time.monotonic() - began
            if says not in said or bool(says) != bool(said) or took > PATIENCE_S:
                wrong.append((name, says, said, took))

    assert not wrong
