"""Whole builds for the GPU of a phone, on the software driver: one that ships, and one that must not, of the same network."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import stage
from toolkit.errors import EnvironmentUnavailable
from toolkit.launchers.emulation import debian, vulkan
from toolkit.settings import Settings

GPU = "android-gpu"


@pytest.fixture(scope="module")
def networks(made, home):
    """Return the folder that make_gpu_networks.py writes; skipped, loudly, only where the driver cannot be had at all."""
    try:
        vulkan.make_driver(Settings(home=home))
    except EnvironmentUnavailable as error:
        if debian.missing_programs() or "network" in error.problem or "no Debian archive" in error.problem:
            pytest.skip(f"NOT TESTED, the software Vulkan driver is not available here: {error}")
        raise
    return made("make_gpu_networks.py")


@pytest.fixture(scope="module")
def build(edge, networks, tmp_path_factory):
    """Return a function that builds the network with one of the sets: exit status, report, and the bundle's folder."""

    def run(samples):
        out = tmp_path_factory.mktemp(samples)
        ended = edge(
            "build", networks / "summed", "--target", GPU, "--eval", networks / f"{samples}.npz",
            "--out", out / "dist", "--json",
        )  # fmt: skip
        assert ended.status in (0, 1), ended.err
        return ended.status, ended.document["targets"][GPU], out / "dist" / GPU

    return run


def test_a_network_within_float16_ships(build):
    """Its stages are the CPU, the delegate in float32, and the delegate in float16; each near the one before it."""
    status, report, folder = build("small")

    assert (status, report["verdict"]) == (0, "passed")
    assert list(report["runs"])[-3:] == ["kernels", "delegate", "precision"]
    assert report["runs"]["precision"]["emulator"].startswith("Mesa lavapipe ")
    assert stage(report, "precision", "sqnr_db")["value"] > 40
    assert [each["severity"] for each in report["findings"] if each["code"] == "delegated"] == ["info"]
    assert (folder / "model.tflite").is_file()


def test_the_same_network_beyond_float16_does_not(build):
    """The sum is 102,400: a phone has infinity there, which this driver does not have. So it is found in the float run, and no run is believed."""
    status, report, folder = build("large")

    assert (status, (folder / "model.tflite").exists()) == (1, False)
    assert report["verdict"] in ("failed", "inconclusive")
    (said,) = [each for each in report["findings"] if each["code"] == "activations-beyond-float16"]
    assert said["severity"] == "inconclusive"
    assert "65,504" in said["message"]
    assert said["names"]
