"""What the documentation claims has a test of that name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

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
