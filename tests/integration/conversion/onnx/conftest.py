"""The scripts that make ONNX files for tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toolkit.environments import resolve
from toolkit.settings import Settings


@pytest.fixture(scope="module")
def written(home, tmp_path_factory):
    """Return a function that runs one of the scripts make_*.py, and returns the folder that it wrote."""

    def write(script: str) -> Path:
        folder = tmp_path_factory.mktemp("onnx")
        python = resolve("onnxruntime", settings=Settings(home=home, offline=True)).python
        command = [python, Path(__file__).with_name(script), folder]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        return folder

    return write
