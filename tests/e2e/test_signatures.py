"""Models of several signatures: each is built, and each of an artifact's is verified, on its own."""

from __future__ import annotations

import json

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples, report
from toolkit.errors import InvalidSource, RequestError, Unconvertible, UnknownName
from toolkit.source import source
from toolkit.verdict.verdict import Verdict

SCRIPT = "make_several.py"


@pytest.fixture
def several(made):
    return made(SCRIPT)


@pytest.fixture
def pairs(arrays):
    """Return samples for the signature that takes two vectors."""
    rng = np.random.default_rng(3)
    return arrays("pairs.npz", left=rng.normal(size=(300, 5)), right=rng.normal(size=(300, 5)))


@pytest.fixture
def judged(several, vectors, executor, tmp_path):
    """Return a function that verifies a .tflite against the model of two signatures, on this machine."""

    def verify(file, signature=None, model="two"):
        samples = Samples(evaluation=str(vectors))
        original = Original(several / model, signature)
        return toolkit.verify(several / file, original, ["host"], samples, tmp_path / "dist", executor=executor)

    return verify


def test_each_signature_is_built_on_its_own_and_one_that_cannot_be_keeps_none_of_the_others(
    several, vectors, pairs, executor, tmp_path
):
    samples = Samples(evaluation={"*": str(vectors), "blend": str(pairs)})

    outcomes = toolkit.build(
        Original(several / "several", "all"), ["host"], samples, tmp_path, scheme="float32", executor=executor
    )

    assert list(outcomes) == ["blend/host", "classify/host", "factor/host"]
    assert [isinstance(one, Verdict) and one.passed for one in outcomes.values()] == [True, True, False]
    assert isinstance(outcomes["factor/host"], Unconvertible)
    assert report.exit_status(outcomes) == 2
    for key, output in (("blend", "mean"), ("classify", "scores")):
        document = json.loads((tmp_path / key / "host" / "report.json").read_text())
        assert document["source"]["signature"] == key
        assert {each["output"] for each in document["comparisons"]} == {output}
        assert (tmp_path / key / "host" / "model.tflite").is_file()
    assert not (tmp_path / "factor" / "host" / "model.tflite").exists()


def test_a_set_that_does_not_fit_a_signature_is_its_error_alone(several, vectors, executor, tmp_path):
    samples, original = Samples(evaluation=str(vectors)), Original(several / "several", ("classify", "blend"))

    outcomes = toolkit.build(original, ["host"], samples, tmp_path, scheme="float32", executor=executor)

    assert list(outcomes) == ["classify/host", "blend/host"]
    assert outcomes["classify/host"].passed
    assert "no array for the model's inputs ['left', 'right']" in outcomes["blend/host"].problem


def test_all_of_one_signature_is_as_without_a_word(several, vectors, executor, tmp_path):
    built = [
        toolkit.build(
            Original(several / "single", signature),
            ["host"],
            Samples(evaluation=str(vectors)),
            tmp_path / str(signature),
            scheme="float32",
            executor=executor,
        )
        for signature in (None, "all")
    ]

    assert [list(outcomes) for outcomes in built] == [["host"], ["host"]]
    files = [
        sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*")) for name in ("None", "all")
    ]
    assert files[0] == files[1]


def test_a_signature_that_nobody_asked_for_is_named_unless_it_is_another_name_of_the_same(several, executor):
    unsaid, said = (
        source.open_source(Original(several / "with_default", signature), executor).findings
        for signature in (None, "serving_default")
    )

    assert [(finding.code, finding.severity, finding.names) for finding in unsaid] == [
        ("other-signatures", "info", ("embed",))
    ]
    assert said == ()


def test_signatures_and_sets_that_nothing_has_are_named(several, vectors, executor, tmp_path):
    def build(signature, samples):
        toolkit.build(
            Original(several / "two", signature), ["host"], samples, tmp_path, scheme="float32", executor=executor
        )

    with pytest.raises(UnknownName, match="'embd': unknown; did you mean 'embed'"):
        build(("classify", "embd"), Samples(evaluation=str(vectors)))
    with pytest.raises(UnknownName, match="--eval: a set for 'clasify': unknown; did you mean 'classify'"):
        build("all", Samples(evaluation={"clasify": str(vectors)}))
    with pytest.raises(RequestError, match="--output-kind nothing=labels: no output is called 'nothing'"):
        build("all", Samples(evaluation=str(vectors), output_kinds={"nothing": "labels"}))
    with pytest.raises(RequestError, match="expected one of classify, embed here"):
        toolkit.lint(Original(several / "two", "all"), Samples(str(vectors)), executor=executor)


@pytest.mark.parametrize("signature", [None, "all"])
def test_each_signature_of_an_artifact_is_verified_on_its_own(judged, tmp_path, signature):
    outcomes = judged("two.tflite", signature)

    assert {name: outcome.outcome for name, outcome in outcomes.items()} == {
        "classify/host": "passed",
        "embed/host": "passed",
    }
    found = json.loads((tmp_path / "dist" / "embed" / "host" / "report.json").read_text())
    assert {each["output"] for each in found["comparisons"]} == {"vector"}


def test_a_signature_of_another_training_run_fails_alone(judged):
    outcomes = judged("retrained.tflite")

    assert outcomes["classify/host"].passed
    assert outcomes["embed/host"].outcome == "failed"
    assert outcomes["embed/host"].guilty_stage is not None


def test_missing_and_extra_signatures_are_failures_with_their_names(judged):
    outcomes = judged("renamed.tflite")

    assert outcomes["classify/host"].passed
    for key, what in (("embed", "is missing; it has classify, embedding"), ("embedding", "is extra")):
        assert isinstance(outcomes[f"{key}/host"], InvalidSource)
        assert f"signature {key!r}" in outcomes[f"{key}/host"].problem
        assert what in outcomes[f"{key}/host"].problem


def test_one_signature_of_several_can_be_asked_for(judged):
    assert {name: outcome.passed for name, outcome in judged("renamed.tflite", "classify").items()} == {"host": True}
    with pytest.raises(UnknownName, match="signature 'embed': unknown"):
        judged("renamed.tflite", "embed")


def test_constants_that_a_signature_captured_are_part_of_its_onnx_file(several, arrays, executor, tmp_path):
    """Weights that are no variables: they must not be asked of the caller as inputs."""
    samples = arrays("all.npz", x=np.random.default_rng(0).normal(size=(150, 1, 6)))

    (outcome,) = toolkit.build(
        Original(several / "two", "classify"),
        ["onnxruntime-host"],
        Samples(evaluation=str(samples)),
        tmp_path,
        scheme="float32",
        executor=executor,
    ).values()

    assert outcome.passed
    assert [spec.name for spec in outcome.artifact.signature.inputs] == ["x"]
