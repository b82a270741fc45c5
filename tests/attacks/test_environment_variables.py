"""What a shell says to other programs: none of it reaches a worker, neither as a variable nor by what the system's loader or Python make of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from toolkit.jobs.local_executor import LocalExecutor
from toolkit.samples import dataset
from toolkit.settings import Settings
from toolkit.settings.environment_variables import by_engines
from toolkit.wire.shards import read_all

TELLS = """
import json, os, sys
import numpy as np

def told():
    said = {"variables": dict(os.environ), "search": sys.path, "modules": sorted(sys.modules)}
    return {"x": np.frombuffer(json.dumps(said).encode(), np.uint8)[None].astype(np.int32)}
"""

# What is set in the shells of people who do machine learning, or was once exported and forgotten.
STRAY = {
    "KERAS_BACKEND": "torch",
    "KERAS_HOME": "/no/such/folder",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "XLA_FLAGS": "--xla_dump_to=/no/such/folder",
    "TF_DUMP_GRAPH_PREFIX": "/no/such/folder",
    "TF_CPP_MAX_VLOG_LEVEL": "3",
    "TF_DETERMINISTIC_OPS": "1",
    "ORT_TENSORRT_ENGINE_CACHE_ENABLE": "1",
    "MPLCONFIGDIR": "/no/such/folder",
    "MPLBACKEND": "no such backend",
    "XDG_CACHE_HOME": "/no/such/folder",
    "XDG_CONFIG_HOME": "/no/such/folder",
    "LD_LIBRARY_PATH": "/no/such/folder",
    "LD_BIND_NOW": "1",
    "GLIBC_TUNABLES": "glibc.malloc.check=0",
    "MALLOC_CHECK_": "0",
    "PYTHONSTARTUP": "/no/such/file.py",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONDEVMODE": "1",
    "PYTHONPROFILEIMPORTTIME": "1",
    "QEMU_LOG_FILENAME": "/no/such/file",
    "QEMU_SET_ENV": "LD_PRELOAD=/no/such/library.so",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "GITHUB_TOKEN": "secret",
    "HF_TOKEN": "secret",
    "SSH_AUTH_SOCK": "/no/such/socket",
    "https_proxy": "http://user:secret@proxy.invalid:3128",
    "UV_INDEX_OURS_PASSWORD": "secret",
    "EDGE_TOOLKIT_OFFLINE": "1",
}

# All that a worker may have beside the few that the toolkit says itself.
KNOWN = {"PATH", "LANG", "LANGUAGE", "TZ", "HOME", "TMPDIR", "NO_COLOR", "TF_CPP_MIN_LOG_LEVEL"}
KNOWN |= {"PYTHONUNBUFFERED", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONPATH", "PYTHONHOME"}
KNOWN |= {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"}


@pytest.fixture
def seen(tmp_path):
    """Return a function that has a worker run a user's function, and returns what that saw of the worker."""
    (tmp_path / "tells.py").write_text(TELLS)
    signature = {"inputs": [{"name": "x", "dtype": "int32", "shape": [None]}]}

    def look(**settings):
        job = dataset.whole_set_job(f"{tmp_path / 'tells.py'}:told", signature)
        with LocalExecutor(Settings(home=tmp_path / "home", offline=True, **settings)) as executor:
            (entry,) = executor.run(job)
        return json.loads(bytes(read_all(entry.out / "verification", "x").astype(np.uint8)))

    return look


def test_no_stray_variable_reaches_a_worker(seen, monkeypatch):
    """By a list of what may, so that the next one which somebody invents does not either."""
    for name in by_engines():  # what this machine's owner says of it
        monkeypatch.delenv(name)
    for name, value in STRAY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NAME_THAT_NOBODY_KNOWS_YET", "1")

    told = seen()["variables"]

    assert not {name for name in told if name not in KNOWN and not name.startswith("LC_")}
    assert not [value for value in told.values() if "secret" in value or "no/such" in value]


def test_a_worker_has_no_home_of_the_users(seen, monkeypatch, tmp_path):
    """There lie passwords, and settings of Keras that change what a model computes."""
    monkeypatch.setenv("HOME", str(tmp_path / "me"))

    told = seen()["variables"]

    assert Path(told["HOME"]) == Path(told["TMPDIR"])
    assert Path(told["HOME"]).is_relative_to(tmp_path / "home" / "store")


def test_a_preloaded_library_does_not_run_in_a_worker(seen, monkeypatch, tmp_path):
    """A real one, which the system's loader would run before the first line of Python."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("NOT TESTED: no C compiler on this machine (apt-get install gcc)")
    mark, library = tmp_path / "loaded", tmp_path / "preloaded.so"
    source = f'#include <stdio.h>\n__attribute__((constructor)) void go(void) {{ fclose(fopen("{mark}", "a")); }}\n'
    subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=source.encode(), check=True)
    subprocess.run([sys.executable, "-c", ""], env={**os.environ, "LD_PRELOAD": str(library)}, check=True)
    assert mark.exists()  # it does run where a program gets the variable
    mark.unlink()
    monkeypatch.setenv("LD_PRELOAD", str(library))

    seen()

    assert not mark.exists()


def test_code_on_pythons_own_path_does_not_run_in_a_worker(seen, monkeypatch, tmp_path):
    """`sitecustomize` is imported by every Python that finds it."""
    (tmp_path / "path").mkdir()
    mark = tmp_path / "imported"
    (tmp_path / "path" / "sitecustomize.py").write_text(f"open({str(mark)!r}, 'a').close()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))

    told = seen()

    assert not mark.exists()
    assert str(tmp_path / "path") not in told["search"]
