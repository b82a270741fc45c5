"""The sample for microcontrollers: built, judged on TFLite Micro itself, and what is refused before it runs there."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.conftest import stage

BOARD = "arduino-nano-33-ble"


@pytest.fixture(scope="module")
def built(edge, sample, digits, tmp_path_factory):
    """Return what the build of the sample printed, its report, and its folder."""
    out = tmp_path_factory.mktemp("dist")
    ended = edge("build", sample, "--target", BOARD, "--calibration", digits, "--out", out)
    assert ended.status == 0, ended.err
    return ended, json.loads((out / BOARD / "report.json").read_text()), out / BOARD


def test_the_sample_passes_on_tflite_micro(built):
    """Integer inside and at its edges, and the runtime of the profile judged it, over all samples."""
    _, report, folder = built
    signature = report["artifact"]["signature"]

    assert report["verdict"] == "passed"
    assert report["artifact"]["scheme"] == "static_wi8_ai8"
    assert [spec["dtype"] for side in ("inputs", "outputs") for spec in signature[side]] == ["int8", "int8"]
    assert signature["inputs"][0]["shape"] == [1, 8, 8, 1]
    assert report["runs"]["kernels"]["engine"] == "tflite-micro 0.dev20261023182759"
    assert report["runs"]["kernels"]["samples"] == 500
    assert (folder / "model.tflite").is_file()


def test_its_kernels_are_those_of_other_integer_engines(built):
    """They round half-way cases otherwise now and then, by one step of 1/256, and no more."""
    _, report, _ = built

    assert stage(report, "kernels", "max_abs")["value"] <= 1 / 256


def test_nobody_takes_this_machine_for_the_board(built, edge):
    """Neither in the first lines of a report, nor in its JSON, nor in the list of targets."""
    ended, report, folder = built
    said = "on this machine's processor, not on the board's"

    assert said in " ".join(ended.out.split("size ")[0].split())
    assert said in (folder / "report.md").read_text().partition("## Bounds")[0]
    assert report["verified"] == {
        "how": f"executed {said}; not timed",
        "host": True,
        "emulated": False,
        "timed": False,
        "stands_in": True,
        "static": False,
    }
    assert f"verified: executed {said}; not timed" in edge("targets", "list").out


def test_the_arena_is_the_least_that_runs(built):
    """It is held against the board's memory, and what is recommended is more."""
    ended, report, _ = built
    arena = report["arena"]

    assert arena["head_bytes"] + arena["tail_bytes"] == arena["recorded_bytes"]
    assert arena["recorded_bytes"] <= arena["least_bytes"] < arena["recommended_bytes"]
    assert report["budget"]["arena_bytes"] == {"spent": arena["least_bytes"], "limit": 262_144, "passed": True}
    assert report["budget"]["flash_bytes"]["spent"] == report["artifact"]["size_bytes"]
    assert f"arena {arena['recommended_bytes']} bytes: 25% over the {arena['least_bytes']}" in " ".join(
        ended.out.split()
    )


def test_an_arena_one_step_too_small_does_not_pass(built, edge, sample, digits, profile, tmp_path):
    """Nothing ships for a board with 16 bytes less than the model needs; with just as much as it needs it passes."""
    _, report, _ = built
    least = report["arena"]["least_bytes"]
    names = {"just": least, "less": least - 16}
    paths = [profile(name, f"[budget]\narena_bytes = {limit}", BOARD) for name, limit in names.items()]
    chosen = [word for path in paths for word in ("--target", path)]

    ended = edge("build", sample, *chosen, "--calibration", digits, "--out", tmp_path / "dist", "--json")

    assert ended.status == 1
    just, less = (ended.document["targets"][name] for name in names)
    assert just["verdict"] == "passed"
    assert less["verdict"] == "failed"
    assert less["budget"]["arena_bytes"] == {"spent": least, "limit": least - 16, "passed": False}
    assert not (tmp_path / "dist" / "less" / "model.tflite").exists()


def test_the_bundle_has_the_model_for_firmware(built):
    """The array is the file that was judged, and the arena the one that is recommended."""
    _, report, folder = built
    source, header = (folder / "model.cc").read_text(), (folder / "model.h").read_text()

    assert (
        bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", source))
        == (folder / "model.tflite").read_bytes()
    )
    assert f"g_model_arena_bytes = {report['arena']['recommended_bytes']};" in header
    assert {"model.cc", "model.h"} <= json.loads((folder / "manifest.json").read_text())["files"].keys()


def test_inspect_tells_the_arena_without_samples(built, edge, profile):
    """As the build measured it; a board with a step less of memory is a budget that is exceeded."""
    _, report, folder = built
    least = report["arena"]["least_bytes"]
    less = profile("less", f"[budget]\narena_bytes = {least - 16}", BOARD)

    ended = edge("inspect", folder / "model.tflite", "--target", "rp2040", "--target", less, "--json")

    assert ended.status == 1
    fits, exceeds = ended.document["targets"]["rp2040"], ended.document["targets"]["less"]
    assert fits["error"] is None
    assert fits["arena"]["least_bytes"] == least
    assert [found["code"] for found in exceeds["error"]["findings"]] == ["memory-over-budget"]
    shown = edge("inspect", folder / "model.tflite", "--target", "rp2040").out
    assert f"rp2040: arena {report['arena']['recommended_bytes']} bytes: 25% over the {least}" in shown


def test_a_float_model_is_refused_by_a_board_of_integers(edge, sample, tmp_path):
    """Its operators are named, and how to make what the board takes."""
    file = tmp_path / "float.tflite"
    assert edge("convert", sample, "--scheme", "float32", "--out", file).status == 0

    ended = edge("inspect", file, "--target", "rp2040")

    assert ended.status == 2
    assert re.search(r"computes in integers only; float32 has floats in .*CONV_2D", ended.out)
    assert "--scheme static_wi8_ai8" in ended.out
