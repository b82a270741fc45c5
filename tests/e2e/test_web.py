"""Targets in a browser: built, executed in a page, and each reason why a page cannot run a file said in words."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import stage
from toolkit.launchers import chromium
from toolkit.settings import Settings


@pytest.fixture(scope="module", autouse=True)
def _browser():
    """Skip loudly where a browser, or what runs in its page, is not here."""
    state = chromium.status(Settings())
    if not state.ready:
        pytest.skip(f"NOT TESTED: web targets; {state.problem}")


@pytest.fixture(scope="module")
def built(edge, sample, digits, tmp_path_factory):
    """Return what a build of the sample for a page left, and its folder."""
    out = tmp_path_factory.mktemp("dist")
    return edge("build", sample, "--calibration", digits, "--target", "web-wasm", "--out", out, "--json"), out


def test_the_sample_runs_in_a_page(built):
    """The integers of native kernels: Wasm has the same ones. The report says what ran where."""
    ended, out = built
    assert ended.status == 0, ended.err
    report = json.loads((out / "web-wasm" / "report.json").read_text())

    assert report["verdict"] == "passed"
    assert report["tools"]["LiteRT.js"] == "2.5.3"
    ran = report["runs"]["device"]
    assert (ran["launcher"], ran["accelerator"]) == ("chromium", "wasm")
    assert ran["browser"].startswith("Chromium ")
    assert "emulator" not in ran
    assert not ran["confined"].startswith("not confined")
    assert stage(report, "device", "max_abs")["value"] == 0


def test_where_there_is_no_browser_other_targets_still_finish(edge, sample, digits, tmp_path):
    """The one target is unavailable, with how to get one; exit status 3."""
    targets = ("--target", "web-wasm", "--target", "host")
    asked = ("build", sample, "--calibration", digits, *targets, "--out", tmp_path, "--json")

    ended = edge(*asked, variables={"EDGE_TOOLKIT_CHROMIUM": "/no/such/browser"})

    assert ended.status == 3
    found = ended.document["targets"]
    assert found["host"]["verdict"] == "passed"
    assert "no such program" in json.dumps(found["web-wasm"])
    assert (tmp_path / "host" / "model.tflite").is_file()
    assert not (tmp_path / "web-wasm").exists()
