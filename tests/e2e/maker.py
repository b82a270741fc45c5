"""Runs the scripts make_*.py, each in a process forked from one that has imported TensorFlow: the import takes longer than most of them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_FORKS = """\
import json, os, runpy, sys, traceback
import keras, tensorflow

for line in sys.stdin:
    said, script, *words = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        sys.argv, sys.path[0], status = [script, *words], os.path.dirname(script), 0
        try:
            runpy.run_path(script, run_name="__main__")
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        os._exit(status)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Maker:
    """A context manager; the process that imports TensorFlow is started by the first script."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Maker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()

    def run(self, script: Path, words: Sequence[str], said: Path) -> int:
        """Return a script's exit status; what it told on standard error is in `said`."""
        process = self._process = self._process or self._started()
        print(json.dumps([str(said), str(script), *words]), file=process.stdin, flush=True)
        line = next((line for line in process.stdout if line.startswith("ended ")), "ended 1")
        return int(line.split()[1])

    def _started(self) -> subprocess.Popen[str]:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | quiet
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([self._python, "-c", _FORKS], env=variables, text=True, **pipes)
