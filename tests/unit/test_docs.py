"""What the documentation claims has a test of that name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from toolkit import output_kinds, registry

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (ROOT / "docs" / "sources.md").read_text()
ROWS = [line for line in SOURCES.splitlines() if line.startswith("| ") and not line.startswith("| what it is")]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def functions(file: str) -> set[str]:
    """Return the names of the functions in a test file."""
    (path,) = (ROOT / "tests").rglob(file)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_every_line_about_a_source_names_a_test(row):
    """Five columns, the last of which is evidence."""
    cells = row.strip("|").split("|")

    assert len(cells) == 5
    assert NAMED.search(cells[-1])


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(SOURCES))))
def test_every_named_test_is_there(file, name):
    """In the file that it is said to be in."""
    assert name in functions(file)


def test_every_metric_and_unit_is_documented():
    """With its units and what is better, as its file says."""
    text = (ROOT / "docs" / "bounds.md").read_text()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    said = {row[0].strip("`").partition(":")[0]: row for row in cells}

    for name in registry.names("metrics"):
        module, (_, _, better, units, _) = registry.load("metrics", name), said[name]
        own = (*module.UNITS, "noise") if module.UNITS[0] == "real" else module.UNITS
        assert (better, re.findall(r"`(\w+)`", units)) == (module.BETTER, list(own))
        assert set(own) <= {unit for row in cells if len(row) == 2 for unit in re.findall(r"`(\w+)`", row[0])}
    for name in registry.names("task_metrics"):
        assert said[name][2] == registry.load("task_metrics", name).BETTER


def test_every_kind_of_output_is_documented():
    """With what it is, in its own words."""
    text = (ROOT / "docs" / "outputs.md").read_text()
    listed = {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }

    assert listed == set(output_kinds.names())
