"""ONNX int8 on a processor without VNNI, really executed on an emulated one: what ships for any x86_64 holds there, and what does not is named.

All tests of ONNX files hold on both classes of processors. To run them on the other class than this machine's, have the engine started by QEMU:

    edge-toolkit setup qemu onnxruntime
    Q=~/.cache/edge-toolkit/systems/x86_64-*/qemu-x86_64-static     # or the one on the PATH
    $Q -cpu Haswell -L ~/.cache/edge-toolkit/overlays/haswell-* ~/.cache/edge-toolkit/environments/onnxruntime-*/bin/python ...
"""

from __future__ import annotations

import json
import os

import pytest

import toolkit
from tests.e2e.conftest import stage
from toolkit import Original, Samples
from toolkit.environments.instructions import X86, class_of, cuts_sums_off
from toolkit.errors import EnvironmentUnavailable
from toolkit.findings import OVERFLOWS_WITHOUT_VNNI as CODE
from toolkit.launchers import local
from toolkit.launchers.emulation import debian, x86
from toolkit.settings import Settings

HASWELL = "x86_64 with AVX2, no VNNI"
ANY_X86 = "onnxruntime-x86_64"


@pytest.fixture(scope="module")
def emulator(home):
    """The emulator of x86_64; skipped, loudly, only where it cannot be had at all."""
    if os.uname().machine not in X86:
        pytest.skip(f"NOT TESTED on {os.uname().machine}: the engines' own packages are emulated, which are x86_64")
    try:
        return x86.make_emulator(Settings(home=home))
    except EnvironmentUnavailable as error:
        if debian.missing_programs() or "network" in error.problem or "no Debian archive" in error.problem:
            pytest.skip(f"NOT TESTED, what emulation is made of is not available here: {error}")
        raise


@pytest.fixture(scope="module")
def built(emulator, edge, sample, digits, tmp_path_factory):
    """Return the report of the sample, built for any x86_64, and the folder it lies in."""
    out = tmp_path_factory.mktemp("dist")
    ended = edge(
        "build", sample, "--target", ANY_X86, "--calibration", digits, "--scheme", "static_wi8_ai8", "--out", out
    )
    assert ended.status == 0, ended.err
    return json.loads((out / ANY_X86 / "report.json").read_text()), out / ANY_X86


def test_what_ships_for_any_x86_gives_the_same_without_vnni(built):
    """Bit by bit: its sums fit into 16 bits, so there is nothing that the emulated processor could cut off."""
    report, folder = built
    assert stage(report, "device", "max_abs")["value"] == 0
    assert report["runs"]["device"]["processor"] == HASWELL
    assert report["runs"]["kernels"]["processor"] == class_of(*local.features({}))
    assert CODE not in [finding["code"] for finding in report["findings"]]
    assert HASWELL in (folder / "report.md").read_text()


def test_only_what_keeps_within_16_bits_is_tried_there(built):
    """Each with each estimator, and the one that drifts least ships, whichever it is."""
    report, _ = built

    assert {row["telling"] for row in report["candidates"]} == {"uint8 weights", "7-bit weights"}
    assert len(report["candidates"]) == 4
    assert all(row["sqnr_db"] > 34 for row in report["candidates"])
    (chosen,) = [row for row in report["candidates"] if row["chosen"]]
    assert chosen["sqnr_db"] == max(row["sqnr_db"] for row in report["candidates"])


def test_int8_weights_of_full_range_are_caught_there(emulator, executor, sample, digits, tmp_path):
    """20 dB are lost on the emulated processor, as on every one of its class; and the file says so wherever it is verified."""
    artifact = toolkit.convert(
        Original(sample),
        "static_wi8_ai8",
        Samples(str(digits)),
        tmp_path / "full.onnx",
        artifact_format="onnx",
        executor=executor,
    )

    outcomes = toolkit.verify(artifact.path, Original(sample), [ANY_X86], Samples(str(digits)), executor=executor)

    verdict = outcomes[ANY_X86]

    assert verdict.artifact.scheme == "static_wi8_ai8"
    guilty = "kernels" if cuts_sums_off(*local.features({})) else "device"
    (drift,) = [one for one in verdict.comparisons if (one.stage, one.metric) == (guilty, "sqnr_db")]
    assert drift.value < 25
    (said,) = [finding for finding in verdict.findings if finding.code == CODE]
    assert said.message.endswith(f"verified on {HASWELL}, where other inputs may still exceed them")
    assert len(said.names) >= 3
