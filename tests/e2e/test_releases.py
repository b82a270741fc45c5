"""Profiles that name another release of their runtime than the pinned one: that release is what runs, and what the report says."""

from __future__ import annotations

import json

import pytest

from toolkit import environments
from toolkit.settings import Settings

# By the profile that another one extends: the environment of its runtime, the package, and another release than the pinned one.
OTHERS = {"host": ("litert", "ai-edge-litert", "2.1.0"), "onnxruntime-host": ("onnxruntime", "onnxruntime", "1.24.4")}


@pytest.fixture(scope="module")
def network(edge):
    """Skip where the releases are neither there nor to be had."""
    ended = edge("setup", "litert==2.1.0", "onnxruntime==1.24.4")
    if "could not reach the network" in ended.err:
        pytest.skip("NOT TESTED: other releases of engines; the package index cannot be reached")
    assert ended.status == 0, ended.err
    return ended


def test_setup_shows_the_releases_and_their_locks(network):
    """Each with the file that pins all that it consists of."""
    for name, engine in (("litert==2.1.0", "ai-edge-litert 2.1.0"), ("onnxruntime==1.24.4", "onnxruntime 1.24.4")):
        (line,) = (line for line in network.out.splitlines() if f" {name} " in line)
        assert engine in line
        assert f"locks/{name}/requirements.txt" in line


@pytest.mark.usefixtures("network")
def test_two_releases_of_two_engines_run_in_one_build(edge, profile, sample, digits, tmp_path):
    """The profile's own on the target, the pinned one where the toolkit itself runs a model; report and bundle say which."""
    older = {
        name: profile(f"older-{name}", f'[runtime]\nversion = "{other}"', name)
        for name, (_, _, other) in OTHERS.items()
    }
    targets = [word for path in (*older.values(), "host") for word in ("--target", path)]

    ended = edge(
        "build", sample, *targets, "--calibration", digits, "--scheme", "static_wi8_ai8", "--out", tmp_path / "dist"
    )

    assert ended.status == 0, ended.err
    for name, path in older.items():
        environment, package, other = OTHERS[name]
        runs = json.loads((tmp_path / "dist" / path.stem / "report.json").read_text())["runs"]
        assert runs["kernels"]["engine"] == f"{package} {other}"
        assert runs["quantization"]["engine"] == f"{package} {environments.version(environment)}"
        assert f" samples on {package} {other} (" in ended.out
        assert f"{package} {other}" in (tmp_path / "dist" / path.stem / "report.md").read_text()
    assert (
        json.loads((tmp_path / "dist" / "host" / "report.json").read_text())["runs"]["kernels"]["engine"]
        == "ai-edge-litert 2.3.0"
    )


def test_a_release_that_is_not_there_is_asked_for_without_network(edge, profile, sample, digits, tmp_path):
    """With the command that makes it; nothing else is run in its place."""
    path = profile("older", '[runtime]\nversion = "2.0.2"')
    assert environments.find("litert==2.0.2", Settings()) is None

    ended = edge("build", sample, "--target", path, "--calibration", digits, "--offline", "--out", tmp_path / "dist")

    assert ended.status == 3
    assert "environment litert==2.0.2: not installed yet, and the network is off (offline)" in ended.out + ended.err
    assert "`edge-toolkit setup litert==2.0.2` once with network" in ended.out + ended.err
    assert not list(tmp_path.rglob("model.tflite"))
