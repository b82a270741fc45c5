"""One build for many targets: a table first, a row for each; what happens to one target never stops another."""

from __future__ import annotations

import json

import numpy as np
import pytest

import toolkit
from tests.conftest import linked_home
from toolkit.errors import RequestError
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings

SMALL = "schemes = ['float32']\n[budget]\nfile_bytes = 1000"
STRICT = """schemes = ['float32']
[[bounds]]
stage = "total"
output = "*"
metric = "sqnr_db"
limit = 1000
because = "a test"
"""
LACKING = {  # what is missing, and what brings it
    "raspberry-pi-4": ("launcher qemu: aarch64 emulation: ", "edge-toolkit setup qemu"),
    "android-gpu": ("launcher lavapipe: ", "edge-toolkit setup lavapipe"),
    "web-wasm": ("launcher chromium: ", "apt-get install chromium"),
}


@pytest.fixture
def few(digits, tmp_path):
    """Return some of the sample's images and labels, as a set."""
    with np.load(digits.with_name("digits.npz")) as held:
        np.savez(tmp_path / "few.npz", image=held["images"][:150].astype(np.float32), labels=held["labels"][:150])
    return tmp_path / "few.npz"


def test_one_passes_one_fails_one_is_refused_and_one_is_unavailable(edge, sample, few, profile, tmp_path):
    """Four rows and the gravest exit status; the target that passed has its bundle, wherever it stands in the request."""
    asked = ("web-wasm", profile("small", SMALL), profile("strict", STRICT), "host")
    targets = [word for each in asked for word in ("--target", each)]
    out, document = tmp_path / "dist", tmp_path / "verdict.md"
    command = ("build", sample, "--scheme", "float32", "--eval", few, *targets, "--out", out)
    missing = {"EDGE_TOOLKIT_CHROMIUM": "/no/such/browser", "COLUMNS": "80"}

    shown = edge(*command, "--report", f"markdown={document}", variables=missing)
    ended = edge(*command, "--json", variables=missing)

    assert (shown.status, ended.status) == (3, 3)
    table = shown.out.split("\n\n")[0].splitlines()
    assert table[0] == "4 verdicts: 1 passed, 1 not passed, 2 no verdict; exit status 3"
    assert max(map(len, table)) <= 80
    rows = [line.split()[0] for line in table[2:] if not line.startswith(" ")]
    assert rows == ["web-wasm", "small", "strict", "host"]
    said = " ".join(word for line in table for word in line.split())
    assert "unavailable: launcher chromium: EDGE_TOOLKIT_CHROMIUM='/no/such/browser': no such program" in said
    assert "does not fit (file-over-budget): small: float32: the file has " in said
    assert "float32: guilty stage " in said
    summary = {row["target"]: row for row in ended.document["summary"]}
    assert {name: (row["outcome"], row["error"], row["shipped"]) for name, row in summary.items()} == {
        "web-wasm": ("error", "TargetUnavailable", None),
        "small": ("error", "DoesNotFit", None),
        "strict": ("failed", None, None),
        "host": ("passed", None, "float32"),
    }
    assert (out / "host" / "model.tflite").is_file()
    assert (out / "strict" / "rejected" / "model.tflite").is_file()
    assert not (out / "small").exists()
    assert document.read_text().count("**host**") == 1


def test_what_a_machine_lacks_is_said_of_its_target_and_the_others_finish(edge, sample, few, home, tmp_path):
    """No emulator, no driver, no browser, and no network that could bring one: each says how to get it, and this machine's own target passes."""
    bare = linked_home(home, tmp_path / "bare", without=("store", "systems"))
    (bare / "store").symlink_to(home / "store")  # what the test before this one built
    targets = [word for each in (*LACKING, "host") for word in ("--target", each)]
    missing = {"PATH": str(tmp_path), "EDGE_TOOLKIT_CHROMIUM": ""}

    ended = edge(
        *("build", sample, "--scheme", "float32", "--eval", few, *targets, "--out", tmp_path / "dist"),
        *("--offline", "--json"),
        home=bare,
        variables=missing,
    )

    assert ended.status == 3
    for target, (what, fix) in LACKING.items():
        error = ended.document["targets"][target]["error"]
        assert (error["kind"], error["exit_status"]) == ("TargetUnavailable", 3)
        assert what in error["problem"]
        assert fix in error["hint"]
        assert not (tmp_path / "dist" / target).exists()
    assert ended.document["targets"]["host"]["verdict"] == "passed"
    assert (tmp_path / "dist" / "host" / "model.tflite").is_file()


def test_a_bundle_that_cannot_be_written_stops_no_other(sample, few, profile, home, tmp_path):
    """Somebody puts a file where the first target's bundle was to be, while the build runs; it stays, and the second target has its bundle."""
    out = tmp_path / "dist"

    def occupy(*_: object) -> None:
        out.mkdir(exist_ok=True)
        (out / "taken").write_text("mine")

    targets = [profile("taken", "schemes = ['float32']"), "host"]
    with LocalExecutor(Settings(home=home), occupy) as executor:
        found = toolkit.build(sample, targets, evaluation=few, scheme="float32", out=out, executor=executor)

    assert isinstance(found["taken"], RequestError)
    assert str(out / "taken") in found["taken"].problem
    assert (out / "taken").read_text() == "mine"
    assert found["host"].passed
    assert json.loads((out / "host" / "report.json").read_text())["verdict"] == "passed"
