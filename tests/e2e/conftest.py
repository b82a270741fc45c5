"""The program as its users start it: a command in a process of its own, or the Python functions; small models, and samples for them."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import toolkit
from tests.e2e.maker import Maker
from tests.shared_workers import SharedWorkers, command
from toolkit.confinement import ability
from toolkit.environments import resolve
from toolkit.settings import Settings
from toolkit.wire.shards import read_all

HERE = Path(__file__).resolve().parent
PACKAGE = Path(toolkit.__file__).resolve().parent
SHARED = HERE.parents[2] / "shared" / "models"
PATIENCE_S = 1200  # on a machine that does other things; most commands take half a minute


@pytest.fixture(scope="session", autouse=True)
def _confined():
    """Skip what loads models that are not the toolkit's own where nothing confines them: each command would want --trust, and say so."""
    if not ability().confines:
        pytest.skip(f"NOT TESTED: whole builds of models; {ability()}")


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class CommandLine:
    """`edge-toolkit`, with this session's cache folder or another.

    With workers to share, a command that says nothing of where it runs is run in the process of the tests.
    """

    def __init__(self, workers: SharedWorkers | None = None) -> None:
        self._workers = workers

    def __call__(self, *arguments: object, **where: Any) -> Ended:
        """Return what a command left; whatever it was asked for, it may not end in a traceback. `where`: see `start`."""
        if where or self._workers is None:
            return self.process(*arguments, **where)
        return _looked_at(Ended(*command([*map(str, arguments)], PACKAGE.parent, self._workers)))

    def process(self, *arguments: object, patience: float = PATIENCE_S, **where: Any) -> Ended:
        """Return what a command left that had a process of its own, as users' have."""
        process = self.start(*arguments, **where)
        try:
            out, err = process.communicate(timeout=patience)
        finally:
            process.kill()
        return _looked_at(Ended(process.returncode, out, err))

    def start(
        self,
        *arguments: object,
        home: Path | None = None,
        folder: Path | None = None,
        prefix: Sequence[str] = (),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.Popen[str]:
        """Start a command and return its process; `prefix` is what starts it, in other surroundings say."""
        there = (
            os.environ
            | {"PYTHONPATH": str(PACKAGE.parent)}
            | ({"EDGE_TOOLKIT_HOME": str(home)} if home else {})
            | variables
        )
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "toolkit", *map(str, arguments)],
            cwd=folder or PACKAGE.parent,
            env={name: value for name, value in there.items() if name != "PYTHONDONTWRITEBYTECODE"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _looked_at(ended: Ended) -> Ended:
    assert "Traceback (most recent call last)" not in ended.out + ended.err, ended.err
    assert "internal error" not in ended.err, ended.err
    return ended


@pytest.fixture(scope="session")
def edge(workers):
    """Return the command line."""
    return CommandLine(workers)


@pytest.fixture(scope="session")
def tensorflow_python(home):
    """Return the interpreter that holds TensorFlow."""
    return resolve("tensorflow", settings=Settings(home=home)).python


@pytest.fixture(scope="session")
def made(tensorflow_python, tmp_path_factory):
    """Return a function that runs one of the scripts make_*.py, and returns the folder that it wrote.

    Each is run once in a session, also where several processes share the tests out among them: what it writes is read only.
    """
    together = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        together = together.parent
    with contextlib.ExitStack() as makers:

        @functools.cache
        def maker(python: Path) -> Maker:
            return makers.enter_context(Maker(python))

        @functools.cache
        def run(script: str, *more: str, python: Path = tensorflow_python) -> Path:
            asked = hashlib.sha256(repr((script, more, str(python))).encode()).hexdigest()[:8]
            folder = together / f"{script.removesuffix('.py')}-{asked}"
            with open(folder.with_suffix(".lock"), "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not folder.with_suffix(".whole").exists():
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir()
                    said = folder.with_suffix(".said")
                    status = maker(python).run(HERE / script, [str(folder), *more], said)
                    assert status == 0, said.read_text()[-4000:]
                    folder.with_suffix(".whole").touch()
            return folder

        yield run


@pytest.fixture(scope="session")
def models(made):
    """Return the folder of the models that make_models.py writes; resnet8 is among them where its weights are at hand."""
    weights = SHARED / "resnet8" / "pretrainedResnet.h5"
    return made("make_models.py", *([str(weights)] if weights.is_file() else []))


FEW = """
[reader]
kind   = "arrays"
path   = "{data}"
inputs = {{ image = "images" }}
labels = "labels"
[preprocess]
dtype  = "float32"
[sampling]
calibration  = 100
verification = 60
"""


@pytest.fixture(scope="session")
def few(digits, tmp_path_factory):
    """Return a recipe of a few of the sample's images."""
    path = tmp_path_factory.mktemp("recipes") / "few.toml"
    path.write_text(FEW.format(data=digits.with_suffix(".npz")))
    return path


@pytest.fixture
def arrays(tmp_path):
    """Return a function that writes an .npz (float64 becomes float32) and returns its path."""

    def write(name: str = "samples.npz", **held: Any) -> Path:
        path = tmp_path / name
        np.savez(path, **{key: _single(np.asarray(array)) for key, array in held.items()})
        return path

    return write


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else array


@pytest.fixture
def vectors(arrays):
    """Return samples for the models that take x (1, 6)."""
    return arrays("vectors.npz", x=np.random.default_rng(0).normal(size=(400, 6)))


@pytest.fixture
def profile(tmp_path):
    """Return a function that writes a hardware profile which extends another, and returns its path."""

    def write(name: str, text: str, extends: str = "host") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(f'name = "{name}"\nabout = "of a test"\nextends = "{extends}"\n{text}\n')
        return path

    return write


@pytest.fixture
def recipe(tmp_path):
    """Return a function that writes a recipe and returns its path."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return path

    return write


def apart(script: str, *flags: str) -> tuple[str, ...]:
    """Return what starts a command in namespaces of its own (unshare's `flags`), after a script for sh; skip where this may not be done."""
    unshare = ("unshare", "--user", "--map-root-user", *flags)
    tried = subprocess.run([*unshare, "sh", "-c", script], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no namespaces here: {' '.join(unshare)}: {tried.stderr.strip() or tried.returncode}")
    return (*unshare, "sh", "-c", f'{script} && "$@"', "sh")


def processes_of(home: Path, patience_s: float = 60.0) -> list[str]:
    """Return the processes that still work with a cache folder, given a moment to end: by their variables, arguments, folder or open files.

    A worker's child may have left its session and its group, or have other variables than the command that started it.
    """
    deadline = time.monotonic() + patience_s
    while True:
        left = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid() and _works_with(folder, str(home)):
                with contextlib.suppress(OSError):
                    command = (folder / "cmdline").read_bytes().replace(bytes(1), b" ").decode(errors="replace")
                    left.append(f"{folder.name} {command}")
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _works_with(process: Path, home: str) -> bool:
    with contextlib.suppress(OSError):
        if f"EDGE_TOOLKIT_HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0"):
            return True
        if f"{home}/".encode() in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
            return True
        opened = [process / "cwd", *(process / "fd").iterdir()]
        return any(os.readlink(link).startswith(f"{home}/") for link in opened)
    return False


def unfinished(home: Path) -> list[str]:
    """Return the folders in a store that hold something and belong to no finished job."""
    return sorted(path.name for path in (home / "store" / "work").iterdir() if any(path.iterdir()))


def finished(home: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield (folder, manifest) of every finished job of a store."""
    for manifest in (home / "store" / "objects").glob("*/*/manifest.json"):
        yield manifest.parent, json.loads(manifest.read_text())


def sha256(path: Path) -> str:
    """Return a file's hash, not by the program's own code."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip_a_bit(path: Path, where: float = 0.5) -> None:
    """Damage one byte of a file, at that part of its length."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * where)] ^= 0x10
    path.write_bytes(content)


def copied(folder: Path, place: Path) -> Path:
    """Return a copy of a folder that may be written to."""
    shutil.copytree(folder, place)
    return place


def scores(report: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the scores of a report's one task metric, by stage."""
    (task,) = report["tasks"]
    return task["scores"]


def stage(report: dict[str, Any], name: str, metric: str, output: str | None = None) -> dict[str, Any]:
    """Return the one comparison of a stage by a metric."""
    (found,) = (
        comparison
        for comparison in report["comparisons"]
        if (comparison["stage"], comparison["metric"]) == (name, metric) and output in (None, comparison["output"])
    )
    return found


def outputs_of(run: Any) -> dict[str, np.ndarray]:
    """Return a run's outputs by name, (N, *shape)."""
    return {spec.name: read_all(run.outputs, spec.name) for spec in run.signature.outputs}
