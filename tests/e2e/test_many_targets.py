"""One build for many targets: a table first, a row for each; what happens to one target never stops another."""

from __future__ import annotations

import json

import numpy as np
import pytest

import toolkit
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
