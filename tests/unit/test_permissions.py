"""What the user allows his own code: checked before the work, told in keys, and said again in what is proposed next."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import RequestError
from toolkit.executor import Executor
from toolkit.permissions import Permissions
from toolkit.settings import Settings
from toolkit.source import Original, _options


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

    with Executor(settings) as allowed, Executor(Settings(tmp_path)) as plain:
        built, bare = Original(tmp_path, builder="net:make"), Original(tmp_path)
        assert _options(built, "checkpoint", allowed)["permissions"] == {"read": [str(tmp_path)], "network": True}
        assert "permissions" not in _options(built, "checkpoint", plain)
        assert _options(bare, "checkpoint", allowed) == _options(bare, "checkpoint", plain)


def test_what_was_allowed_is_said_again_as_flags(tmp_path, monkeypatch):
    """In the order of the help."""
    monkeypatch.setenv("OURS", "1")

    flags = list(Permissions((tmp_path,), network=True, variables=("OURS",)).flags())

    assert flags == ["--allow-read", str(tmp_path), "--allow-network", "--allow-env", "OURS"]
    assert not list(Permissions().flags())
