"""The pytest plugin, as its users have it: pytest in a process of its own, over tests that build the embedded sample."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys

import pytest

from tests.e2e.conftest import PACKAGE

pytest_plugins = ["pytester"]

TESTS = """
import pytest
from toolkit.errors import UnjudgeableRun, UnknownName
from toolkit.pytest_plugin import assert_passed

SAMPLE = dict(source={sample!r}, calibration={digits!r})

def test_good(edge_verify):
    verdict = edge_verify(target="host", **SAMPLE)
    assert_passed(verdict)
    assert verdict.artifact.scheme == "static_wi8_ai8"

def test_bad(edge_verify):
    assert_passed(edge_verify(target={strict!r}, **SAMPLE))

def test_error(edge_verify):
    with pytest.raises(UnknownName, match="did you mean 'host'"):
        edge_verify(target="hots", **SAMPLE)
    with pytest.raises(UnjudgeableRun, match="matches no output"):
        edge_verify(target={unjudgeable!r}, **SAMPLE)
"""
GATE = """
import pytest

@pytest.mark.parametrize("name", ["a/b", "a b"])
def test_gate(edge_verify, name):
    edge_verify({sample!r}, "host", calibration={digits!r}, scheme={scheme!r})
"""
UNREACHABLE = """
[[bounds]]
stage   = "total"
output  = "*"
metric  = "sqnr_db"
limit   = 200
because = "no int8 model comes near it"
schemes = ["static_wi8_ai8"]
"""
WRONG = """
import pytest
import toolkit

def test_target(edge_verify):
    edge_verify({sample!r}, "hots")

def test_model(edge_verify):
    edge_verify("nothing-here", "host", calibration={digits!r})

def test_baseline(edge_verify, monkeypatch, tmp_path):
    monkeypatch.setattr("toolkit.regression.check", refused)
    monkeypatch.setattr("toolkit.verbs.build.build", lambda *given, **more: {{"host": None}})
    (tmp_path / "test_models.test_baseline.host.json").touch()
    monkeypatch.setattr(type(edge_verify), "_baseline_of", lambda self, target: (tmp_path / "test_models.test_baseline.host.json", True))
    edge_verify({sample!r}, "host")

def refused(*given):
    try:
        int("x")
    except ValueError as error:
        raise toolkit.errors.RequestError("the baseline was cut") from error
"""
NOT_PASSED = """
def test_gate(edge_verify):
    edge_verify({sample!r}, {strict!r}, calibration={digits!r})
"""


@pytest.fixture
def strict(profile):
    """Return a profile whose bounds no quantized model keeps."""
    return str(profile("strict", f'schemes = ["static_wi8_ai8"]\n{UNREACHABLE}'))


@pytest.fixture
def unjudgeable(profile):
    """Return a profile with a bound on an output that the sample has not."""
    return str(profile("unjudgeable", f'schemes = ["static_wi8_ai8"]\n{UNREACHABLE.replace("*", "logits")}'))


@pytest.fixture
def run(pytester, monkeypatch, home):
    """Return a function that runs pytest over what lies in the folder, with the plugin as it would be installed."""
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    installed = {entry.value for entry in importlib.metadata.entry_points(group="pytest11")}
    given = () if "toolkit.pytest_plugin" in installed else ("-p", "toolkit.pytest_plugin")
    return lambda *more: pytester.runpytest_subprocess("-rA", "-p", "no:cacheprovider", *given, *more, timeout=900)


@pytest.fixture
def write(pytester, sample, digits):
    """Return a function that writes the file of tests."""

    def file(text, **more):
        pytester.makepyfile(test_models=text.format(sample=str(sample), digits=str(digits), **more))

    return file


def test_a_test_passes_or_fails_as_the_verdict_does_and_shows_the_report(run, write, strict, unjudgeable):
    """And an error is one that a test can expect."""
    write(TESTS, strict=strict, unjudgeable=unjudgeable)

    ended = run()

    ended.assert_outcomes(passed=2, failed=1)
    ended.stdout.fnmatch_lines(
        ["E*AssertionError: not passed", "E*strict*NOT PASSED", "E*total*sqnr_db*>= 200 dB*FAIL*"]
    )
    ended.stdout.no_fnmatch_line("*toolkit/pytest_plugin.py*")  # the test's own line is what is shown


def test_an_error_shows_the_test_and_its_message_and_no_frame_of_ours(run, write):
    """Of what the build raises, and of a baseline that cannot be read; `--full-trace` shows all."""
    write(WRONG)

    ended, whole = run(), run("--full-trace", "-k", "test_target")

    ended.assert_outcomes(failed=3)
    ended.stdout.fnmatch_lines_random(
        [
            '>       edge_verify(*, "hots")',
            "E*RequestError: target 'hots': unknown; did you mean 'host'*",
            '>       edge_verify("nothing-here", *)',
            "E*RequestError: nothing-here: no such file or folder",
            "E*RequestError: the baseline was cut",
        ]
    )
    ended.stdout.no_fnmatch_line("*toolkit/*.py:*")
    ended.stdout.no_fnmatch_line("*ValueError*")
    whole.stdout.fnmatch_lines(["*toolkit/verbs/build.py:*"])


def test_an_error_before_the_test_shows_no_frame_of_ours_either(run, write, pytester, monkeypatch):
    """A cache folder that others may write to is refused as the fixture is made."""
    write("def test_target(edge_verify):\n    pass\n")
    (pytester.path / "open").mkdir()
    (pytester.path / "open").chmod(0o777)
    monkeypatch.setenv("EDGE_TOOLKIT_HOME", str(pytester.path / "open"))

    ended = run()

    ended.assert_outcomes(errors=1)
    ended.stdout.fnmatch_lines(["E*StoreFailed: *open*"])
    ended.stdout.no_fnmatch_line("*toolkit/*.py:*")


def test_a_baseline_is_written_and_then_held_against(run, write, pytester):
    """Each parameter has its own; the next release passes as it is, and fails where it is larger than it was."""
    write(GATE, scheme="static_wi8_ai8")
    written = run("--edge-update-baseline")
    files = sorted(path.name for path in (pytester.path / "edge_baselines").iterdir())
    same = run()
    write(GATE, scheme="float32")
    larger = run("-k", "a/b")

    written.assert_outcomes(passed=2)
    written.stdout.fnmatch_lines(
        ["*edge-toolkit: baselines*", "*edge_baselines/test_models.test_gate-a-b-.host.*.json:"]
    )
    assert len(files) == 2
    same.assert_outcomes(passed=2)
    larger.assert_outcomes(failed=1, deselected=1)
    larger.stdout.fnmatch_lines(["*test_models.test_gate-a-b-*: the gate is not passed", "*size_bytes*"])


def test_a_baseline_that_should_be_there_and_is_not_fails(run, write, pytester):
    """Where the folder was named, on the command line or for good: a file that somebody removed is no pass."""
    write(GATE, scheme="static_wi8_ai8")
    named = run("--edge-baseline-dir", "kept", "-k", "a/b")
    pytester.makeini("[pytest]\nedge_baseline_dir = kept\n")
    set_down = run("-k", "a/b")

    for ended in (named, set_down):
        ended.assert_outcomes(failed=1, deselected=1)
        ended.stdout.fnmatch_lines(
            ["*/kept/test_models.test_gate-*: no such baseline; --edge-update-baseline writes it"]
        )


def test_what_is_not_passed_becomes_no_baseline(run, write, pytester, strict):
    """The one that is there stays as it was."""
    write(NOT_PASSED, strict=strict)

    ended = run("--edge-update-baseline")

    ended.assert_outcomes(failed=1)
    ended.stdout.fnmatch_lines(["*left as it is, because this release is not passed", "strict*NOT PASSED"])
    assert not (pytester.path / "edge_baselines").exists()


def test_a_damaged_baseline_is_one_clear_message(run, write, pytester):
    """Whatever was done to it."""
    write(GATE, scheme="static_wi8_ai8")
    run("--edge-update-baseline", "-k", "a/b")
    (path,) = (pytester.path / "edge_baselines").iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), "size_bytes": 1}))

    ended = run("-k", "a/b")

    ended.assert_outcomes(failed=1, deselected=1)
    ended.stdout.fnmatch_lines(["*was changed after it was written*"])


def test_loading_the_plugin_imports_nothing_slow():
    """It is loaded in every run of pytest wherever the package is installed."""
    slow = ("numpy", "pydantic", "rich", "safetensors", "PIL", "tensorflow", "typer")
    code = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import toolkit.pytest_plugin\n"
        f"print(sorted({set(slow)!r} & (set(sys.modules) - before)))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)

    assert found.stdout.strip() == "[]"


def test_pytest_finds_the_plugin_where_the_package_is_installed():
    """The entry point is in the project's file, and names a module with a fixture."""
    said = (PACKAGE.parent / "pyproject.toml").read_text()
    _, _, after = said.partition("[project.entry-points.pytest11]")
    name, _, module = after.splitlines()[1].partition(" = ")

    assert name == "edge_toolkit"
    assert hasattr(importlib.import_module(module.strip('"')), "edge_verify")
