"""Every path that a verb is given, of a kind that the system refuses: exit status 2 and the path, before any work, and never an internal error.

None of these needs an engine: where the refusal came late, the verb would fail for want of one.
"""

from __future__ import annotations

import pytest

from tests.attacks.edits import run_verb

LONG = "x" * 300
REFUSED = {
    "a long name": LONG,
    "a ring of links": "ring/x",
    "nobody's home": "~nobody-of-that-name/x/y",
}
BOUNDS = '[[bounds]]\nstage = "total"\nmetric = "sqnr_db"\nlimit = 3.0\nbecause = "a test"\n'


_FIRST = ("inspect", "--target", "build --out", "--report", "convert --out", "--bounds", "calibration show", "targets check")  # fmt: skip


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Go to a folder with a ring of links, a file, and one of what verbs read."""
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "file").write_text("text\n")
    (tmp_path / "bounds.toml").write_text(BOUNDS)
    (tmp_path / "a.tflite").write_bytes(b"\0\0\0\0TFL3")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def verbs(sample, digits):
    """Return what is asked, by what is read or written; PLACE stands for the path."""
    host, sets = ("--target", "host"), ("--calibration", digits)
    build = ("build", sample, *host, *sets)
    about = ("--source", sample, *host, *sets)
    return {
        "inspect": ("inspect", "PLACE"),
        "--map": ("inspect", sample, "--map", "PLACE"),
        "--builder": ("inspect", sample, "--builder", "PLACE.py:make"),
        "--allow-read": ("inspect", sample, "--allow-read", "PLACE"),
        "--python": ("inspect", sample, "--python", "tensorflow=PLACE"),
        "build": ("build", "PLACE", *host, *sets),
        "--target": ("build", sample, "--target", "PLACE.toml", *sets),
        "a target's name": ("targets", "show", "PLACE"),
        "--calibration": ("build", sample, *host, "--calibration", "PLACE"),
        "--calibration of one": ("build", sample, *host, "--calibration", "PLACE=PLACE"),
        "--calibration, a recipe": ("build", sample, *host, "--calibration", "PLACE.toml"),
        "--eval": (*build, "--eval", "PLACE.npz"),
        "--limits": (*build, "--limits", "PLACE"),
        "build --out": (*build, "--out", "PLACE"),
        "--report": (*build, "--report", "junit=PLACE"),
        "convert --out": ("convert", sample, "--out", "PLACE.tflite"),
        "run": ("run", "PLACE.tflite", *host, "--samples", digits),
        "--samples": ("run", "a.tflite", *host, "--samples", "PLACE"),
        "run --out": ("run", "a.tflite", *host, "--samples", digits, "--out", "PLACE.npz"),
        "verify": ("verify", "PLACE", *about),
        "verify --source": ("verify", "a.tflite", "--source", "PLACE", *host, *sets),
        "verify --out": ("verify", "a.tflite", *about, "--out", "PLACE"),
        "verify BUNDLE": ("verify", "PLACE", "--bounds", "bounds.toml"),
        "--bounds": ("compare", "file", "file", "--bounds", "PLACE"),
        "compare": ("compare", "PLACE", "file"),
        "check": ("check", "PLACE", "--baseline", "file"),
        "--baseline": ("check", "folder", "--baseline", "PLACE"),
        "--update-baseline": ("check", "folder", "--baseline", "PLACE", "--update-baseline"),
        "sweep --out": ("sweep", sample, *host, *sets, "--out", "PLACE"),
        "debug": ("debug", "PLACE", *about),
        "debug --out": ("debug", "a.tflite", *about, "--out", "PLACE"),
        "debug --stage --out": ("debug", "a.tflite", *about, "--stage", "kernels", "--out", "PLACE"),
        "calibration lint": ("calibration", "lint", "PLACE", "--source", sample),
        "calibration show": ("calibration", "show", "PLACE"),
        "targets check": ("targets", "check", "PLACE"),
    }


@pytest.mark.parametrize("kind", REFUSED)
def test_a_path_that_the_system_refuses_is_a_wrong_request(work, sample, digits, kind):
    """Whichever option names it. Status 3 only where the engine is asked for first, or where such a place could be made."""
    for asked, arguments in verbs(sample, digits).items():
        status, printed = run_verb(*(str(each).replace("PLACE", REFUSED[kind]) for each in arguments))

        assert status == 2 or (status == 3 and "not installed yet" in printed), (
            asked,
            printed,
        )
        assert status == 3 or asked not in _FIRST or REFUSED[kind][:40] in printed, (asked, printed)
    assert sorted(path.name for path in work.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("memory", ["inf", "1e300", "1e11", "nan", "0", "-1"])
def test_a_limit_of_memory_that_is_no_number_of_bytes_is_refused(sample, memory):
    status, printed = run_verb("inspect", sample, "--memory", memory)

    assert status == 2
    assert "--memory" in printed


def test_a_report_beside_the_bundles_may_lie_in_a_folder_of_a_targets_name(work, sample, digits):
    """Only what is written as a whole is no place for it: the request goes on, and ends for want of an engine."""
    (work / "host").mkdir()
    build = ("build", sample, "--target", "host", "--calibration", digits, "--out", "dist")

    assert run_verb(*build, "--report", "junit=host/verdict.xml")[0] == 3
    for inside in ("dist/host/verdict.xml", "dist/signature/host/verdict.xml", "folder/../dist/host/verdict.xml"):
        status, printed = run_verb(*build, "--report", f"junit={inside}")
        assert status == 2
        assert "will lie in a bundle" in printed
