"""A job that measures time runs alone: beside no other job of its own process, and of none that uses the same store."""

from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pytest

from toolkit.errors import StoreFailed, TargetUnavailable
from toolkit.execution.run import Execution, run_job
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.quiet import Quiet
from toolkit.settings import Limits, Settings
from toolkit.wire.shards import ShardWriter

SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 3]}],
}


@pytest.fixture
def pair(tmp_path):
    """Return two processes' parts in it, and what each of them said."""
    said = [], []
    return Quiet(tmp_path, said[0].append, 60), Quiet(tmp_path, said[1].append, 60), said


def test_jobs_of_two_processes_run_together(pair):
    one, other, said = pair

    assert one.with_others()
    assert other.with_others()
    assert one.with_others()
    assert said == ([], [])


def test_one_that_measures_waits_until_others_rest_and_they_begin_no_more(pair):
    """Else a long build would keep it waiting until its end."""
    one, other, said = pair
    assert one.with_others()

    assert not other.alone()
    assert not one.with_others()
    assert not other.alone()
    one.rest(waits=False)
    assert other.alone()
    assert said == (
        ["waiting until another command has measured times, which it does alone"],
        ["waiting until the jobs of other commands have ended, because times are measured alone"],
    )


def test_nobody_begins_a_job_while_one_measures(pair):
    one, other, _ = pair
    assert one.alone()

    assert not other.with_others()
    assert not other.alone()
    one.rest(waits=False)
    assert other.alone()
    assert not one.with_others()


def test_one_that_gave_up_waiting_keeps_nobody_from_work(pair):
    """Its job was dropped: a bound that decides was missed meanwhile, say."""
    one, other, _ = pair
    assert one.with_others()
    assert not other.alone()

    other.rest(waits=False)

    assert one.with_others()


def test_what_a_process_held_ends_with_it(pair):
    one, other, _ = pair
    assert one.alone()

    one.end()

    assert other.with_others()
    assert not one.alone()


def test_nobody_waits_for_ever(tmp_path):
    """A command that was stopped in the middle keeps its locks: others do their work, and a measurement says why there is none."""
    stopped, worker, measures = (Quiet(tmp_path, print, patience) for patience in (60, 0, 0))
    assert stopped.alone()

    while not worker.with_others():
        pass
    with pytest.raises(TargetUnavailable, match="did not end in 0 s"):
        [measures.alone() for _ in range(1000)]


def test_where_the_store_may_only_be_read_nobody_else_runs_jobs_either(tmp_path, monkeypatch):
    """There is nothing to wait for."""
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))

    assert Quiet(tmp_path, print, 60).alone()
    assert Quiet(tmp_path, print, 60).with_others()


def test_a_link_in_the_place_of_a_lock_is_refused(tmp_path):
    """What it leads to would be made, or kept locked."""
    (tmp_path / "turn.lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreFailed):
        Quiet(tmp_path, print, 60).alone()
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
def job(tmp_path):
    """Return a maker of jobs that run a fake engine, doing as told, over two samples."""
    with ShardWriter(tmp_path / "samples") as writer:
        for value in range(2):
            writer.add({"x": np.full((1, 2), value, np.float32)})

    def make(name, *, alone=False, environment="dataset", **told):
        model = tmp_path / f"{name}.fake"
        model.write_text(json.dumps({"signature": SIGNATURE, "name": name, **told}))
        made = run_job(model, tmp_path / "samples", Execution(Engine(environment), "fake"))
        return dataclasses.replace(made, title=name, alone=alone, cached=not alone, limits=Limits(60, 10**9))

    return make


def spans(seen):
    """Return (begin, end) of each job in the order of what happened."""
    return {
        name: (seen.index((name, "started")), max(seen.index((name, "finished")), 0))
        for name, what in seen
        if what == "started"
    }


def test_it_runs_beside_no_other_job(tmp_path, job):
    """Whichever was asked for first; the others run two at once."""
    seen = []
    settings = Settings(home=tmp_path / "home", offline=True)
    jobs = [job(f"timed{n}", alone=True, do="wait") for n in (1, 2)] + [job(f"other{n}", do="wait") for n in range(4)]
    with LocalExecutor(settings, lambda job, what, _: seen.append((job.title, what))) as executor:
        executor._slots = 2
        executor.run(*jobs)

    found = spans([each for each in seen if each[1] != "progress"])
    for name in ("timed1", "timed2"):
        begin, end = found[name]
        assert end == begin + 1, seen


def test_it_begins_when_no_worker_imports_an_engine_any_more(tmp_path, job, monkeypatch):
    """An import takes a core for seconds."""
    settings = Settings(home=tmp_path / "home", offline=True)
    starting, asked = iter([True, True, False]), []

    with LocalExecutor(settings) as executor:

        def is_starting(patience_s):
            asked.append(patience_s)
            return next(starting, False)

        monkeypatch.setattr(executor._pool, "is_starting", is_starting)
        (entry,) = executor.run(job("timed", alone=True))

    assert entry.result["count"] == 2
    assert len(asked) >= 3
