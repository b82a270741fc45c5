"""What docs/commands.md shows of Python is run as it stands, and every example in the documentation passes a type checker."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.e2e.conftest import PACKAGE

ROOT = PACKAGE.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def checkout(tmp_path):
    """Return a folder that has what a checkout has, into which may be written."""
    for name in ("toolkit", "calibration"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_the_example_runs_as_it_stands(checkout, home, monkeypatch):
    """A build, and the gate after it, with strings alone."""
    (example,) = BLOCK.findall((ROOT / "docs" / "commands.md").read_text())
    monkeypatch.setenv("EDGE_TOOLKIT_HOME", str(home))

    ended = subprocess.run([sys.executable, "-c", example], cwd=checkout, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    report = json.loads((checkout / "dist" / "host" / "report.json").read_text())
    assert report["verdict"] == "passed"
    assert (checkout / "baselines" / "digits.json").is_file()


def test_the_examples_have_types(tmp_path):
    """As a user's own checker sees them: nothing that is imported from the package is `Any`."""
    for page in PAGES:
        for number, block in enumerate(BLOCK.findall(page.read_text())):
            lines = block.replace("(edge_verify):", "(edge_verify: Verifying) -> None:")
            more = "from toolkit.pytest_plugin import Verifying\n" if lines != block else ""
            (tmp_path / f"{page.stem}_{number}.py").write_text(more + lines)
    (tmp_path / "wrong.py").write_text(
        'import toolkit\n\ntoolkit.build("model", targets=3)\ntoolkit.check("a", "b").pased\n'
    )
    strict = ("--strict", "--python-executable", sys.executable, "--cache-dir", str(tmp_path / "cache"))

    ended = subprocess.run(
        [sys.executable, "-m", "mypy", *strict, "--follow-imports", "silent", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    found = [line for line in ended.stdout.splitlines() if ": error: " in line]
    assert [line.partition(":")[0] for line in found] == ["wrong.py"] * 2, ended.stdout + ended.stderr
    assert "[arg-type]" in found[0]
    assert '"Gate" has no attribute "pased"' in found[1]
