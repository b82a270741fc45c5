"""What `import toolkit` offers: its names and their types, plain strings and paths, messages, and short representations."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toolkit
from toolkit.errors import RequestError

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
EXAMPLES = [
    (page.name, block)
    for page in PAGES
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
]
VERBS = {"build", "convert", "run", "verify", "check", "debug", "sweep", "inspect", "doctor"}


def test_dir_shows_the_verbs():
    """And all else that is offered, sorted, each of which is there."""
    shown = dir(toolkit)

    assert set(shown) >= VERBS
    assert sorted(toolkit.__all__) == toolkit.__all__
    assert [name for name in shown if getattr(toolkit, name, None) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        toolkit.biuld  # noqa: B018 (that it cannot be had is what is tested)


def test_what_is_offered_has_its_own_type():
    """A type checker reads the imports that run for it alone: they name what is imported at run time, from where it is."""
    tree = ast.parse(Path(toolkit.__file__).read_text())
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    said = {alias.name: node.module for node in checked.body for alias in node.names if node.module != "typing"}

    assert said == toolkit._MODULES
    assert sorted(said) == toolkit.__all__
    for name, module in said.items():
        assert getattr(importlib.import_module(module), name).__module__.startswith("toolkit.")


def of_ours(module):
    return module.partition(".")[0] == "toolkit"


@pytest.mark.parametrize(("page", "example"), EXAMPLES, ids=[page for page, _ in EXAMPLES])
def test_an_example_in_the_documentation_uses_no_internals(page, example):
    """Of the package it imports `toolkit` or its pytest plugin alone, and uses only what they offer."""
    for node in ast.walk(ast.parse(example)):
        if isinstance(node, ast.ImportFrom):
            assert not of_ours(node.module or "") or node.module in ("toolkit", "toolkit.pytest_plugin")
            assert node.module != "toolkit" or {alias.name for alias in node.names} <= {*toolkit.__all__}
        elif isinstance(node, ast.Import):
            assert {alias.name for alias in node.names if of_ours(alias.name)} <= {"toolkit"}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "toolkit":
            assert node.attr in toolkit.__all__


def test_the_message_is_that_of_the_command_line(tmp_path, monkeypatch):
    """Word for word, with its hint, whether one target is said or a list of one."""
    command = [sys.executable, "-m", "toolkit", "build", "model", "--target", "host"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()

    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    for target in ("host", ["host"], ("host",), iter(["host"])):
        with pytest.raises(toolkit.RequestError, match="hint: ") as caught:
            toolkit.build("model", targets=target, out=tmp_path / "dist")

        assert ended.returncode == caught.value.exit_status == 2
        assert ended.stderr.strip().endswith(str(caught.value))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"original": object()}, "model: is an object of class object; expected a path"),
        ({"targets": 3}, "targets: 3; expected the name of a target"),
        ({"targets": ["host", 3]}, "expected the name of a target"),
        ({"targets": "hosst"}, "did you mean 'host'"),
        ({"calibration": np.zeros(3)}, "calibration: is an object of class ndarray; expected the path of a set"),
        ({"evaluation": {"a": np.zeros(3)}}, "evaluation: is an object of class ndarray"),
        ({"samples": "digits.toml"}, r"samples: is an object of class str; expected toolkit\.Samples"),
        ({"samples": toolkit.Samples("a.toml"), "calibration": "b.toml"}, "expected one of these ways"),
    ],
)
def test_what_is_no_path_is_an_error_that_says_what_is_one(given, says, tmp_path):
    """Models and arrays in memory are what people have at hand."""
    with pytest.raises(RequestError, match=says):
        toolkit.build(**{"original": "model", "targets": "host", "out": tmp_path, **given})


def test_the_doctor_needs_no_settings():
    """It looks at the usual cache folder then."""
    assert "host" in {status.name for status in toolkit.doctor()}


def test_strings_stand_for_paths():
    """Where a path is part of something larger, too."""
    assert toolkit.Original("model", map="names.toml") == toolkit.Original(Path("model"), map=Path("names.toml"))
    assert toolkit.Samples(Path("a.toml"), {"small": Path("b.toml")}).of("small") == ("a.toml", "b.toml")
    assert toolkit.Renamed("model.tflite").path == Path("model.tflite")


def test_the_gate_is_a_function(tmp_path):
    """Which says of a bundle that is none what the command says."""
    with pytest.raises(RequestError) as caught:
        toolkit.check(str(tmp_path / "none"), "baseline.json")

    assert "baseline.json" in str(caught.value)
