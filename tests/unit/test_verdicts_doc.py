"""docs/verdicts.md names every breakage and every healthy build that is tested, each once, and no test that is not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.e2e.breakages import IN_FILES, IN_RUNS
from tests.e2e.corpus.table import BREAKAGES, NETWORKS, NOT_INT8
from tests.e2e.test_healthy_builds import BUILDS

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)(?:\[([\w-]+)\])?`")
BROKEN, HEALTHY = "test_breakages.py", "test_healthy_builds.py"
HARD = "test_hard_cases.py"
DOCUMENT = (ROOT / "docs" / "verdicts.md").read_text("utf-8")
ROWS = [line.strip("|").split("|") for line in DOCUMENT.splitlines() if line.startswith("|") and NAMED.search(line)]
TESTS = [NAMED.findall(row[-1]) for row in ROWS]


def functions(file):
    """Return the names of a file's tests."""
    (path,) = (ROOT / "tests").rglob(file)
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {name for name in names if name.startswith("test_")}


def cases(name):
    """Return which cases of a parametrized test the document names, sorted."""
    return sorted(case for row in TESTS for _, test, case in row if test == name and case)


def test_every_line_names_one_test_that_is_there():
    assert all(len(row) == 1 for row in TESTS)
    assert {(file, test) for ((file, test, _),) in TESTS if test not in functions(file)} == set()


def test_every_breakage_has_its_line():
    assert cases("test_a_broken_file_is_caught_at_its_stage") == sorted(IN_FILES)
    assert cases("test_a_run_that_went_wrong_is_caught_at_its_stage") == sorted(IN_RUNS)
    assert {test for ((file, test, _),) in TESTS if file == BROKEN} == functions(BROKEN)


def test_every_healthy_build_has_its_line():
    assert cases("test_a_healthy_network_is_not_refused") == sorted(BUILDS)
    assert {test for ((file, test, _),) in TESTS if file == HEALTHY} == functions(HEALTHY)


def test_the_corpus_has_its_lines():
    """Each breakage, and each network as it is converted faithfully and as it is built."""
    assert cases("test_what_is_broken_does_not_pass") == sorted(BREAKAGES)
    assert cases("test_a_faithful_conversion_by_the_converter_itself_passes") == sorted(NETWORKS)
    assert cases("test_a_healthy_network_ships") == sorted(NETWORKS)
    assert {test for ((file, test, _),) in TESTS if file == HARD} == functions(HARD)


def test_the_corpus_says_what_ships_and_what_does_harm():
    """The columns before what is said; nothing that does harm is among what passed."""
    rows = {(test, case): [cell.strip() for cell in row] for row, ((_, test, case),) in zip(ROWS, TESTS, strict=True)}

    for name, each in BREAKAGES.items():
        network, what, harm, verdict, *_ = rows["test_what_is_broken_does_not_pass", name]
        assert (network, what) == (each.network.replace("_", " "), each.what)
        assert (harm != "none") == each.harmful
        assert verdict in each.verdict
        assert harm == "none" or verdict != "passed"
    for name in NETWORKS:
        ships = rows["test_a_healthy_network_ships", name][2]
        assert (ships == "int8") == (name not in NOT_INT8)


def test_the_line_of_a_breakage_says_the_stage_that_its_test_expects():
    """The third column."""
    said = {case: row[2].strip() for row, ((_, _, case),) in zip(ROWS, TESTS, strict=True)}

    for name, each in (IN_FILES | IN_RUNS).items():
        assert said[name] == each.stage
