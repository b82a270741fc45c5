"""A rewrite that changes more than the edges: broken on purpose, in a copy of the package, and found at the stage `rewrite`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.e2e.conftest import PACKAGE
from tests.e2e.test_web import OPEN
from toolkit.environments import resolve
from toolkit.settings import Settings

FIXED = """
[runtime]
static_shapes = true
"""
BREAKS = {
    "a constant by one bit": (
        "held = next(each for each in file.model.buffers if each.data is not None and len(each.data) > 100); "
        "held.data = held.data.copy(); held.data[50] ^= 64"
    ),
    "an operator": "file._graph.operators[-1].builtinOptions.beta = 1.0001",
}


@pytest.fixture(scope="module")
def opened(edge, sample, few, tmp_path_factory):
    """Return a file for any batch, of float32."""
    out = tmp_path_factory.mktemp("open")
    ended = edge("build", sample, "--target", "host", "--calibration", few, "--scheme", "float16", "--out", out)
    assert ended.status == 0, ended.err
    engine = resolve("litert", Settings())
    command = [str(engine.python), "-c", OPEN, str(out / "host" / "model.tflite"), str(out / "open.tflite")]
    subprocess.run(command, env={**os.environ, **engine.variables}, check=True)
    return out / "open.tflite"


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(None, marks=pytest.mark.slow),
        "a constant by one bit",
        pytest.param("an operator", marks=pytest.mark.slow),
    ],
)
def test_a_rewrite_that_changes_something_fails_where_it_was_made(edge, sample, few, opened, profile, tmp_path, what):
    """By so little that no other stage sees it. Without a mistake it passes, on a profile of a user's own."""
    copy = tmp_path / "copy"
    for name in (PACKAGE, PACKAGE.parent / "targets", PACKAGE.parent / "calibration"):
        shutil.copytree(
            name, copy / name.name, copy_function=os.link, ignore=shutil.ignore_patterns("__pycache__", "sample")
        )
    module = copy / "toolkit/conversion/tflite/rewriting.py"
    text = module.read_text()
    assert text.count("    if opened:\n") == 1
    module.unlink()
    module.write_text(
        text if what is None else text.replace("    if opened:\n", f"    {BREAKS[what]}\n    if opened:\n")
    )

    board = profile("board", FIXED)
    asked = ("verify", opened, "--source", sample, "--eval", few, "--target", board, "--out", tmp_path / "out")
    ended = edge(*asked, variables={"PYTHONPATH": str(copy)}, folder=copy)

    assert ended.status == (0 if what is None else 1), ended.out + ended.err
    report = json.loads((tmp_path / "out/board/report.json").read_text())
    failed = {each["stage"] for each in report["comparisons"] if each["status"] == "failed"}
    assert (failed, report["guilty_stage"]) == ((set(), None) if what is None else ({"rewrite"}, "rewrite"))
    assert "the given file was rewritten for litert 2.3.0" in ended.out
