"""What the user allows his own code: checked before the work, told in keys, and said again in what is proposed next."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.errors import RequestError
from toolkit.jobs.access import Access, access_of
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings
from toolkit.settings.permissions import Permissions
from toolkit.source.loading_job import options_of
from toolkit.source.original import Original


def test_all_mistakes_are_said_at_once_with_the_closest_names(tmp_path, monkeypatch):
    """Before anything is started that would miss them after minutes."""
    (tmp_path / "vocabulary.txt").touch()
    monkeypatch.setenv("OUR_DATA", "/data")

    with pytest.raises(RequestError) as caught:
        Permissions((tmp_path / "vocabulary.text", tmp_path / "no" / "such"), variables=("OUR_DATE",))

    assert caught.value.problem.splitlines() == [
        f"--allow-read {tmp_path}/vocabulary.text: no such file or folder; did you mean '{tmp_path}/vocabulary.txt'?",
        f"--allow-read {tmp_path}/no/such: no such file or folder",
        "--allow-env OUR_DATE: is not set here; did you mean 'OUR_DATA'?",
    ]


def test_paths_are_of_the_current_folder_and_of_the_users_home(tmp_path, monkeypatch):
    """A shell leaves `~` alone behind `=`, and workers have other current folders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()

    assert Permissions((Path("data"), Path("~/data"), Path("./data/.."))).read == (
        tmp_path / "data",
        tmp_path / "data",
        tmp_path,
    )


def test_a_builders_jobs_are_known_by_what_it_may_read_and_reach(tmp_path):
    """It may do something else where it is denied; what nobody brought code for does not depend on it."""
    settings = Settings(tmp_path, permissions=Permissions((tmp_path,), network=True))

    with LocalExecutor(settings) as allowed, LocalExecutor(Settings(tmp_path)) as plain:
        built, bare = Original(tmp_path, builder="net:make"), Original(tmp_path)
        assert options_of(built, "checkpoint", allowed)["permissions"] == {"read": [str(tmp_path)], "network": True}
        assert "permissions" not in options_of(built, "checkpoint", plain)
        assert options_of(bare, "checkpoint", allowed) == options_of(bare, "checkpoint", plain)


def test_only_the_users_own_code_has_what_he_allows(tmp_path):
    """A model that was not asked for reads and reaches nothing more by it."""
    allowed = Permissions((tmp_path,), network=True)
    model, own = tmp_path / "model", tmp_path / "project"
    job = Job("inspect", "execution.infer", "run", Engine("litert"))
    built = replace(job, user_code=True, options={"builder": {"folder": str(own)}})

    assert access_of(job, [model], allowed) == Access((str(model),))
    assert access_of(built, [model], Permissions()) == Access((str(model), str(own)), user_code=True)
    assert access_of(built, [model], allowed) == Access(
        (str(model), str(own), str(tmp_path)), network=True, user_code=True
    )


def test_the_users_code_has_the_folder_of_its_file(tmp_path):
    """A set's function and a metric are named by their file, beside which their data lie."""
    file = tmp_path / "project" / "metric.py"
    job = Job("metric", "comparison.user_metric", "measure", Engine("dataset"), {}, user_code=True)

    assert access_of(job, [file], Permissions()).reads == (str(file), str(file.parent))
    assert access_of(replace(job, user_code=False), [file], Permissions()).reads == (str(file),)


def test_what_was_allowed_is_said_again_as_flags(tmp_path, monkeypatch):
    """In the order of the help."""
    monkeypatch.setenv("OURS", "1")

    flags = list(Permissions((tmp_path,), network=True, variables=("OURS",)).flags())

    assert flags == ["--allow-read", str(tmp_path), "--allow-network", "--allow-env", "OURS"]
    assert not list(Permissions().flags())


def test_pytests_own_settings_say_it_for_tests(tmp_path):
    """Paths are relative to the file that says so, wherever pytest is started."""
    (tmp_path / "data").mkdir()
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nedge_allow_read = data\nedge_allow_network = true\nedge_allow_env = PATH\n"
    )
    (tmp_path / "test_it.py").write_text(
        "def test_it(edge_executor):\n"
        "    said = edge_executor.settings.permissions\n"
        f"    assert [str(path) for path in said.read] == [{str(tmp_path / 'data')!r}]\n"
        "    assert (said.network, said.variables) == (True, ('PATH',))\n"
    )

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", tmp_path], capture_output=True, text=True, check=False, cwd="/"
    )

    assert ended.returncode == 0, ended.stdout
