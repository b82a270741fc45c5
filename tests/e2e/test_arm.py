"""Builds for ARM boards with engines that other tests do not run there: 32 bits, and ONNX Runtime; and a fault that only the boards have."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import stage

ENGINES = {
    "raspberry-pi-2": ("tflite-runtime 2.14.0", "armv7l", "armv7l with NEON", "cortex-a7"),
    "onnxruntime-linux-aarch64": ("onnxruntime 1.32.0", "aarch64", "aarch64 with NEON, no dot product", "cortex-a72"),
    "onnxruntime-mobile": ("onnxruntime 1.32.0", "aarch64", "aarch64 with NEON, no dot product", "cortex-a53"),
}


@pytest.fixture(scope="module")
def built(edge, sample, few, tmp_path_factory):
    """Return what one command for all of these targets left, and its folder."""
    targets = [word for name in ENGINES for word in ("--target", name)]
    out = tmp_path_factory.mktemp("arm")
    return edge("build", sample, *targets, "--calibration", few, "--out", out), out


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


def test_the_packed_file_is_judged_as_quantized_before_it_was_packed(built):
    """The file that runs holds integer operators already: so quantization is measured on the .onnx file, and kernels on the .ort, which ships."""
    _, out = built
    report = json.loads((out / "onnxruntime-mobile" / "report.json").read_text())

    assert report["artifact"]["path"] == "model.ort"
    assert (out / "onnxruntime-mobile" / "model.ort").read_bytes()[4:8] == b"ORTM"
    assert "com.microsoft.QLinearConv" in {one["name"] for one in report["artifact"]["operators"]}
    assert stage(report, "quantization", "sqnr_db")["value"] > 25
    assert stage(report, "kernels", "sqnr_db")["value"] > 25  # infinite if the same file had run on the same kernels
    assert (
        json.loads((out / "onnxruntime-linux-aarch64" / "report.json").read_text())["artifact"]["path"] == "model.onnx"
    )


@pytest.mark.slow
def test_a_wrong_kernel_of_one_release_is_caught_on_the_board_alone(edge, made, profile, tmp_path):
    """ONNX Runtime 1.22.0 adds int8 products in 16 bits on ARM without dot product; on x86 it is right, and so is the pinned release everywhere."""
    folder = made("make_extremes.py")
    older = profile("older", '[runtime]\nversion = "1.22.0"', "onnxruntime-linux-aarch64")
    targets = ("--target", older, "--target", "onnxruntime-linux-aarch64")
    sets = ("--source", folder / "layer", "--eval", folder / "samples.npz")

    ended = edge("verify", folder / "layer.onnx", *sets, *targets, "--out", tmp_path / "out")

    assert ended.status == 1, ended.err
    reports = {path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "out").glob("*/report.json")}
    wrong, right = reports["older"], reports["onnxruntime-linux-aarch64"]
    assert (wrong["verdict"], wrong["guilty_stage"]) == ("failed", "device")
    assert wrong["runs"]["device"]["engine"] == wrong["runs"]["kernels"]["engine"] == "onnxruntime 1.22.0"
    assert stage(wrong, "device", "sqnr_db")["value"] < 0
    assert stage(wrong, "kernels", "max_abs")["value"] == 0
    assert right["verdict"] == "passed"
    assert right["runs"]["device"]["engine"] == "onnxruntime 1.32.0"
    assert stage(right, "device", "max_abs")["value"] == 0
