"""How calls are timed: what is discarded, what is counted, and when it ends. The clock is the test's own, so that no load can change a result."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from toolkit.engines.loaded import Loaded, Steps
from toolkit.execution import machine, timing
from toolkit.execution.timing import measured

RULE = {"window_s": 0.25, "faster": 0.02, "warm_up_most_s": 10.0, "calls": 10, "seconds": 1.0, "most_s": 60.0}
SAMPLE = {"x": np.zeros((1, 2), np.float32)}


class Engine:
    """An engine whose calls take what `ms` says of their number, from 0, and whose inputs take `feed_ms` to set; by a clock of its own."""

    def __init__(self, ms, feed_ms=0.0):
        self._ms, self._feed_ms = ms, feed_ms
        self.calls, self.fed, self.now = 0, [], 0

    def clock(self):
        """Return its nanoseconds."""
        return self.now

    def feed(self, sample):
        """Take the inputs of a call."""
        self.fed.append(sample)
        self.now += int(self._feed_ms * 1e6)

    def invoke(self):
        """Compute."""
        self.now += int(self._ms(self.calls) * 1e6)
        self.calls += 1

    def measured(self, **rule):
        """Return what is measured of it by the usual rule, but for these numbers."""
        return measured(Steps(self.feed, self.invoke), SAMPLE, {**RULE, **rule}, self.clock)


def test_the_first_call_is_told_apart_and_what_is_slow_at_first_is_discarded():
    """Memory gets its pages with the first call, and the processor its frequency within the first second."""
    engine = Engine(lambda call: 50 if call == 0 else 20 if call < 20 else 10)

    found = engine.measured()

    assert found.first_ms == 50
    assert found.steady
    assert found.warm_up_calls == 13 + 19 + 25
    assert set(found.ms) == {10}
    assert 1 + found.warm_up_calls + found.count == engine.calls


def test_a_steady_model_warms_up_for_two_pieces():
    """Half a second, as LiteRT's benchmark_model does."""
    found = Engine(lambda call: 10).measured()

    assert (found.warm_up_calls, found.steady) == (50, True)


def test_a_model_that_always_gets_faster_is_measured_after_the_limit_and_is_called_unsteady():
    engine = Engine(lambda call: 100 * 0.99**call)

    found = engine.measured(warm_up_most_s=2.0)

    assert not found.steady
    assert found.count >= 10


def test_noise_that_slows_a_piece_down_ends_the_warm_up():
    """A loaded machine is never quiet: waiting for that would never end."""
    found = Engine(lambda call: 10 + call % 7 + call / 100).measured()

    assert found.steady
    assert found.warm_up_calls < 60


@pytest.mark.parametrize(("ms", "count"), [(1.0, 1000), (500.0, 10), (20_000.0, 3)])
def test_calls_are_timed_for_a_number_and_for_seconds_and_slow_ones_end_earlier(ms, count):
    """A second, and ten calls; but no more than a minute."""
    found = Engine(lambda call: ms).measured()

    assert (found.count, len(found.ms)) == (count, count)
    assert found.seconds == pytest.approx(count * ms / 1e3)


def test_setting_the_inputs_is_outside_the_clock():
    """And they are set anew for each call: an engine may use their memory for something else."""
    engine = Engine(lambda call: 10, feed_ms=7.0)

    found = engine.measured()

    assert set(found.ms) == {10}
    assert len(engine.fed) == engine.calls
    assert all(fed is SAMPLE for fed in engine.fed)


def test_a_long_run_keeps_a_bounded_number_of_durations_evenly(monkeypatch):
    """An hour of calls of 10 us are 360 million."""
    monkeypatch.setattr(timing, "_MOST_KEPT", 64)

    found = Engine(lambda call: call / 1000).measured(calls=1000, seconds=0.0)

    assert found.count == 1000
    assert found.every == 16
    assert len(found.ms) == 63
    assert np.diff(found.ms) == pytest.approx(0.016, abs=2e-6)  # the clock counts nanoseconds


def test_an_engine_with_the_whole_call_alone_is_timed_by_it():
    """Outputs of a runtime that gives them in the same call are part of what is timed; `timed` says so."""
    given = []
    steps = timing.by_call(Loaded(lambda sample: given.append(dict(sample)) or {}, "fake 1", {}))

    steps.feed(SAMPLE)
    steps.invoke()

    assert given == [SAMPLE]


def test_the_system_tells_memory_and_load():
    """As Linux does, everywhere. The memory in a process of its own: this one may have held more before."""
    code = """if True:
        import numpy as np
        from toolkit.execution import machine
        before = machine.high_water_bytes()
        held = np.ones(8_000_000)
        print(machine.high_water_bytes() - before, held.nbytes)"""
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    more, held = map(int, ended.stdout.split())

    assert more > held / 2
    assert machine.load_average() >= 0
    said = machine.machine(0.5, None)
    assert said["cores"] >= 1
    assert said["load_before"] == 0.5
    assert said["mhz"] is None or 0 < said["mhz"][0] <= said["mhz"][1]


def test_what_the_system_does_not_say_is_null(monkeypatch, tmp_path):
    """A container may hide /proc and /sys; a guess would be worse than nothing."""
    monkeypatch.setattr(machine, "_CPUS", tmp_path)
    monkeypatch.setattr(machine, "_field", lambda path, name: None)
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (_ for _ in ()).throw(OSError))

    assert machine.high_water_bytes() is None
    assert machine.load_average() is None
    assert machine.Busy.now().share_of_others() is None
    assert (machine.machine(None, None)["model"], machine.machine(None, None)["governors"]) == (None, None)
