"""A process that builds all day stays as it was after the first few builds."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.e2e.conftest import HERE, PACKAGE, PATIENCE_S, processes_of, unfinished

pytestmark = pytest.mark.slow
BUILDS = 20
SETTLED = 5  # builds until all is imported and Python's allocator has its pools


@pytest.fixture(scope="module")
def rounds(sample, digits, home, tmp_path_factory):
    """Return what each of twenty builds in one process left, and the folder that took its temporary files."""
    folder = tmp_path_factory.mktemp("often")
    (folder / "tmp").mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables |= {"PYTHONPATH": str(PACKAGE.parent), "TMPDIR": str(folder / "tmp")}
    command = [sys.executable, HERE / "build_often.py", sample, digits, folder / "dist", str(BUILDS)]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    return json.loads(ended.stdout), folder


def test_every_build_passes_and_does_its_runs_again(rounds):
    """Else the other tests here would show nothing."""
    found, _ = rounds

    assert len(found) == BUILDS
    assert all(each["passed"] for each in found)
    assert all(each["forgotten"] >= 3 for each in found[1:])


def test_memory_does_not_grow(rounds):
    """Neither from the first half of the settled builds to the second, nor as a trend through them."""
    found, _ = rounds
    resident_mb = np.array([each["resident_bytes"] for each in found[SETTLED:]]) / 1e6

    half = len(resident_mb) // 2
    assert resident_mb[-half:].mean() - resident_mb[:half].mean() < 1.0, resident_mb
    assert np.polyfit(np.arange(len(resident_mb)), resident_mb, 1)[0] < 0.1, resident_mb


@pytest.mark.parametrize("what", ["descriptors", "threads"])
def test_nothing_stays_open(rounds, what):
    """No file, pipe or lock, and no thread."""
    found, _ = rounds

    assert len({each[what] for each in found[1:]}) == 1, [each[what] for each in found]


def test_no_file_and_no_process_is_left(rounds, home):
    """Nothing in the temporary folder, nothing unfinished in the store, nothing beside the bundle."""
    _, folder = rounds

    assert list((folder / "tmp").iterdir()) == []
    assert [
        name for name in unfinished(home) if not name.startswith(f"host-{os.getpid()}-")
    ] == []  # workers that the tests share
    assert [path.name for path in (folder / "dist").iterdir()] == ["host"]
    assert processes_of(folder) == []
