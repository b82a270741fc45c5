"""Builds for ARM boards with engines that other tests do not run there: 32 bits, and ONNX Runtime."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import stage

ENGINES = {
    "raspberry-pi-2": ("tflite-runtime 2.14.0", "armv7l", "armv7l with NEON", "cortex-a7"),
    "onnxruntime-linux-aarch64": ("onnxruntime 1.32.0", "aarch64", "aarch64 with NEON, no dot product", "cortex-a72"),
}
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


@pytest.fixture(scope="module")
def built(edge, sample, digits, tmp_path_factory):
    """Return what one command for all of these targets left, and its folder."""
    folder = tmp_path_factory.mktemp("arm")
    (folder / "few.toml").write_text(FEW.format(data=digits.with_suffix(".npz")))
    targets = [word for name in ENGINES for word in ("--target", name)]
    out = folder / "dist"
    return edge("build", sample, *targets, "--calibration", folder / "few.toml", "--out", out), out


@pytest.mark.parametrize("name", ENGINES)
def test_the_arm_build_is_what_ran(built, name):
    """On the core of the profile, and the report says so; time that an emulator took is in none of it."""
    ended, out = built
    assert ended.status == 0, ended.err
    report = json.loads((out / name / "report.json").read_text())

    device = report["runs"]["device"]
    assert (device["engine"], device["machine"], device["processor"], device["cpu"]) == ENGINES[name]
    assert device["emulator"].startswith("qemu ")
    assert report["runs"]["kernels"]["machine"] != device["machine"]
    assert stage(report, "total", "sqnr_db")["value"] > 25
    assert "latency not measured (emulated)" in ended.out
