"""What is distributed: a wheel of a name that is ours, with the command, the plugin, and the data and pages that it refers to."""

from __future__ import annotations

import configparser
import email
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import toolkit
from toolkit.cli.verbs import app

ROOT = Path(__file__).resolve().parents[2]
NAME = "edge-deployment-toolkit"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the wheel, built by the project's own back end without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def held(wheel, name):
    """Return the text of a file of the wheel's metadata."""
    (path,) = (each for each in wheel.namelist() if each.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_the_distribution_has_a_name_that_is_its_own(wheel):
    """`edge-toolkit` on the package index is another project: nobody must get that one in place of this."""
    assert email.message_from_string(held(wheel, "METADATA"))["Name"] == NAME


def test_command_and_import_keep_their_names(wheel):
    entries = configparser.ConfigParser()
    entries.read_string(held(wheel, "entry_points.txt"))

    assert dict(entries["console_scripts"]) == {"edge-toolkit": "toolkit.__main__:main"}
    assert dict(entries["pytest11"]) == {"edge_toolkit": "toolkit.pytest_plugin"}
    assert {"toolkit/__init__.py", "toolkit/py.typed"} <= {*wheel.namelist()}


def test_what_it_says_of_itself_is_said_alike_and_promises_nothing_else(wheel):
    """The summary on an index, the package's docstring and the help; the README lists what is not there yet."""
    said = email.message_from_string(held(wheel, "METADATA"))["Summary"]

    assert str(toolkit.__doc__).partition("\n")[0] == f"{said}."
    assert app.registered_callback.callback.__doc__ == f"{said}."
    missing = (ROOT / "README.md").read_text().partition("## What it does not do (yet)")[2].lower()
    assert "a microcontroller's own processor" in missing
    assert "microcontroller" not in said


@pytest.mark.parametrize("folder", ["targets", "calibration", "docs"])
def test_what_lies_beside_the_package_lies_in_it(wheel, folder):
    """Profiles, recipes, and the pages that reports and messages name."""
    expected = {path.name for path in (ROOT / folder).iterdir() if path.suffix in {".toml", ".npz", ".md"}}

    assert expected
    assert {f"toolkit/{folder}/{name}" for name in expected} <= set(wheel.namelist())


def test_no_page_sends_anybody_to_the_other_distribution():
    """Whatever it installs."""
    for page in (ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")):
        for line in page.read_text().splitlines():
            assert not ("pip install" in line and "edge-toolkit" in line), (page.name, line)
