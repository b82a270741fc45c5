"""A whole verification of somebody's int8 file on a target whose kernels round halves otherwise than reference kernels do."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import stage
from toolkit.environments import resolve
from toolkit.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def verify(edge, made, home, tmp_path_factory):
    """Return a function that verifies the int8 file against the float network with one of the sets: exit status and report."""
    folder, made_here = made("make_ties_original.py"), tmp_path_factory.mktemp("ties")
    script = ROOT / "tests/integration/engines/make_ties.py"
    command = [resolve("litert", settings=Settings(home=home)).python, script, made_here]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, timeout=600)

    def run(samples):
        out = made_here / samples
        asked = ("verify", made_here / "ties.tflite", "--source", folder / "original", "--target", "host")
        ended = edge(*asked, "--eval", folder / f"{samples}.npz", "--out", out)
        assert (out / "host/report.json").is_file(), ended.out + ended.err
        return ended, json.loads((out / "host/report.json").read_text())

    return run


def test_kernels_that_round_halves_otherwise_are_the_guilty_stage(verify):
    """XNNPACK rounds a half to the even neighbour. The file is a sound one on reference kernels."""
    ended, report = verify("halves")

    failed = {each["stage"] for each in report["comparisons"] if each["status"] == "failed"}
    assert (ended.status, report["verdict"], report["guilty_stage"]) == (1, "failed", "kernels"), ended.out
    assert "quantization" not in failed
    assert stage(report, "quantization", "sqnr_db", "differences")["status"] == "passed"
    assert stage(report, "kernels", "sqnr_db", "differences")["status"] == "failed"
    assert stage(report, "total", "sqnr_db", "differences")["status"] == "failed"


def test_the_same_file_passes_where_nothing_is_halved(verify):
    """It is not the file that is found, but what these kernels make of those samples."""
    ended, report = verify("wholes")

    assert (ended.status, report["verdict"]) == (0, "passed"), ended.out
