"""What docs/ci.md shows is run: its commands on the embedded sample, its workflows' steps, and its tests."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.conftest import PACKAGE
from toolkit import __version__, registry

pytest_plugins = ["pytester"]

ROOT = PACKAGE.parent
DOCS = (ROOT / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)
RUN = ("edge-toolkit ", "cat reports/")
OTHERS = ("pip install ", "gh pr comment ", "pytest ", "git add ")  # programs that are not ours, or not here


def blocks(language):
    return [text for kind, text in BLOCKS if kind == language]


class Yaml:
    """A document of the plain kind that workflows are written in: mappings, lists, `|` blocks, scalars as text. What is else is refused."""

    def __init__(self, text):
        self.lines = [line for line in text.splitlines() if line.strip()]
        self.whole = self._node(0)
        assert not self.lines, self.lines

    def _here(self, depth):
        return bool(self.lines) and len(self.lines[0]) - len(self.lines[0].lstrip(" ")) == depth

    def _node(self, depth):
        return self._items(depth) if self.lines[0].lstrip().startswith("- ") else self._pairs(depth)

    def _items(self, depth):
        found = []
        while self._here(depth) and self.lines[0].lstrip().startswith("- "):
            item = self.lines[0][depth + 2 :]
            if re.match(r"[\w-]+:( |$)", item):
                self.lines[0] = " " * (depth + 2) + item
                found.append(self._pairs(depth + 2))
            else:
                self.lines.pop(0)
                found.append(scalar(item))
        return found

    def _pairs(self, depth):
        held = {}
        while self._here(depth) and not self.lines[0].lstrip().startswith("- "):
            key, sign, rest = (part.strip() for part in self.lines.pop(0).partition(":"))
            assert sign, key
            assert key not in held
            held[key] = self._value(rest, depth)
        return held

    def _value(self, rest, depth):
        inner = len(self.lines[0]) - len(self.lines[0].lstrip(" ")) if self.lines else 0
        if rest == "|":
            kept = []
            while self._here(inner) and inner > depth:
                kept.append(self.lines.pop(0).strip())
            return "\n".join(kept)
        return scalar(rest) if rest else self._node(inner)


def scalar(text):
    if text.startswith("[") and text.endswith("]"):
        return [each.strip() for each in text[1:-1].split(",")]
    assert not re.match(r"[{&*>%@`!|]", text), text
    assert not re.search(r": | #", text), text
    return text.strip('"')


def jobs(text):
    """Return the jobs of a workflow, by name."""
    whole = Yaml(text).whole
    return whole.get("jobs", whole)


def commands():
    """Return every command that the page shows, in its order: of the console and of the workflows."""
    said = [line for text in blocks("console") for line in text.splitlines()]
    for text in blocks("yaml"):
        for job in jobs(text).values():
            said += [line for step in job.get("steps", ()) if "run" in step for line in step["run"].splitlines()]
            said += job.get("script", [])
    return said


@pytest.fixture(scope="module")
def place(tmp_path_factory, sample, digits):
    """Return a folder in which the page's paths lead somewhere, with `edge-toolkit` as a program in it."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "toolkit" / "sample").mkdir(parents=True)
    (folder / "toolkit" / "sample" / "digits").symlink_to(sample)
    (folder / "calibration").symlink_to(digits.parent)
    program = folder / "bin" / "edge-toolkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m toolkit "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def ran(place):
    """Return what each of our own commands of the page, and what puts their reports together, left, run one after another by a shell."""
    variables = os.environ | {"PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    ended = {}
    for command in dict.fromkeys(each for each in commands() if each.startswith(RUN)):
        asked = ["bash", "-e", "-o", "pipefail", "-c", command]
        ended[command] = subprocess.run(
            asked, cwd=place, env=variables, capture_output=True, text=True, timeout=900, check=False
        )
    return ended


def test_every_command_of_the_page_is_run_or_known():
    """A command of another program stands there only where it is one of those."""
    assert [each for each in commands() if not each.startswith((*RUN, *OTHERS))] == []
    assert sum(each.startswith("edge-toolkit ") for each in commands()) >= 5


def test_the_commands_of_the_page_do_what_it_says(ran):
    """All of them end with 0 on the sample."""
    assert {command: (each.returncode, each.stderr[-500:]) for command, each in ran.items() if each.returncode} == {}


def test_the_reports_of_the_page_are_there(ran, place):
    """Each in its form; annotations are on standard output."""
    assert ET.parse(place / "dist" / "verdict.xml").getroot().tag == "testsuites"  # noqa: S314 - of our own
    assert ET.parse(place / "dist" / "gate.xml").find(".//testcase[@name='verdict']") is not None  # noqa: S314
    assert json.loads((place / "dist" / "verdict.sarif").read_text())["version"] == "2.1.0"
    assert (place / "dist" / "comment.md").read_text().startswith("<!-- edge-toolkit -->")
    annotated = [each.stdout for command, each in ran.items() if "github=-" in command]
    assert annotated
    assert all("::notice" in each for each in annotated)


def test_the_comment_tells_of_each_model_and_of_the_gate(ran, place):
    """In one text that GitHub takes, the gate's result too."""
    text = (place / "comment.md").read_text()
    reports = sorted((place / "reports").glob("*.md"))

    assert ran
    assert [path.name for path in reports] == ["1-digits.md", "2-digits-gate.md", "3-float16.md"]
    assert text == "".join(path.read_text() for path in reports)
    assert text.startswith("<!-- edge-toolkit -->")
    assert len(text) <= 65_536
    assert "static_wi8_ai8" in text
    assert "float16" in text
    assert "| gate **" in text


def test_the_comment_has_its_token_its_number_and_everything_before_it():
    """`gh` asks for a token in its environment, and finds no pull request by itself where the merged commit is checked out."""
    (job,) = jobs(blocks("yaml")[0]).values()
    (place,) = (number for number, step in enumerate(job["steps"]) if step.get("name") == "comment")
    ours = [number for number, step in enumerate(job["steps"]) if "edge-toolkit " in step.get("run", "")]

    assert job["permissions"]["pull-requests"] == "write"
    assert job["steps"][place]["env"] == {"GH_TOKEN": "${{ github.token }}"}
    assert "gh pr comment ${{ github.event.pull_request.number }} " in job["steps"][place]["run"]
    assert max(ours) < place
    assert all(job["steps"][number]["if"].startswith("always()") for number in (*ours[1:], place))


def test_what_is_installed_is_this_distribution_at_this_version():
    """And not the other one that has the command's name."""
    (line,) = (text for text in blocks("text"))

    assert line.strip() == f"./wheels/edge_deployment_toolkit-{__version__}-py3-none-any.whl"
    assert f"`edge-deployment-toolkit=={__version__}`" in DOCS
    assert (ROOT / "pyproject.toml").read_text().count('\nname = "edge-deployment-toolkit"') == 1


def test_every_format_has_a_line_on_the_page():
    """And every line is of one."""
    assert re.findall(r"^\| `(\w+)` \|", DOCS, re.MULTILINE)[: len(registry.names("report/formats"))] == sorted(
        registry.names("report/formats"), key=DOCS.index
    )


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_workflow_uses_only_files_that_it_makes(text):
    """What a later step reads, an earlier one wrote; every step is either ours to run or another's action."""
    written, read = set(), set()
    for job in jobs(text).values():
        for step in job.get("steps", [{"run": line} for line in job.get("script", ())]):
            assert ("run" in step) is not ("uses" in step)
            written |= set(re.findall(r"--report \w+=(\S+)", step.get("run", ""))) - {"-"}
            written |= set(re.findall(r"^cat .* > (\S+)$", step.get("run", ""), re.MULTILINE))
            read |= set(re.findall(r"--body-file (\S+)", step.get("run", "")))
            read |= {value for key, value in step.get("with", {}).items() if key == "sarif_file"}
        read |= set(job.get("artifacts", {}).get("reports", {}).values())

    assert read
    assert read <= written


def test_the_tests_of_the_page_pass(pytester, place, monkeypatch):
    """Written as they stand there, with a baseline and then as a gate, by the page's own commands."""
    (text,) = blocks("python")
    for name in ("toolkit", "calibration"):
        (pytester.path / name).symlink_to(place / name)
    (pytester.path / "tests" / "models").mkdir(parents=True)
    (pytester.path / "tests" / "models" / "test_classifier.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    installed = {entry.value for entry in importlib.metadata.entry_points(group="pytest11")}
    given = () if "toolkit.pytest_plugin" in installed else ("-p", "toolkit.pytest_plugin")

    for command in (each for each in commands() if each.startswith("pytest ")):
        ended = pytester.runpytest_subprocess("-rA", *given, *command.split()[1:], timeout=900)
        ended.assert_outcomes(passed=1)

    assert len(list((pytester.path / "tests" / "models" / "edge_baselines").iterdir())) == 1
