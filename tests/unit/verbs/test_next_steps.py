"""The command that a verdict ends with, ready to be pasted."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shlex
from pathlib import Path

from tests.unit.verdict.judged_chains import SCORES, request, stages, tried
from toolkit import report
from toolkit.bundle import bundle
from toolkit.findings import Finding
from toolkit.pipeline.prepare import Samples
from toolkit.settings.permissions import Permissions
from toolkit.source.original import Original
from toolkit.verbs.next_steps import VerbRequest


def test_the_next_command_is_ready_to_be_pasted(shipped, tmp_path):
    """The file that it looks at is kept in the bundle, and no file that did not pass lies where one ships from."""
    verdict = request(Samples("cal set.npz", "e.toml")).after_build(shipped, tmp_path)
    place = bundle.write(verdict, tmp_path)

    kept = tmp_path / "board" / "rejected" / "static_wi8_ai8" / "model.tflite"
    assert verdict.next_step is not None
    assert shlex.split(verdict.next_step.command) == [
        *("edge-toolkit", "verify", str(kept), "--source", "my model", "--target", "boards/mine.toml"),
        *("--calibration", "cal set.npz", "--eval", "e.toml"),
    ]
    assert verdict.next_step.why == "with about 36 samples in the set of --eval: that settles it"
    assert kept.read_bytes() == b"artifact"
    assert (place / "model.tflite").is_file()
    document = json.loads((place / "report.json").read_text())
    assert document["next"]["command"] == verdict.next_step.command
    lines = report.verdict_text(verdict).splitlines()
    assert f"  next: {verdict.next_step.command}" in lines[:5]


def test_a_failed_stage_leads_to_what_looks_into_it(judged, tmp_path):
    """At layers where quantization is at fault and a set calibrates, else at operators; nothing where every bound was kept."""
    moved = {"original": SCORES, "conversion": SCORES, "quantization": SCORES + 1, "kernels": SCORES + 1}
    by_quantization = tried(judged(moved), "static_wi8_ai8")
    by_kernels = tried(judged(stages(kernels=1)), "static_wi8_ai8")

    def after(verdict, **said):
        step = request(**said).after_build(verdict, tmp_path).next_step
        return None if step is None else shlex.split(step.command)[6:]

    assert by_kernels.guilty_stage == "kernels"
    assert after(by_kernels) == ["boards/mine.toml", "--calibration", "cal.toml", "--stage", "kernels"]
    assert after(tried(judged(stages()), "float16")) is None
    assert after(by_kernels, original=Original(Path("m"), sizes=({"x": [1]}, {"x": [2]}))) is None
    assert dataclasses.replace(request(), renamed=True).after_verify(by_kernels).next_step is None
    onnx = dataclasses.replace(by_kernels, artifact=dataclasses.replace(by_kernels.artifact, path=Path("m.onnx")))
    assert request().after_verify(onnx).next_step is None
    step = request().after_verify(by_kernels).next_step
    assert step is not None
    assert step.command.startswith(f"edge-toolkit debug {by_kernels.artifact.path} ")
    assert after(by_quantization)[-1] == "--suggest"
    assert after(by_quantization, samples=Samples(None, "e.npz"))[-2:] == ["--stage", "quantization"]


def test_samples_that_are_wrong_lead_to_no_layer(judged, tmp_path):
    """The finding says what to do. Of an error that is not about the samples, layers may still tell more."""
    moved = {"original": SCORES, "conversion": SCORES, "quantization": SCORES + 1, "kernels": SCORES + 1}
    wrong = Finding("constant-answers", "error", "one answer to all", of_samples=True)

    def after(found):
        verdict = tried(judged(moved, findings=(found,)), "static_wi8_ai8")
        return request().after_build(verdict, tmp_path).next_step

    assert after(wrong) is None
    assert after(dataclasses.replace(wrong, of_samples=False)) is not None


def test_the_next_command_says_all_that_was_said_of_the_model(judged, tmp_path):
    """Else it would be of another model, or of none."""
    original = Original(
        Path("m"),
        "a key",
        {"x": [1, 8], "n": []},
        builder="net.py:make",
        builder_args={"layers": "3"},
        step=0,
        inputs={"image": "in:0"},
        outputs={"y": "out:0"},
        bind={"keep_prob": "1.0"},
        map=Path("map.toml"),
        allow_unrestored=("ema*",),
        trust=True,
    )
    sets = Samples({"a": "a.npz", "*": "b.npz"}, None)

    step = request(sets, original).after_verify(judged(stages(kernels=1))).next_step

    assert step is not None
    words = shlex.split(step.command)
    pairs = list(itertools.pairwise(words))
    for flag, value in [
        ("--signature", "a key"),
        ("--shape", "x=1,8"),
        ("--shape", "n=scalar"),
        ("--builder", "net.py:make"),
        ("--builder-arg", "layers=3"),
        ("--step", "0"),
        ("--inputs", "image=in:0"),
        ("--outputs", "y=out:0"),
        ("--bind", "keep_prob=1.0"),
        ("--map", "map.toml"),
        ("--allow-unrestored", "ema*"),
        ("--calibration", "a=a.npz"),
        ("--calibration", "b.npz"),
    ]:
        assert (flag, value) in pairs
    assert "--trust" in words


def test_an_artifact_with_other_names_is_verified_again_by_them(judged, profile, tmp_path):
    """What was said of them is said again."""
    rate = profile(metric="top1_agreement", limit=0.9, unit="fraction")
    few = judged({name: scores[:20] for name, scores in stages().items()}, rate)
    sets = Samples("c.npz", limits=Path("l.toml"), task_metrics=("f1",), output_kinds={"scores": "ranking"})
    allowed = Permissions((tmp_path,), network=True, variables=("PATH",))
    asked = VerbRequest(Original(Path("m"), device="gpu"), sets, "host", ("out=scores",), True, allowed)

    step = asked.after_verify(few).next_step

    assert step is not None
    assert step.command.endswith(
        f"--source m --target host --calibration c.npz --allow-read {tmp_path} --allow-network --allow-env PATH "
        "--rename out=scores --limits l.toml --task-metric f1 --output-kind scores=ranking --reference-device gpu"
    )
    assert step.why == "with about 36 samples in a set of --eval beside that which calibrates: that settles it"


def test_a_scheme_without_a_file_leads_to_its_own_build(shipped, tmp_path):
    """There, what keeps it from one is said in full."""
    lost = dataclasses.replace(shipped, attempts=(shipped.attempts[1], shipped.attempts[2]))

    step = request().after_build(lost, tmp_path).next_step

    assert step is not None
    assert step.command == (
        "edge-toolkit build 'my model' --target boards/mine.toml --scheme dynamic_wi8_afp32 --calibration cal.toml"
    )
