"""Models that never end or want all memory: the limit is the reason that is given, it is reached once, and nobody tries the same again."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine
from toolkit.environments import resolve
from toolkit.settings import Settings

pytestmark = pytest.mark.engines
HERE = Path(__file__).resolve().parent
TIMEOUT_S = 15
ONE_CORE = ("taskset", "--cpu-list", "0")


@pytest.fixture(scope="module")
def models(home, tmp_path_factory):
    """Return the folder that make_endless.py wrote."""
    folder = tmp_path_factory.mktemp("endless")
    python = resolve("tensorflow", settings=Settings(home=home)).python
    variables = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(
        [python, HERE / "make_endless.py", folder], env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def edge(workers):
    """Return the command line."""
    return CommandLine(workers)


@pytest.fixture
def build(edge, models, tmp_path):
    """Return a function that builds one of the models within limits, with the samples that are named."""

    def run(name, *more, samples="samples", prefix=(), verb="build"):
        limits = ("--timeout", TIMEOUT_S, "--memory", 2)
        what = (verb, models / name, "--target", "host", "--calibration", models / f"{samples}.npz")
        where = {"prefix": prefix} if prefix else {}
        return edge(*what, *limits, "--out", tmp_path / "dist", *more, **where)

    return run


def together(prefix=()):
    """Return how many jobs may reach a limit at the same moment, because they began together."""
    return 1 if prefix else len(os.sched_getaffinity(0))


def failures(ended):
    """Return the jobs that were run and failed, those that share one calibration set as one: they begin together."""
    lines = [line for line in ended.err.splitlines() if ": failed after" in line]
    return {re.sub(r" \(part .*", "", line) for line in lines}


@pytest.mark.parametrize("prefix", [(), pytest.param(ONE_CORE, marks=pytest.mark.slow)], ids=["all cores", "one core"])
@pytest.mark.parametrize("name", ["never", pytest.param("far_away", marks=pytest.mark.slow)])
def test_an_endless_loop_costs_one_timeout(build, name, prefix, tmp_path):
    """Whoever runs the model first: the original, its float artifact, or calibration; no other scheme and no other quantizer begins it again."""
    ended = build(name, prefix=prefix)

    assert ended.status == 3
    assert 1 <= len(failures(ended)) <= together(prefix), ended.err
    assert f"no answer in {TIMEOUT_S} s" in ended.out.splitlines()[1]
    assert name in ended.out.splitlines()[1]
    assert "--timeout S" in ended.out
    assert "became int8" not in ended.out
    assert ("never ends: its condition is always true" in ended.out) == (name == "never")
    assert not (tmp_path / "dist" / "host").exists()


@pytest.mark.slow
def test_several_targets_wait_for_it_once(build):
    """All of them want the same original."""
    ended = build("never", "--target", "raspberry-pi-4")

    assert ended.status == 3
    # each in the table, and in its own report
    assert ended.out.count("NO VERDICT") == ended.out.count(f"no answer in {TIMEOUT_S} s") == 2 * 2
    assert 1 <= len(failures(ended)) <= together()


@pytest.mark.slow
def test_a_model_that_hangs_on_a_calibration_sample_does_not_pass_by_another_scheme(build):
    """A scheme without calibration would not meet that sample, and the device will."""
    ended = build("for_some", samples="bad")

    assert ended.status == 3
    assert "NO VERDICT" in ended.out
    assert "PASSED" not in ended.out
    assert "it ends before its first turn, or never" in ended.out


@pytest.mark.slow
def test_a_sweep_of_an_endless_model_waits_for_it_once(build):
    """It ends with 3: a 1 would be the verdict of every row."""
    ended = build("never", verb="sweep")

    assert ended.status == 3
    assert f"no answer in {TIMEOUT_S} s" in ended.err
    assert 1 <= len(failures(ended)) <= together()


def test_memory_that_is_not_given_is_a_limit(build):
    """TensorFlow says that it is exhausted; it is no fault of the engine, and no other scheme asks for it again."""
    ended = build("hungry")

    assert ended.status == 3
    assert "--memory GB allows each job more" in ended.out
    assert "its limit" in ended.out.splitlines()[1]
    assert 1 <= len(failures(ended)) <= together()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("never", "never ends"),
        ("never.pb", "never ends"),
        ("for_some", "before its first turn, or never"),
        ("far_away", None),
        ("ends", None),
        ("ends.pb", None),
    ],
)
def test_inspect_tells_of_loops_that_cannot_end(edge, models, name, says):
    """Without running them; of those that may end nothing is said."""
    ended = edge("inspect", models / name, "--json")

    told = [found["message"] for found in ended.document["findings"] if found["code"] == "endless-loop"]
    assert len(told) == (says is not None)
    assert all(says in message for message in told)
