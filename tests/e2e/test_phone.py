"""A build for the phone that opened the page of serve-device, as its user does it: two commands, and a browser in the phone's part."""

from __future__ import annotations

import contextlib
import json
import signal

import pytest

from tests.e2e.conftest import stage
from tests.integration.launchers.browser_phone import BrowserPhone

ONNX = """
schemes = ["float32"]
[runtime]
launcher = "phone"
options  = { accelerator = "wasm" }
"""


@pytest.fixture(scope="module")
def browser():
    """Return a browser; skipped, loudly, only where there is none."""
    found = BrowserPhone()
    yield found
    found.close()


@contextlib.contextmanager
def served(edge, home):
    """Run serve-device; yield its first document, and a list to which its later lines are added when it has ended."""
    process = edge.start("serve-device", "--address", "127.0.0.1", "--json", home=home)
    lines: list[str] = []
    try:
        text = ""
        for line in process.stdout:
            text += line
            with contextlib.suppress(ValueError):
                yield json.loads(text), lines
                break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        lines += said.splitlines()
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.wait()


def test_a_build_runs_on_the_phone(edge, browser, sample, few, profile, fresh_home, tmp_path):
    """With both engines; the report says whose numbers and whose times they are."""
    mine = profile("my-phone", ONNX, extends="web-onnx")
    asked = ("--calibration", few, "--target", "phone-browser", "--target", mine, "--out", tmp_path / "dist", "--json")
    with served(edge, fresh_home) as (said, lines):
        browser.connect(said["link"])
        ended = edge("build", sample, *asked, home=fresh_home)

    assert ended.status == 0, ended.err + "\n".join(lines)
    report = json.loads((tmp_path / "dist" / "phone-browser" / "report.json").read_text())
    ran = report["runs"]["device"]
    assert (ran["launcher"], ran["engine"]) == ("phone", "LiteRT.js 2.5.3")
    assert "HeadlessChrome" in ran["browser"]
    assert "emulator" not in ran
    assert stage(report, "device", "max_abs")["value"] == 0
    other = json.loads((tmp_path / "dist" / "my-phone" / "report.json").read_text())["runs"]["device"]
    assert (other["launcher"], other["engine"]) == ("phone", "onnxruntime-web 1.30.0")
    assert any("opened the page: Mozilla/5.0" in line for line in lines)
    assert any("a job begins: model.tflite" in line for line in lines)
    assert "the phone that opened the page" in (tmp_path / "dist" / "phone-browser" / "report.md").read_text()


@pytest.mark.slow
def test_without_a_phone_other_targets_finish(edge, sample, few, fresh_home, tmp_path):
    """Exit status 3, with what to do, before anything is converted for it."""
    targets = ("--target", "phone-browser", "--target", "host")
    ended = edge("build", sample, "--calibration", few, *targets, "--out", tmp_path, "--json", home=fresh_home)

    assert ended.status == 3
    found = ended.document["targets"]
    assert found["host"]["verdict"] == "passed"
    said = json.dumps(found["phone-browser"])
    assert "launcher phone: no phone is served on this machine" in said
    assert "edge-toolkit serve-device" in said
    assert not (tmp_path / "phone-browser").exists()
