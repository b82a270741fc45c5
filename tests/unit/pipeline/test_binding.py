"""Which tensor of somebody's artifact is which of the original's, where they are called otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from toolkit.conversion.artifacts import Artifact
from toolkit.errors import RequestError
from toolkit.execution import infer
from toolkit.pipeline.binding import bound
from toolkit.tensors.signature import FileSignature, Signature
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter, read_all


class Original:
    """What a source tells here: its path and signature."""

    path = Path("model")

    def __init__(self, inputs, outputs):
        self.signature = Signature.from_json({"key": "", "inputs": specs(inputs), "outputs": specs(outputs)})


def specs(tensors):
    return [
        {"name": name, "shape": shape, "dtype": dtype, **({"scale": [0.1], "zero_point": [0]} if scaled else {})}
        for name, (shape, dtype, scaled) in sorted(tensors.items())
    ]


def artifact(inputs, outputs):
    order = {"inputs": list(inputs), "outputs": list(outputs)}
    signature = {"key": None, "inputs": specs(inputs), "outputs": specs(outputs), "order": order}
    return Artifact(Path("their.tflite"), "static_wi8_ai8", 1, "a" * 64, FileSignature.from_json(signature), (), ())


IMAGE, SCORES, BOXES = ([None, 8, 8, 1], "float32", False), ([1, 10], "float32", False), ([1, 4], "float32", False)
FIXED, WHOLE = ([1, 8, 8, 1], "int8", True), ([1, 10], "int8", True)
OURS = Original({"image": IMAGE}, {"probs": SCORES})
SEVERAL = Original({"image": IMAGE}, {"boxes": BOXES, "probs": SCORES})


def names(held):
    return [[spec.name for spec in side] for side in (held.signature.inputs, held.signature.outputs)]


def refusal(theirs, ours, *renames):
    with pytest.raises(RequestError) as caught:
        bound(theirs, ours, renames)
    return caught.value


def test_the_same_names_are_left_alone():
    theirs = artifact({"image": FIXED}, {"probs": WHOLE})

    for renames in ((), ("probs=probs",)):
        held, called = bound(theirs, OURS, renames)

        assert held is theirs
        assert "names" not in called.options()


@pytest.mark.parametrize("output", [SCORES, WHOLE])
def test_one_input_and_one_output_leave_no_doubt(output):
    """Quantized or not; whatever a converter called them."""
    held, called = bound(artifact({"serving_default_x:0": FIXED}, {"StatefulPartitionedCall:0": output}), OURS)

    assert names(held) == [["image"], ["probs"]]
    assert called.options()["names"] == {
        "inputs": {"serving_default_x:0": "image"},
        "outputs": {"StatefulPartitionedCall:0": "probs"},
    }
    assert held.signature.to_json()["order"] == {"inputs": ["image"], "outputs": ["probs"]}
    assert [found.code for found in held.findings] == ["bound-without-name"] * 2
    assert "'StatefulPartitionedCall:0', and 'probs' in the original" in held.findings[1].message


@pytest.mark.parametrize(
    "other", [([1, 9], "float32", False), ([10], "float32", False), ([1, 10], "int64", False), ([1, 10], "bool", False)]
)
def test_another_shape_or_kind_of_numbers_leaves_doubt(other):
    error = refusal(artifact({"image": FIXED}, {"Identity": other}), OURS)

    assert error.problem == "their.tflite: outputs are called ['Identity']; in model they are called ['probs']"
    assert error.hint.startswith("convert it with the signature")


def test_several_outputs_are_proposed_ready_to_paste():
    """By shape, and where that does not tell by the closest name."""
    theirs = artifact({"x": FIXED}, {"PartitionedCall:1": BOXES, "PartitionedCall:0": WHOLE})

    error = refusal(theirs, SEVERAL)

    assert (
        "if these are the same, give --rename PartitionedCall:0=probs --rename PartitionedCall:1=boxes; else"
        in error.hint
    )
    held, called = bound(theirs, SEVERAL, ["PartitionedCall:0=probs", "PartitionedCall:1=boxes"])
    assert names(held) == [["image"], ["boxes", "probs"]]
    assert [found.code for found in held.findings] == ["bound-without-name"]  # of the input alone
    assert called.outputs == {"PartitionedCall:0": "probs", "PartitionedCall:1": "boxes"}


def test_outputs_that_changed_their_names_can_be_said():
    held, _ = bound(
        artifact({"image": FIXED}, {"boxes": SCORES, "probs": BOXES}), SEVERAL, ["boxes=probs", "probs=boxes"]
    )

    assert [(spec.name, spec.shape) for spec in held.signature.outputs] == [
        ("boxes", (1, 4)),
        ("probs", (1, 10)),
    ]


@pytest.mark.parametrize(
    ("renames", "says"),
    [
        (["Identity"], ["--rename 'Identity': expected --rename THEIRS=OURS"]),
        (["=probs"], ["--rename '=probs': expected --rename THEIRS=OURS"]),
        (
            ["Identty=probs"],
            [
                "--rename 'Identty=probs': their.tflite has no input or output 'Identty'; did you mean 'Identity'? known: Identity, boxes, image"
            ],
        ),
        (
            ["Identity=prob"],
            ["--rename 'Identity=prob': the original has no output 'prob'; did you mean 'probs'? known: boxes, probs"],
        ),
        (
            ["Identity=probs", "Identity=probs"],
            ["--rename 'Identity=probs': 'Identity' is 'probs' already; give each once"],
        ),
        (
            ["Identity=probs", "boxes=probs"],
            ["--rename 'boxes=probs': 'probs' is given for another one already; give each once"],
        ),
        (
            ["Identity", "a=b"],
            ["--rename 'Identity': ", "--rename 'a=b': their.tflite has no", "--rename 'a=b': the original has no"],
        ),
        (["Identity=image"], ["--rename 'Identity=image': the original has no output 'image'; "]),
    ],
)
def test_a_wrong_word_is_told_with_the_closest_name(renames, says):
    """All of them at once."""
    error = refusal(artifact({"image": FIXED}, {"boxes": BOXES, "Identity": SCORES}), SEVERAL, *renames)

    assert error.exit_status == 2
    lines = error.problem.splitlines()
    assert len(lines) == len(says)
    assert all(line.startswith(said) for line, said in zip(lines, says, strict=True))


def test_a_name_that_would_be_there_twice_is_told():
    error = refusal(artifact({"image": FIXED}, {"boxes": BOXES, "Identity": BOXES}), SEVERAL, "Identity=boxes")

    assert error.problem == "their.tflite: outputs: 'boxes' would be there twice; give --rename for that one, too"


def test_a_run_is_fed_and_read_by_the_originals_names(tmp_path):
    """By the runtime that is there for tests: it gives the mean of what it is fed."""
    with ShardWriter(tmp_path / "samples") as writer:
        for value in (1, 2, 3):
            writer.add({"image": np.full((1, 2), value, np.float32)})
    model = tmp_path / "model.fake"
    spec = {"shape": [1, 2], "dtype": "float32"}
    model.write_text(json.dumps({"signature": {"inputs": [{"name": "x", **spec}], "outputs": [{"name": "y", **spec}]}}))
    called = {"inputs": {"x": "image"}, "outputs": {"y": "probs"}}
    places = {"model": model, "samples": tmp_path / "samples"}
    request = Request({"runtime": "fake", "names": called}, places, tmp_path / "out")
    (tmp_path / "out").mkdir()

    told = infer.run(request)

    assert [spec["name"] for spec in told["signature"]["outputs"]] == ["probs"]
    assert [spec["name"] for spec in told["signature"]["inputs"]] == ["image"]
    assert read_all(tmp_path / "out" / "outputs", "probs")[:, 0, 0].tolist() == [1, 2, 3]
