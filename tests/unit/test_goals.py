"""Jobs that are worth nothing without another one: they are given up when it fails, and nothing else is."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from toolkit.errors import WorkerRefused
from toolkit.executor import Executor
from toolkit.job_graph import Goal, Graph
from toolkit.jobs import Engine, Job
from toolkit.limits import Limits
from toolkit.runtime import Execution, run_job, run_of
from toolkit.settings import Settings
from toolkit.worker.shards import ShardWriter

ENGINE = Engine("dataset")
SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 3]}],
}


@pytest.fixture
def job(tmp_path):
    """Return a maker of jobs that run a fake engine, doing as told, over three samples."""
    with ShardWriter(tmp_path / "samples") as writer:
        for value in range(3):
            writer.add({"x": np.full((1, 2), value, np.float32)})

    def make(name, do="answer", limits=None, **more):
        model = tmp_path / f"{name}.fake"
        model.write_text(json.dumps({"signature": SIGNATURE, "do": do, "name": name}))
        made = run_job(model, tmp_path / "samples", Execution(ENGINE, "fake"))
        inputs = {**made.inputs, **more}
        return Job(name, made.module, made.call, ENGINE, made.options, inputs, limits=limits or Limits(60, 10**9))

    return make


@pytest.fixture
def executor(tmp_path):
    """Return an executor that tells in `seen` what happened to which job."""
    seen = []
    settings = Settings(home=tmp_path / "home", offline=True)
    with Executor(settings, lambda job, what, _: seen.append((job.title, what))) as running:
        running._slots = 2
        running.seen = seen
        yield running


def test_what_runs_for_a_lost_goal_is_killed(executor, job, tmp_path):
    """A conversion failed after a second: nobody waits for the original to run over all samples."""
    fails, hangs = job("fails", "raise"), job("hangs", "hang")
    began = time.monotonic()

    first, second = executor.outcomes([hangs, fails], [Goal([fails], [hangs])])

    assert time.monotonic() - began < 30
    assert isinstance(first, WorkerRefused)
    assert first is second
    assert ("hangs", "dropped") in executor.seen


def test_what_waits_for_a_lost_goal_is_not_run(executor, job):
    """Nor what it would have read."""
    fails = job("fails", "raise")
    late = job("late", before=job("before", "wait"))
    executor._slots = 1

    outcomes = executor.outcomes([fails, late], [Goal([fails], [late])])

    assert outcomes[0] is outcomes[1]
    assert not [title for title, what in executor.seen if what == "started" and title != "fails"]


def test_what_another_goal_needs_is_done(executor, job):
    """Two targets, one original: it still judges the other one's artifact."""
    fails, shared, other = job("fails", "raise"), job("shared", "wait"), job("other")
    goals = [Goal([fails], [shared]), Goal([other, shared], [])]

    failed, ran, _ = executor.outcomes([fails, shared, other], goals)

    assert isinstance(failed, WorkerRefused)
    assert run_of(ran).count == 3


def test_what_was_asked_for_beside_the_goals_is_done(executor, job):
    """It is nobody's means to an end."""
    fails, alone = job("fails", "raise"), job("alone", "wait")

    failed, ran = executor.outcomes([fails, alone], [Goal([fails], [])])

    assert isinstance(failed, WorkerRefused)
    assert run_of(ran).count == 3


def test_what_was_given_up_can_be_asked_for_again(executor, job):
    """By another scheme, say: it begins anew, and ends."""
    fails, waits = job("fails", "raise"), job("waits", "wait")
    executor.outcomes([waits, fails], [Goal([fails], [waits])])

    (ran,) = executor.run(waits)

    assert run_of(ran).count == 3
    assert executor.seen.count(("waits", "dropped")) == 1


def test_a_goal_that_is_lost_already_begins_nothing(executor, job):
    """The next scheme needs the same conversion."""
    fails = job("fails", "raise")
    executor.outcomes([fails])

    late = job("late", "hang")
    (outcome,) = executor.outcomes([late], [Goal([fails], [late])])

    assert isinstance(outcome, WorkerRefused)
    assert ("late", "started") not in executor.seen


def test_nothing_of_a_killed_job_is_left(job, tmp_path):
    """Neither a process nor a folder, also where the executor ends at once."""
    settings = Settings(home=tmp_path / "home", offline=True)
    fails, hangs = job("fails", "raise"), job("hangs", "hang")

    with Executor(settings) as running:
        running._slots = 2
        running.outcomes([hangs, fails], [Goal([fails], [hangs])])

    assert not any((tmp_path / "home" / "store" / "work").iterdir())


def test_without_a_failure_nothing_is_unwanted(job):
    """However many goals there are."""
    graph = Graph()
    one = job("one")
    graph.add(one)

    assert graph.unwanted([Goal([one], [one])]) == {}
