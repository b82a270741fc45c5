"""What outputs mean, from the command line: seen in files, judged by, kept in a bundle, and said by somebody."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import PACKAGE

KINDS = {
    "boxes": ("boxes", "name"),
    "chance": ("probabilities", "graph"),
    "found": ("yes_no", "graph"),
    "label": ("labels", "graph"),
    "logits": ("class_scores", "labels"),
    "parts": ("real_values", "graph"),
    "probs": ("class_scores", "graph"),
    "vector": ("embedding", "graph"),
}
OF_A_FILE = {name: "real_values" if name == "logits" else kind for name, (kind, _) in KINDS.items()}


@pytest.fixture(scope="module")
def model(made):
    """Return the folder of a model with an output of each kind, and of its samples."""
    return made("make_output_kinds.py")


@pytest.fixture(scope="module")
def built(edge, model, tmp_path_factory):
    """Return the folder of its int8 build, and what the build printed."""
    out = tmp_path_factory.mktemp("dist")
    scheme = ("--scheme", "static_wi8_ai8")
    ended = edge("build", model / "model", "-t", "host", "--calibration", model / "samples.npz", *scheme, "--out", out)
    return out / "host", ended


def told(ended):
    """Return the kinds that `inspect --json` tells of the one signature."""
    (kinds,) = ended.document["output_kinds"].values()
    return {name: one["kind"] for name, one in kinds.items()}


def test_the_files_of_a_model_tell_most_of_it(edge, model):
    """Without TensorFlow, through the functions that a signature calls."""
    ended = edge("inspect", model / "model", "--json")

    assert told(ended) == OF_A_FILE
    assert "kind    probs is class_scores: it ends in Softmax" in edge("inspect", model / "model").out


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_an_artifact_tells_the_same(edge, model, tmp_path, suffix):
    """In whatever format."""
    out = tmp_path / f"model{suffix}"
    assert edge("convert", model / "model", "--out", out).status == 0

    assert told(edge("inspect", out, "--json")) == OF_A_FILE


def test_a_report_says_what_outputs_were_taken_for_and_why(built):
    """In JSON, on the page and on the terminal, a line each."""
    folder, ended = built
    report = json.loads((folder / "report.json").read_text())

    assert {name: (one["kind"], one["by"]) for name, one in report["output_kinds"].items()} == KINDS
    assert report["output_kinds"]["parts"]["parts"] == [8, 6]
    assert "output        found is yes_no: it ends in GREATER" in ended.out
    assert "- found is yes_no: it ends in GREATER" in (folder / "report.md").read_text()


def test_each_output_is_judged_by_its_kind(built):
    """And by no other: agreement on the largest number of a box says nothing."""
    report = json.loads((built[0] / "report.json").read_text())
    metrics: dict[str, set[str]] = {}
    for one in report["comparisons"]:
        if one["stage"] == "total":
            metrics.setdefault(one["output"], set()).add(one["metric"].partition(":")[0])

    assert {name for name, held in metrics.items() if "top1_agreement" in held} == {"probs", "logits"}
    assert "box_iou" in metrics["boxes"]
    assert "gallery_agreement" in metrics["vector"]
    assert {"agreement", "kappa", "class_recall"} <= metrics["label"] & metrics["found"] & metrics["chance"]
    assert not any(metric.endswith("_db") for name in ("label", "found") for metric in metrics[name])


def test_scores_that_vanish_beside_larger_numbers_fail(built):
    """They share a scale with what they are joined to: each part is looked at alone."""
    report = json.loads((built[0] / "report.json").read_text())

    failed = {
        (one["output"], one["metric"].partition(":")[0]) for one in report["comparisons"] if one["status"] == "failed"
    }

    assert failed == {("parts", "channel_sqnr_db")}


def test_a_bundle_is_judged_again_by_the_kinds_that_it_recorded(edge, built):
    """Though nothing of the model is there to infer them from."""
    folder, _ = built

    ended = edge("verify", folder, "--bounds", PACKAGE.parent / "targets" / "host.toml", "--json")

    assert ended.document["comparisons"] == json.loads((folder / "report.json").read_text())["comparisons"]


def test_what_somebody_says_decides(edge, model, built, tmp_path):
    """The command line over the recipe of the set, that over the profile, that over what is inferred."""
    profile, recipe = tmp_path / "mine.toml", tmp_path / "set.toml"
    said = {"boxes": "real_values", "vector": "real_values", "parts": "embedding"}
    table = "".join(f'{name} = "{kind}"\n' for name, kind in said.items())
    profile.write_text(f'name = "mine"\nabout = "mine"\nextends = "host"\n[output_kinds]\n{table}')
    reader = f'[reader]\nkind = "arrays"\npath = "{model / "samples.npz"}"\ninputs = {{ "x" = "x" }}\n'
    recipe.write_text(f'{reader}[output_kinds]\nvector = "probabilities"\nparts = "probabilities"\n')
    artifact = built[0] / "rejected" / "model.tflite"
    line = ("--output-kind", "parts=yes_no", "--output-kind", "logits=class_scores")

    ended = edge("verify", artifact, "--source", model / "model", "-t", profile, "--eval", recipe, *line, "--json")

    kinds = ended.document["targets"]["mine"]["output_kinds"]
    assert {name: (kinds[name]["kind"], kinds[name]["by"]) for name in ("boxes", "vector", "parts", "logits")} == {
        "boxes": ("real_values", "profile"),
        "vector": ("probabilities", "recipe"),
        "parts": ("yes_no", "command line"),
        "logits": ("class_scores", "command line"),
    }


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (["logit=class_scores"], ["no output is called 'logit'; did you mean 'logits'?"]),
        (["probs=class_score"], ["no kind of output is called 'class_score'; did you mean 'class_scores'?"]),
        (["probs=boxes", "probs=image"], ["the second for 'probs'"]),
        (
            ["label=class_scores", "boxes=class_scores", "nothing=labels"],
            [
                "label=class_scores: it holds whole numbers",
                "boxes=class_scores: its shape is (1, 3, 4)",
                "no output is called",
            ],
        ),
    ],
)
@pytest.mark.parametrize("verb", ["build", "inspect"])
def test_what_cannot_be_is_refused_before_anything_runs(edge, model, tmp_path, verb, said, lines):
    """With the closest name, what would fit, and all mistakes at once."""
    out = tmp_path / "dist"
    more = ("-t", "host", "--calibration", model / "samples.npz", "--out", out) if verb == "build" else ()

    ended = edge(verb, model / "model", *more, *(part for one in said for part in ("--output-kind", one)))

    assert ended.status == 2
    assert all(line in ended.err for line in lines), ended.err
    assert not out.exists()
