"""Jobs that are worth nothing without another one: they are given up when it fails, and nothing else is."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from toolkit.errors import WorkerRefused, WorkerTimeout
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.graph import Goal, Graph
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.pipeline.variants import Candidate, choose
from toolkit.profiles.recipe import Recipe
from toolkit.settings import Limits, Settings
from toolkit.wire.shards import ShardWriter

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
        return replace(made, title=name, inputs=inputs, limits=limits or Limits(60, 10**9))

    return make


@pytest.fixture
def executor(tmp_path):
    """Return an executor that tells in `seen` what happened to which job."""
    seen = []
    settings = Settings(home=tmp_path / "home", offline=True)
    with LocalExecutor(settings, lambda job, what, _: seen.append((job.title, what))) as running:
        running._slots = 2
        running.seen = seen
        yield running


def test_what_runs_for_a_lost_goal_is_killed(executor, job, tmp_path):
    """A conversion failed after a second: nobody waits for the original to run over all samples."""
    fails, hangs = job("fails", "raise"), job("hangs", "hang")
    began = time.monotonic()

    first, second = executor.outcomes([hangs, fails], [Goal([fails], [hangs])])

    assert time.monotonic() - began < 300
    assert isinstance(first.error, WorkerRefused)
    assert first.error is second.error
    assert ("hangs", "dropped") in executor.seen


def test_what_waits_for_a_lost_goal_is_not_run(executor, job):
    """Nor what it would have read."""
    fails = job("fails", "raise")
    late = job("late", before=job("before", "wait"))
    executor._slots = 1

    outcomes = executor.outcomes([fails, late], [Goal([fails], [late])])

    assert isinstance(outcomes[0].error, WorkerRefused)
    assert outcomes[0].error is outcomes[1].error
    assert not [title for title, what in executor.seen if what == "started" and title != "fails"]


def test_what_another_goal_needs_is_done(executor, job):
    """Two targets, one original: it still judges the other one's artifact."""
    fails, shared, other = job("fails", "raise"), job("shared", "wait"), job("other")
    goals = [Goal([fails], [shared]), Goal([other, shared], [])]

    failed, ran, _ = executor.outcomes([fails, shared, other], goals)

    assert isinstance(failed.error, WorkerRefused)
    assert run_of(ran.entry).count == 3


def test_what_was_asked_for_beside_the_goals_is_done(executor, job):
    """It is nobody's means to an end."""
    fails, alone = job("fails", "raise"), job("alone", "wait")

    failed, ran = executor.outcomes([fails, alone], [Goal([fails], [])])

    assert isinstance(failed.error, WorkerRefused)
    assert run_of(ran.entry).count == 3


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

    assert isinstance(outcome.error, WorkerRefused)
    assert ("late", "started") not in executor.seen


def test_nothing_of_a_killed_job_is_left(job, tmp_path):
    """Neither a process nor a folder, also where the executor ends at once."""
    settings = Settings(home=tmp_path / "home", offline=True)
    fails, hangs = job("fails", "raise"), job("hangs", "hang")

    with LocalExecutor(settings) as running:
        running._slots = 2
        running.outcomes([hangs, fails], [Goal([fails], [hangs])])

    assert not any((tmp_path / "home" / "store" / "work").iterdir())


def test_without_a_failure_nothing_is_unwanted(job):
    """However many goals there are."""
    graph = Graph()
    one = job("one")
    graph.add(one)

    assert graph.unwanted([Goal([one], [one])]) == {}


def test_an_outcome_gives_its_entry_or_raises_its_error(executor, job):
    """Whoever forgets to ask for the error meets it."""
    fails, works = job("fails", "raise"), job("works")

    failed, ran = executor.outcomes([fails, works])

    assert ran.error is None
    assert ran.entry is ran.finished
    with pytest.raises(WorkerRefused) as caught:
        failed.entry  # noqa: B018
    assert caught.value is failed.error


QUICK = Limits(1, 10**9)


def test_a_limit_ends_what_would_reach_it_too(executor, job):
    """Other ranges for the same quantizer: what runs is killed at once, and what waits is not begun."""
    late = job("late", "hang", QUICK)
    hangs, beside = job("hangs", "hang", QUICK), job("beside", "hang")
    among = [hangs, beside, late]
    began = time.monotonic()

    outcomes = executor.outcomes(among, [Goal((), among, among)])

    assert time.monotonic() - began < 300
    assert {id(each.error) for each in outcomes} == {id(outcomes[0].error)}
    assert isinstance(outcomes[0].error, WorkerTimeout)
    assert ("beside", "dropped") in executor.seen
    assert ("late", "started") not in executor.seen


def test_another_failure_ends_nobody_that_is_only_within_limits(executor, job):
    """An engine that cannot make one variant may make the next."""
    fails, waits = job("fails", "raise"), job("waits", "wait")

    failed, ran = executor.outcomes([fails, waits], [Goal((), [fails, waits], [fails, waits])])

    assert isinstance(failed.error, WorkerRefused)
    assert run_of(ran.entry).count == 3


def test_a_limit_of_what_is_read_is_a_limit_of_its_reader(executor, job):
    """Calibration that took too long ends the variants made from its ranges, and what stands beside them."""
    hangs = job("hangs", "hang", QUICK)
    reader, beside = job("reader", before=hangs), job("beside", "hang")

    read, dropped = executor.outcomes([reader, beside], [Goal((), [reader, beside], [reader])])

    assert isinstance(read.error, WorkerTimeout)
    assert dropped.error is read.error


def test_all_that_is_run_together_ends_with_the_first_limit(executor, job):
    """Whoever asks for all of them has no use for the rest."""
    hangs, beside = job("hangs", "hang", QUICK), job("beside", "hang")
    began = time.monotonic()

    with pytest.raises(WorkerTimeout, match="hangs: no answer in 1 s"):
        executor.run(beside, hangs)

    assert time.monotonic() - began < 300


def test_what_raises_a_limit_is_said(executor, job):
    """The flag, and the number that it has now."""
    (outcome,) = executor.outcomes([job("hangs", "hang", QUICK)])

    assert "--timeout S allows each job more than 1 seconds" in outcome.error.hint


@pytest.fixture
def variants(job):
    """Return a function that gives the candidates of a static scheme, each made by a job that does as told: first ours, then the fallback."""

    def make(own, fallback):
        found = Recipe("static_wi8_ai8").variants("tflite")
        first = next(variant for variant in found if not variant.fallback)
        last = next(variant for variant in found if variant.fallback)
        floats = job("floats")
        among = []
        for variant, (name, do, limits) in ((first, own), (first, ("another", "wait", None)), (last, fallback)):
            made = job(name, do, limits)
            among.append(Candidate(variant, made, job(f"run {name}", made=made), floats))
        return among

    return make


def test_a_fallback_is_not_tried_for_what_took_too_long(executor, variants):
    """It is for what the other engines cannot make; its own calibration would begin the same again."""
    executor._slots = 1
    among = variants(("own", "hang", QUICK), ("fallback", "answer", None))

    with pytest.raises(WorkerTimeout, match="own: no answer"):
        choose(among, executor)

    assert {title for title, what in executor.seen if what == "started"} == {"floats", "own"}
