"""What a person sees of the work while it goes on: which step of how many, in words, and how long it will take."""

from __future__ import annotations

import io

import pytest

from toolkit.execution.run import Execution, on_device, run_job
from toolkit.jobs import progress
from toolkit.jobs.graph import Graph, Steps
from toolkit.jobs.job import Engine, Job


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Return the clock that progress looks at."""
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def job(title):
    return Job(title, "wire.subset", "first", Engine("dataset"))


def test_a_step_is_said_with_its_number_its_words_and_its_time(clock, monkeypatch):
    """Where nobody watches a terminal: a line for each step that took longer than a second, when it ended."""
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    shown, runs, short = progress.Progress(), job("running on raspberry-pi-4 (emulated)"), job("quick")
    shown.steps = lambda: Steps(4, 12)

    shown(runs, "started", None)
    shown(short, "started", None)
    clock.now = 0.5
    shown(short, "finished", None)
    clock.now = 83.0
    shown(runs, "progress", (120, 500))
    shown(runs, "finished", None)

    assert said.getvalue() == "step 4 of 12: running on raspberry-pi-4 (emulated): finished after 1 min 23 s\n"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """Return that it is one."""
        return True


def test_a_terminal_shows_how_far_a_step_is_and_about_how_long_it_will_take(clock, monkeypatch):
    """120 of 500 in 12 s: the other 380 take 38 s at that pace."""
    monkeypatch.setattr("sys.stderr", Terminal())
    shown, runs = progress.Progress(), job("running on raspberry-pi-4 (emulated)")
    shown.steps = lambda: Steps(3, 12)
    shown(runs, "started", None)
    clock.now = 12.0
    shown(runs, "progress", (120, 500))
    (task,) = shown._bars.tasks

    assert task.description == "step 4 of 12: running on raspberry-pi-4 (emulated), 120 of 500, about 38 s left"
    assert (task.completed, task.total) == (120, 500)

    shown(runs, "finished", None)
    assert shown._bars is None


@pytest.mark.parametrize(("done", "left"), [(0, None), (1, 30.0), (4, 0.0), (5, None), (-1, None)])
def test_an_estimate_needs_something_done_and_an_honest_count(done, left):
    assert progress.remaining_s(done, 4, 10.0) == left


def test_steps_are_all_jobs_that_are_known_and_those_that_ended():
    """What they read is a step too, whoever asked for it; what was given up is none."""
    graph, first = Graph(), job("first")
    second = Job("second", "wire.subset", "first", Engine("dataset"), inputs={"samples": first})
    graph.add(second)
    assert graph.steps == Steps(0, 2)

    graph.failures[first] = None
    assert graph.steps == Steps(1, 2)
    graph.forget(second)
    assert graph.steps == Steps(1, 1)


def test_a_run_is_called_by_where_it_runs(tmp_path):
    """A device by its profile's name, and that it is emulated; this machine by the runtime and the kernels, if they are not the usual ones."""
    emulated = Execution(Engine("tflite_runtime", "qemu", {"cpu": "cortex-a72"}), "tflite_runtime")
    here = Execution(Engine("litert"), "litert", "reference")

    def run(execution):
        return run_job(tmp_path / "model.tflite", tmp_path / "samples", execution)

    assert on_device(run(emulated), "raspberry-pi-4").title == "running on raspberry-pi-4 (emulated)"
    assert on_device(run(here), "host").title == "running on host"
    assert run(here).title == "running model.tflite on litert (reference kernels)"
    assert run(emulated).title == "running model.tflite on emulated tflite_runtime"
