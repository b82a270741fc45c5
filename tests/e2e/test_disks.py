"""Full and read-only disks: said as such, with status 3, and nothing half-written stays."""

from __future__ import annotations

import json

import pytest

from tests.conftest import linked_home
from tests.e2e.conftest import apart, processes_of
from tests.rows import slow


@pytest.fixture
def build(edge, sample, digits):
    """Return a function that builds the embedded sample, with a folder on a disk of its own."""

    def run(out, home, small, size):
        # What is on the disk at the end is told, because it is gone with the namespace.
        prefix = apart(f"mount -t tmpfs -o size={size},mode=700 none {small}", "--mount")
        listing = (
            "sh",
            "-c",
            f'"$@"; status=$?; find {small} -mindepth 1 -printf "left: %P\\n" >&2; exit $status',
            "sh",
        )
        arguments = (
            "build",
            sample,
            "--target",
            "host",
            "--scheme",
            "static_wi8_ai8",
            "--calibration",
            digits,
            "--out",
            out,
        )
        return edge(*arguments, home=home, prefix=(*prefix, *listing))

    return run


@pytest.mark.parametrize("size", [slow("4k"), "16k", slow("40k")])
def test_a_full_disk_under_the_output_leaves_no_bundle(build, home, tmp_path, size):
    """Room for nothing, for a report, for a report and the artifact but not for all of it."""
    out = tmp_path / "dist"
    out.mkdir()

    ended = build(out, home, out, size)

    assert ended.status == 3
    assert "no space left" in ended.err
    assert f"{out}" in ended.err
    assert "left: " not in ended.err.replace("left: host\n", "")
    assert "left: host/model.tflite" not in ended.err


@pytest.mark.parametrize("size", [slow("16k"), slow("100k"), "200k", slow("400k"), slow("600k")])
def test_a_full_disk_under_the_store_is_said_as_such(build, home, tmp_path, size):
    """Whoever meets it first: the host, numpy, TensorFlow or the converter. None of them may blame the model."""
    own = linked_home(home, tmp_path / "home")
    (own / "store").mkdir()

    ended = build(tmp_path / "dist", own, own / "store", size)

    assert ended.status == 3, ended.out
    assert "no space left" in ended.out + ended.err
    assert "cache prune" in ended.out + ended.err
    assert "the model again" not in ended.out + ended.err
    assert not list(tmp_path.glob("dist/*"))
    assert processes_of(own) == []


def test_a_read_only_store_is_said_as_such(edge, sample, home, tmp_path):
    """A cache folder on a medium that cannot be written."""
    own = linked_home(home, tmp_path / "home")
    store = own / "store"
    store.mkdir()

    ended = edge(
        "inspect",
        sample,
        home=own,
        prefix=apart(f"mount --bind {store} {store} && mount -o remount,ro,bind {store}", "--mount"),
    )

    assert ended.status == 3
    assert "may not be written (Read-only file system)" in ended.err


def test_after_space_was_made_the_build_goes_on(edge, build, sample, digits, home, tmp_path):
    """The same command again, on the same folder, now with room."""
    out = tmp_path / "dist"
    out.mkdir()
    assert build(out, home, out, "16k").status == 3

    ended = edge(
        "build", sample, "--target", "host", "--scheme", "static_wi8_ai8", "--calibration", digits, "--out", out
    )

    assert ended.status == 0, ended.err
    assert json.loads((out / "host" / "report.json").read_text())["verdict"] == "passed"
