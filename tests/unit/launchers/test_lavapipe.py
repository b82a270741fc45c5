"""The launcher with the software Vulkan driver: what it refuses, and what it says where the driver cannot be had."""

from __future__ import annotations

import json

import pytest

from toolkit.environments.made_once import MARKER
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, UnknownName
from toolkit.launchers import lavapipe
from toolkit.launchers.emulation import vulkan
from toolkit.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", offline=True)


def test_it_has_no_options_and_starts_litert_alone(settings):
    """Other engines have no GPU delegate."""
    with pytest.raises(RequestError, match="launcher lavapipe: unknown option 'cpu'; it has none"):
        lavapipe.prepare("litert", {"cpu": "x"}, settings)
    with pytest.raises(UnknownName, match="environment on launcher lavapipe"):
        lavapipe.ready("tflite_runtime", {}, settings)


def test_without_the_driver_the_target_is_unavailable_with_the_command(settings):
    """Exit status 3 for that target; others go on."""
    with pytest.raises(
        TargetUnavailable, match=r"launcher lavapipe: .*not installed yet, and the network is off"
    ) as said:
        lavapipe.prepare("litert", {}, settings)

    assert "edge-toolkit setup lavapipe" in str(said.value.hint)
    assert not lavapipe.ready("litert", {}, settings)
    state = lavapipe.status(settings)
    assert (state.ready, state.fix) == (False, "edge-toolkit setup lavapipe")


def test_without_apt_the_reason_is_said(settings, tmp_path, monkeypatch):
    """Its parts are Debian packages; nothing is left behind."""
    monkeypatch.setenv("PATH", str(tmp_path))
    online = Settings(home=settings.home, offline=False)

    with pytest.raises(EnvironmentUnavailable, match="apt-get, apt-config, dpkg-deb, dpkg not found"):
        vulkan.make_driver(online)

    assert "apt-get" in str(lavapipe.status(online).problem)
    assert not list((settings.home / "systems").iterdir())


def test_a_driver_that_is_not_whole_is_none(settings):
    """A library that was removed by hand is made again."""
    folder = vulkan._folder(settings.home)
    (folder / "lib").mkdir(parents=True, mode=0o700)
    for place in (settings.home, settings.home / "systems", folder):
        place.chmod(0o700)
    for name in ("libvulkan_lvp.so", "libvulkan.so.1", "lavapipe.json"):
        (folder / "lib" / name).touch()
    package = {"package": "mesa-vulkan-drivers", "version": "25.0.7-2~bpo12+1", "architecture": "amd64", "sha256": "0"}
    (folder / MARKER).write_text(json.dumps({"release": "bookworm", "packages": [package]}))

    found = vulkan.find_driver(settings)

    assert found is not None
    assert (found.version, found.manifest.name) == ("25.0.7", "lavapipe.json")
    (folder / "lib" / "libvulkan.so.1").unlink()
    assert vulkan.find_driver(settings) is None
