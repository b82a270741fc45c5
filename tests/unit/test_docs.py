"""What the documentation claims: tests of that name, pages that links lead to, commands with their options, terms, output that was printed."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from toolkit import __version__, findings, registry
from toolkit.cli.verbs import app
from toolkit.comparison import output_kinds
from toolkit.comparison.bounds import Stage
from toolkit.comparison.noise_limits import KERNELS, NUDGED
from toolkit.verdict.chain import Outcome

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (ROOT / "docs" / "sources.md").read_text()
TABLE = SOURCES.partition("\n| what it is |")[2].splitlines()[2:]
ROWS = TABLE[: TABLE.index("")]
README = (ROOT / "README.md").read_text()
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
}
VERBS = typer.main.get_command(app)
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def functions(file: str) -> set[str]:
    """Return the names of the functions in a test file."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "tests").rglob(file)]
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


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

    for name in registry.names("comparison/metrics"):
        module, (_, _, better, units, _) = registry.load("comparison/metrics", name), said[name]
        own = (*module.UNITS, "noise") if module.UNITS[0] == "real" else module.UNITS
        assert (better, re.findall(r"`(\w+)`", units)) == (module.BETTER, list(own))
        assert set(own) <= {unit for row in cells if len(row) == 2 for unit in re.findall(r"`(\w+)`", row[0])}
    for name in registry.names("comparison/task_metrics"):
        assert said[name][2] == registry.load("comparison/task_metrics", name).BETTER


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


def blocks(text: str) -> list[str]:
    """Return what stands in blocks of code without a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for language, block in found if not language]


def commands(text: str) -> list[list[str]]:
    """Return the commands of ours that a page shows, in words: in blocks of code, and inside a line."""
    joined = text.replace("\\\n", " ")
    said = re.findall(r"^ *(edge-toolkit [a-z].*)$|`(edge-toolkit [a-z][^`]*)`", joined, re.MULTILINE)
    return [shlex.split(one or other, comments=True) for one, other in said]


def anchors(text: str) -> set[str]:
    """Return what a link to a heading of a page may name."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_read_in_one_go():
    """A page of 200 lines, which a terminal of 120 columns shows."""
    assert len(README.splitlines()) < 200
    assert [line for line in README.splitlines() if len(line) > 120] == []


def test_the_readme_installs_this_version():
    assert re.findall(r"edge_deployment_toolkit-([\d.]+)-py3", README) == [__version__]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_page_and_a_heading_that_are_there(page):
    """Of those inside the project."""
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
        name, _, part = link.partition("#")
        target = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert target.is_file(), link
        assert not part or part in anchors(target.read_text()), link


def test_the_readme_leads_to_every_page():
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(
        re.findall(r"\((docs/[^)#]+)\)", README)
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one_of_ours_with_options_that_it_has(page):
    """A user pastes them."""
    for _, *words in commands(PAGES[page]):
        command, rest = VERBS, list(words)
        while rest and hasattr(command, "commands"):
            name = rest.pop(0).strip(",")
            if name.isupper() or name.startswith("-"):
                break
            assert name in command.commands, words
            command = command.commands[name]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word.strip("[],").partition("=")[0] for word in rest if re.match(r"\[?-{1,2}[a-z]", word)} <= known, (
            words
        )


def test_the_readme_shows_output_that_was_printed():
    """Its lines are those of the whole output in docs/reports.md, in their order; what was left out is marked."""
    (shown,) = (text.splitlines() for text in blocks(README) if "PASSED" in text)
    *_, report = (text.splitlines() for text in blocks(PAGES["docs/reports.md"]) if "PASSED" in text)

    places = [report.index(line) for line in shown if line != "  ..."]
    assert places == sorted(set(places))
    assert shown.count("  ...") >= 1


def test_every_target_is_in_the_readme():
    """And on its page, without the bases that others extend."""
    names = {path.stem for path in (ROOT / "targets").glob("*.toml") if not path.stem.startswith("base")}

    for page in ("README.md", "docs/targets.md"):
        text = PAGES[page].replace(
            "`raspberry-pi-3`, `-4`, `-5`", "`raspberry-pi-3`, `raspberry-pi-4`, `raspberry-pi-5`"
        )
        listed = {
            name
            for line in text.splitlines()
            if line.startswith("| `")
            for name in re.findall(r"`([\w-]+)`", line.split("|")[1])
        }
        assert names <= listed


def test_every_word_of_a_report_is_in_the_glossary():
    """Stages, outcomes, metrics, units, kinds, schemes, estimators, quantizers, severities, kinds of noise."""
    units = {
        unit
        for name in registry.names("comparison/metrics")
        for unit in registry.load("comparison/metrics", name).UNITS
    }
    words = {
        *get_args(Stage),
        "original",
        *get_args(Outcome),
        *findings.SEVERITIES,
        *registry.names("comparison/metrics"),
        *registry.names("comparison/task_metrics"),
        *(units | {"noise", "drop", "relative_drop", "achievable"}),
        *output_kinds.names(),
        *registry.names("conversion/schemes"),
        *registry.names("conversion/estimators"),
        *registry.names("conversion/quantizers"),
        *("repeat", "batch", NUDGED, KERNELS),
    }

    assert words - set(re.findall(r"`([^`]+)`", PAGES["docs/glossary.md"])) == set()


def test_the_glossary_says_of_each_metric_what_is_better():
    rows = [line.strip("|").split("|") for line in PAGES["docs/glossary.md"].splitlines() if line.startswith("| `")]
    said = {name: row[-1].strip() for row in rows if len(row) == 3 for name in re.findall(r"`(\w+)`", row[0])}

    for folder in ("metrics", "task_metrics"):
        for name in registry.names(folder):
            assert said[name] == registry.load(folder, name).BETTER, name
