"""The verbs that look for causes, from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def converted(edge, sample, digits, tmp_path_factory):
    """The sample's int8 artifact."""
    path = tmp_path_factory.mktemp("converted") / "model.tflite"
    ended = edge("convert", sample, "--scheme", "static_wi8_ai8", "--calibration", digits, "--out", path)
    assert ended.status == 0, ended.err
    return path


def test_debug_tells_each_layer_and_writes_what_other_tools_take(edge, sample, digits, converted, tmp_path):
    ended = edge(
        "debug", converted, "--source", sample, "--calibration", digits, "--samples", 8, "--out", tmp_path, "--json"
    )

    assert ended.status == 0, ended.err
    found = ended.document
    assert found["samples"] == 8
    assert len(found["layers"]) == 13
    assert found["suggestion"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "layers.json", "layers.png", "layers.svg", "model_explorer_cumulative.json", "model_explorer_isolated.json",
    ]  # fmt: skip


def test_debug_of_a_float_artifact_is_refused(edge, sample, digits, tmp_path):
    path = tmp_path / "model.tflite"
    assert edge("convert", sample, "--scheme", "float32", "--out", path).status == 0

    ended = edge("debug", path, "--source", sample, "--eval", digits)

    assert ended.status == 2
    assert "no quantized layer" in ended.err


def test_suggest_without_a_set_to_calibrate_with_says_what_to_write(edge, sample, digits, converted):
    ended = edge("debug", converted, "--source", sample, "--eval", digits, "--suggest")

    assert ended.status == 2
    assert "[reader]" in ended.err


def test_debug_of_no_sample_is_refused(edge, sample, digits, converted):
    ended = edge("debug", converted, "--source", sample, "--eval", digits, "--samples", 0)

    assert ended.status == 2
    assert "--samples 0" in ended.err


def test_lint_has_nothing_against_a_sound_set(edge, sample, digits):
    ended = edge("calibration", "lint", digits, "--source", sample)

    assert (ended.status, ended.out) == (0, f"{digits}: nothing to be said against it\n")


def test_lint_ends_with_1_where_a_build_would_be_stopped(edge, sample, digits, tmp_path):
    with np.load(digits.parent / "digits.npz") as held:
        np.savez(tmp_path / "wrong.npz", image=held["images"][:300].astype(np.float32) / 256)

    ended = edge("calibration", "lint", tmp_path / "wrong.npz", "--eval", digits, "--source", sample, "--json")

    assert ended.status == 1
    severe = [finding for finding in ended.document["findings"] if finding["severity"] == "error"]
    assert {finding["code"] for finding in severe} <= {"wrong-scale", "double-normalization"}
    assert all(finding["fix"] for finding in severe)


def test_lint_goes_by_limits_of_ones_own(edge, sample, digits, tmp_path):
    (tmp_path / "mine.toml").write_text(
        '[[limits]]\ncheck = "few"\nlimit = "samples"\nvalue = 1000\nbecause = "of a test"\n'
    )

    ended = edge("calibration", "lint", digits, "--source", sample, "--limits", tmp_path / "mine.toml", "--json")

    assert ended.status == 0
    assert "too-few-samples" in {finding["code"] for finding in ended.document["findings"]}


def test_limits_that_do_not_exist_are_refused_with_the_closest(edge, sample, digits, tmp_path):
    (tmp_path / "mine.toml").write_text('[[limits]]\ncheck = "few"\nlimit = "sample"\nvalue = 9\nbecause = "x"\n')

    ended = edge("calibration", "lint", digits, "--source", sample, "--limits", tmp_path / "mine.toml")

    assert ended.status == 2
    assert "samples" in ended.err


def test_a_set_can_be_shown(edge, digits):
    ended = edge("calibration", "show", digits, "--json")

    assert ended.status == 0
    assert ended.document["sampling"]["calibration"] == 200
    assert json.loads(json.dumps(ended.document["files"]))["path"].endswith("digits.npz")
