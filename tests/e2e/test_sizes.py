"""Models that leave sizes open: one artifact, verified at each size that was declared."""

from __future__ import annotations

import json

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import PACKAGE
from toolkit import Asked, Original, Samples, regression
from toolkit.comparison import saved_runs
from toolkit.errors import RequestError
from toolkit.profiles.recipe import estimator

SCRIPT = "make_several.py"
INT8 = Asked("static_wi8_ai8", (estimator("min_max"),), "mlir")
SIZES = ({"image": (1, 8, 8, 1)}, {"image": (1, 16, 12, 1)})


@pytest.fixture
def several(made):
    return made(SCRIPT)


@pytest.fixture
def images(arrays):
    """Return a set of images for each size, by what the size is called."""
    rng = np.random.default_rng(5)
    return {
        f"{high}x{wide}": str(arrays(f"{high}x{wide}.npz", image=rng.uniform(size=(240, high, wide, 1))))
        for high, wide in ((8, 8), (16, 12))
    }


def test_one_artifact_is_judged_at_each_size(several, images, executor, tmp_path):
    samples = Samples(calibration=images["8x8"], evaluation={"16x12": images["16x12"]})
    original = Original(several / "anysize", sizes=SIZES)

    (outcome,) = toolkit.build(original, ["host"], samples, tmp_path, scheme=INT8, executor=executor).values()

    assert outcome.passed, outcome.findings
    (fed,) = outcome.artifact.signature.inputs
    assert fed.shape == (1, None, None, 1)
    told = {finding.facts["size"]: finding.message for finding in outcome.findings if finding.code == "size"}
    assert {size: "passed with" in message for size, message in told.items()} == {"8x8": True, "16x12": True}
    for size, given in (("8x8", [1, 6, 6, 4]), ("16x12", [1, 14, 10, 4])):
        found = json.loads((tmp_path / "host" / "sizes" / size / "report.json").read_text())
        assert found["verdict"] == "passed"
        assert {each["stage"] for each in found["comparisons"]} >= {"conversion", "quantization", "total"}
        held = saved_runs.read(tmp_path / "host" / "sizes" / size / "runs" / "kernels.safetensors")
        assert [*next(iter(held.arrays().values())).shape[1:]] == given
    again = toolkit.rejudge(tmp_path / "host" / "sizes" / "16x12", PACKAGE.parent / "targets" / "host.toml")
    assert again.outcome == "passed"
    assert regression.of_bundle(tmp_path / "host" / "sizes" / "16x12").verdict == "passed"
    for judge in (lambda of: toolkit.rejudge(of, PACKAGE.parent / "targets" / "host.toml"), regression.of_bundle):
        with pytest.raises(RequestError, match="was judged at several sizes, 16x12, 8x8; give one of them"):
            judge(tmp_path / "host")
    manifest = json.loads((tmp_path / "host" / "manifest.json").read_text())
    assert "sizes/16x12/report.json" in manifest["files"]


def test_an_artifact_that_is_wrong_at_one_size_fails_and_the_size_is_named(several, images, executor, tmp_path):
    """Of the first size, at which the two models are the same function, nothing would show."""
    original = Original(several / "by_height", sizes=SIZES)

    outcomes = toolkit.verify(
        several / "open.tflite", original, ["host"], Samples(evaluation=images), tmp_path, executor=executor
    )

    told = {finding.facts["size"]: finding for finding in outcomes["host"].findings if finding.code == "size"}
    assert outcomes["host"].outcome == "failed"
    assert told["8x8"].severity == "info"
    assert told["16x12"].severity == "error"
    assert told["16x12"].message.startswith("size 16x12: not passed with 240 samples: conversion features")
    assert told["16x12"].message.endswith("; the numbers of the report are of this size")
    assert outcomes["host"].guilty_stage == "conversion"
    verdicts = [
        json.loads((tmp_path / "host" / "sizes" / size / "report.json").read_text())["verdict"] for size in told
    ]
    assert verdicts == ["passed", "failed"]


def test_an_artifact_of_one_size_is_refused_at_another_which_is_named(several, images, executor):
    original = Original(several / "anysize", sizes=SIZES)

    outcomes = toolkit.verify(
        several / "fixed.tflite", original, ["host"], Samples(evaluation=images), executor=executor
    )

    assert outcomes["host"].problem.startswith("host at 16x12: ")
    assert "(1, 8, 8, 1)" in outcomes["host"].problem


def test_an_artifact_of_any_size_that_is_verified_at_one_says_so(several, images, executor):
    samples, original = Samples(evaluation=images["16x12"]), Original(several / "anysize")

    outcomes = toolkit.verify(several / "open.tflite", original, ["host"], samples, executor=executor)

    assert outcomes["host"].passed
    assert [finding.names for finding in outcomes["host"].findings if finding.code == "one-size-only"] == [("image",)]


def test_the_onnx_file_leaves_the_same_sizes_open(several, images, executor, tmp_path):
    samples, original = Samples(evaluation=images), Original(several / "anysize", sizes=SIZES)

    (outcome,) = toolkit.build(
        original, ["onnxruntime-host"], samples, tmp_path, scheme="float32", executor=executor
    ).values()

    assert outcome.passed, outcome.findings
    assert outcome.artifact.signature.inputs[0].shape == (1, None, None, 1)


@pytest.mark.parametrize(
    ("sizes", "calibration", "evaluation", "said"),
    [
        (SIZES, "8x8", {}, "no samples of the size 16x12"),
        (SIZES, {"16x12": "16x12"}, {"8x8": "8x8"}, "ranges are taken at one size, the first one declared, 8x8"),
        (SIZES, "8x8", {"8x8": "8x8", "9x9": "8x8"}, "--eval: a set for '9x9': unknown; known: 16x12, 8x8"),
        (SIZES, "8x8", {"*": "8x8"}, "no samples of the size 16x12"),
        ((*SIZES, SIZES[0]), "8x8", {"8x8": "8x8"}, "is declared twice"),
        (({}, SIZES[0]), "8x8", {"8x8": "8x8"}, "those of image are left open"),
    ],
)
def test_sizes_and_sets_that_do_not_go_together_are_refused(
    several, images, executor, tmp_path, sizes, calibration, evaluation, said
):
    def of(sets):
        return {name: images[place] for name, place in sets.items()} if isinstance(sets, dict) else images.get(sets)

    original = Original(several / "anysize", sizes=sizes)
    with pytest.raises(RequestError, match=said):
        toolkit.build(original, ["host"], Samples(of(calibration), of(evaluation)), tmp_path, executor=executor)


def test_verbs_for_one_size_say_so(several, images, executor):
    with pytest.raises(RequestError, match="several sizes of one input; expected one here"):
        toolkit.lint(Original(several / "anysize", sizes=SIZES), Samples(images["8x8"]), executor=executor)
