"""Folders that lie in each other without end, lead into a bundle by a link, hold the user's home, or are gone: none ends in an internal error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from tests.attacks.deep_folders import deep
from toolkit.errors import RequestError
from toolkit.files.manifest import enclosing, verified
from toolkit.files.manifest import write as write_manifest
from toolkit.jobs.access import access_of
from toolkit.jobs.job import Engine, Job, path_digest
from toolkit.samples.readers import audio
from toolkit.settings.permissions import Permissions
from toolkit.source.loading.own_files import links_out

DIGITS = Path(toolkit.__file__).parent / "sample" / "digits"


@pytest.fixture(params=[1100, 2200], ids=["recursion", "paths"])
def endless(request):
    """Return what puts folders in each other into a folder; see `bottomless`."""
    return lambda folder: deep(folder, request.param)


def bundle(folder: Path) -> Path:
    (folder / "runs").mkdir(parents=True)
    (folder / "report.json").write_text("{}")
    write_manifest(folder, {"target": "host", "verdict": "passed", "artifact": None})
    return folder


def looked_through(ask, folder: Path) -> None:
    """Ask something of a folder: it answers, or says that the folder is too deep; which of both is Python's matter."""
    problem = None
    try:
        ask(folder)
    except RequestError as error:
        problem = error.problem
    assert problem is None or (str(folder) in problem and "in each other" in problem)


@pytest.mark.parametrize("ask", [path_digest, links_out, audio.recognize], ids=["digest", "links", "samples"])
def test_what_the_user_names_may_be_too_deep(endless, bottomless, ask):
    shutil.copytree(DIGITS, bottomless / "model")
    endless(bottomless / "model" / "assets" / "deep")

    looked_through(ask, bottomless / "model")


def test_a_bundle_may_be_too_deep(endless, bottomless):
    folder = bundle(bottomless / "host")
    endless(folder / "runs" / "deep")

    looked_through(verified, folder)


def test_a_link_into_a_bundle_leads_into_it(tmp_path):
    """What was written by it lay in the bundle, which then was no longer as it was written, and refused."""
    folder = bundle(tmp_path / "dist" / "host")
    (tmp_path / "link").symlink_to(folder / "runs")
    (tmp_path / "host").symlink_to(folder)

    assert enclosing(tmp_path / "link" / "baseline.json") == folder
    assert enclosing(tmp_path / "host") is None
    assert enclosing(tmp_path / "baseline.json") is None


@pytest.mark.parametrize("above", ["", "homes", "homes/me"])
def test_code_beside_or_above_the_home_reads_nothing_that_is_hidden_in_it(tmp_path, monkeypatch, above):
    """From a folder above the home, the home was read as one of the folders in it, with the keys that are hidden there."""
    home = tmp_path / "homes" / "me"
    (home / ".ssh").mkdir(parents=True)
    (home / "project").mkdir()
    (tmp_path / "homes" / "other").mkdir()
    (home / "around").symlink_to(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    folder = tmp_path / above
    job = Job("mine", "comparison.user_metric", "measure", Engine("dataset"), {"folder": str(folder)}, user_code=True)

    reads = [Path(os.path.realpath(path)) for path in access_of(job, [], Permissions()).reads]

    assert home / "project" in reads
    assert (tmp_path / "homes" / "other" in reads) == (above != "homes/me")
    assert not any(path == home or path in home.parents or home / ".ssh" == path for path in reads)


def test_a_current_folder_that_is_gone_is_said_so(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    command = "import os, sys; os.rmdir(os.getcwd()); sys.argv = ['edge-toolkit', 'inspect', 'x']; from toolkit.__main__ import main; main()"

    done = subprocess.run([sys.executable, "-c", command], cwd=gone, capture_output=True, text=True, check=False)

    assert done.returncode == 2, done.stderr
    assert "internal" not in done.stderr
