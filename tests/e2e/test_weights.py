"""Artifacts whose weights are not their original's, from the command line to the report: seen whatever the samples show, and accepted by name."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.environments import resolve
from toolkit.profiles.weight_limits import Weights
from toolkit.report import outcomes_text
from toolkit.weights.account_job import account_job
from toolkit.weights.judge import judge_account

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Broken:
    """An artifact of the embedded digits, broken in several ways."""

    original: Original
    samples: Samples
    folder: Path

    def verify(self, executor, name, target="host", out=None):
        """Return the verdict on one of the files."""
        path = self.folder / f"{name}.tflite"
        (outcome,) = toolkit.verify(path, self.original, [target], self.samples, out, executor=executor).values()
        return outcome


@pytest.fixture(scope="module")
def broken(sample, digits, executor, tmp_path_factory):
    """Return the files: int8 as it was made, with a bit of a weight flipped, with a bias dropped; and float with a channel zeroed."""
    folder = tmp_path_factory.mktemp("broken")
    original, samples = Original(sample), Samples(str(digits))
    for name, scheme in (("sound", "static_wi8_ai8"), ("float", "float32")):
        toolkit.convert(original, scheme, samples, folder / f"{name}.tflite", executor=executor)
    layer = {"kind": "FULLY_CONNECTED", "number": 0}
    wanted = [
        ("sound", "flipped", "second_bit_flipped", layer),
        ("sound", "dropped", "bias_dropped", layer),
        ("float", "zeroed", "channel_zeroed", layer),
    ]
    requests = [
        {"source": str(folder / f"{of}.tflite"), "place": str(folder / f"{name}.tflite"), "how": how, "with": given}
        for of, name, how, given in wanted
    ]
    (folder / "requests.json").write_text(json.dumps(requests))
    python = resolve("litert", settings=executor.settings).python
    command = [python, HERE / "break_artifacts.py", folder / "requests.json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return Broken(original, samples, folder)


def test_what_is_made_here_is_accounted_for(broken, executor, tmp_path):
    verdict = broken.verify(executor, "sound", out=tmp_path)

    report = json.loads((tmp_path / "host" / "report.json").read_text())["weights"]
    assert verdict.passed
    assert (report["accounted"], report["wrong"], report["share_matched"]) == (True, [], 1)
    assert report["constants"] > report["matrices"] == report["matrices_matched"] == 8
    assert "all within their steps" in outcomes_text({"host": verdict})


def test_a_weight_that_is_two_steps_off_fails_and_is_named(broken, executor, tmp_path):
    """Of what it does to outputs no bound would see anything."""
    verdict = broken.verify(executor, "flipped", out=tmp_path)

    (error,) = (each for each in verdict.findings if each.severity == "error")
    assert {each.status for each in verdict.comparisons} == {"passed"}
    assert (verdict.outcome, verdict.guilty_stage) == ("failed", "quantization")
    assert error.code == "other-weights"
    assert "(bit 1 flipped)" in error.message
    assert "(bit 1 flipped)" in (tmp_path / "host" / "report.md").read_text()
    assert "1 differs" in outcomes_text({"host": verdict})


def test_a_bias_that_was_dropped_fails_and_is_named(broken, executor):
    verdict = broken.verify(executor, "dropped")

    assert (verdict.outcome, verdict.guilty_stage) == ("failed", "quantization")
    assert [(row["role"], row["what"]) for row in verdict.account.wrong] == [("bias", "is zero")]


def test_of_a_float_file_the_conversion_is_guilty(broken, executor):
    verdict = broken.verify(executor, "zeroed")

    assert (verdict.outcome, verdict.guilty_stage) == ("failed", "conversion")
    assert [row["what"].split()[-1] for row in verdict.account.wrong] == ["zero"]


def test_what_a_profile_accepts_by_name_passes_with_the_reason(broken, executor, profile):
    name = broken.verify(executor, "flipped").account.wrong[0]["tensor"]
    mine = profile("mine", f'[[weights.accepted]]\ntensor = "{name}"\nbecause = "patched in the field"')

    verdict = broken.verify(executor, "flipped", str(mine))

    (said,) = (each for each in verdict.findings if each.code == "weights-accepted")
    assert verdict.passed
    assert "patched in the field" in said.message


def test_onnx_files_are_said_not_to_be_looked_into(broken, executor, tmp_path):
    targets = ["onnxruntime-host"]
    (outcome,) = toolkit.build(broken.original, targets, broken.samples, tmp_path, executor=executor).values()

    assert outcome.account.to_json() == {"accounted": False, "why": "the constants of onnx files are not inspected"}
    assert "not accounted for: the constants of onnx files" in outcomes_text({"x": outcome})


@pytest.mark.parametrize(
    ("source", "artifact", "matrices"),
    [
        ("resnet8/pretrainedResnet.h5", "resnet8/pretrainedResnet_quant.tflite", 10),
        ("vww/vww_96.h5", "vww/vww_96_float.tflite", 28),
    ],
)
def test_a_file_of_another_version_of_the_converter_is_accounted_for(
    shared_models, executor, tmp_path, source, artifact, matrices
):
    """Of 2020 and 2021: they fold in another order, and keep a RESHAPE that is none today."""
    floats = tmp_path / "floats.tflite"
    toolkit.convert(Original(shared_models / source), "float32", Samples(), floats, executor=executor)

    (entry,) = executor.run(account_job(shared_models / artifact, floats, signature=None))

    account = judge_account(entry.result, Weights(), "quantization")
    assert (account.matrices, account.matched, account.wrong, account.unmatched) == (matrices, matrices, (), ())
    assert account.findings == ()
