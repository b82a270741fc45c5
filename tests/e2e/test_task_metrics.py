"""Outputs scored against the labels: by metrics of ours, by a user's function, with bounds on the drop, and judged again afterwards."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.e2e.conftest import PACKAGE, stage

RECIPE = PACKAGE.parent / "calibration" / "digits.toml"
SAMPLE = PACKAGE / "sample" / "digits"
PROFILE = """\
name = "mine"
about = "This machine, and the drops that the application can bear"
extends = "host"
"""
DROP = """\
[[bounds]]
stage = "total"
output = "*"
metric = "{}"
limit = {}
because = "more of it is noticed"
"""
FUNCTIONS = """\
def right(outputs, labels):
    (scores,) = outputs.values()
    return (scores.reshape(len(scores), -1).argmax(axis=1) == labels["labels"]).astype(float)

def share(outputs, labels):
    return float(right(outputs, labels).mean())

def broken(outputs, labels):
    return outputs["nothing"]
"""


@pytest.fixture
def scored(edge, tmp_path):
    """Return what a build of the sample gives with these task metrics, and with bounds on the drops of some."""

    def build(*metrics: str, recipe=RECIPE, **drops: float):
        (tmp_path / "functions.py").write_text(FUNCTIONS)
        bounds = "".join(DROP.format(name.replace("__", ".py:"), limit) for name, limit in drops.items())
        (tmp_path / "mine.toml").write_text(PROFILE + bounds)
        asked = [part for metric in metrics for part in ("--task-metric", metric)]
        arguments = (
            "build",
            SAMPLE,
            "-t",
            "mine.toml",
            "--calibration",
            recipe,
            "--scheme",
            "static_wi8_ai8",
            "--out",
            "dist",
        )
        return edge(*arguments, *asked, folder=tmp_path)

    return build


def test_outputs_are_scored_as_it_is_asked_and_bounded(scored, edge, tmp_path):
    """By ours and by the user's own; both in the report and in the verdict, and by what is kept they can be judged again."""
    ended = scored("top_k_accuracy:k=2", "functions.py:share", top_k_accuracy=0.2, functions__right=0.2)

    assert ended.status == 0, ended.err
    found = json.loads((tmp_path / "dist" / "mine" / "report.json").read_text())
    by_name = {task["metric"]: task["scores"] for task in found["tasks"]}
    assert list(by_name) == ["top_k_accuracy:k=2", "top_k_accuracy", "functions.py:share", "functions.py:right"]
    assert by_name["functions.py:share"]["original"] == pytest.approx(by_name["top_k_accuracy"]["original"])
    assert by_name["functions.py:right"]["kernels"] == pytest.approx(by_name["top_k_accuracy"]["kernels"])
    assert by_name["top_k_accuracy"]["kernels"] <= by_name["top_k_accuracy:k=2"]["kernels"] <= 1
    ours, own = stage(found, "total", "top_k_accuracy"), stage(found, "total", "functions.py:right")
    assert ours["value"] == pytest.approx(own["value"])
    assert ours["interval"][1] <= 0.2
    assert own["status"] == ours["status"] == "passed"
    assert "functions.py:right: original " in ended.out

    (tmp_path / "bounds.toml").write_text(DROP.format("functions.py:right", 1e-6) + STILL)
    again = edge("verify", tmp_path / "dist" / "mine", "--bounds", tmp_path / "bounds.toml", "--json")

    assert again.status == 1
    assert again.document["verdict"] == "inconclusive"
    assert stage(again.document, "total", "functions.py:right")["status"] == "inconclusive"

    (tmp_path / "bounds.toml").write_text(DROP.format("functions.py:never_called", 0.1) + STILL)
    assert "never_called: was not scored" in edge("verify", "dist/mine", "--bounds", "bounds.toml", folder=tmp_path).err


STILL = """\
[[bounds]]
stage = "total"
output = "*"
metric = "top1_agreement"
limit = 0.5
because = "a test"
"""


def test_a_recipe_says_what_its_labels_are_for(scored, tmp_path):
    """Beside the samples, with a function in a file beside it, wherever the command is started."""
    (tmp_path / "sets").mkdir()
    shutil.copyfile(RECIPE.with_suffix(".npz"), tmp_path / "sets" / "digits.npz")
    (tmp_path / "sets" / "functions.py").write_text(FUNCTIONS)
    declared = 'task_metrics = ["f1", "functions.py:share"]\n' + RECIPE.read_text()
    (tmp_path / "sets" / "digits.toml").write_text(declared)

    ended = scored(recipe="sets/digits.toml")

    assert ended.status == 0, ended.err
    found = json.loads((tmp_path / "dist" / "mine" / "report.json").read_text())
    assert [task["metric"] for task in found["tasks"]] == ["f1", "sets/functions.py:share"]


def test_a_function_that_fails_is_the_users_own(scored, tmp_path):
    """Its name, its line, and no bundle that looks as if it had been scored."""
    ended = scored("functions.py:broken")

    assert ended.status == 2
    assert "functions.py:broken: failed: KeyError: 'nothing'" in ended.err + ended.out
    assert "line 9" in ended.err + ended.out
    assert not (tmp_path / "dist" / "mine").exists()


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("functions.py:nothing", "has no function 'nothing'"),
        ("elsewhere.py:right", "elsewhere.py:right: no such file elsewhere.py"),
        ("top_k_accurcy", "did you mean 'top_k_accuracy'"),
        ("mean_iou", "mean_iou: says nothing about original"),
    ],
)
def test_what_cannot_be_scored_is_said(scored, metric, says):
    """With the name that was given."""
    ended = scored(metric)

    assert ended.status == 2
    assert says in ended.err + ended.out
