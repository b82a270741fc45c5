"""What several processes say together of the latency, the jobs that measure it, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from toolkit import profiles, report
from toolkit.errors import InvalidConfig, RequestError, WorkerLied
from toolkit.execution.latency import SHAPE, Latency, LatencyRequest, Times
from toolkit.execution.latency_rule import rule_of
from toolkit.execution.run import Execution
from toolkit.execution.timing_jobs import times_of, timing_jobs
from toolkit.files.shapes import fits
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.store import Entry
from toolkit.profiles.budget import Budget
from toolkit.report.latency import latency_lines
from toolkit.settings import Limits, Settings
from toolkit.verdict.latency_findings import findings_of
from toolkit.verdict.timing_budget import memory_not_known, spent_of
from toolkit.wire.shards import ShardWriter

MACHINE = {
    "model": "a processor",
    "cores": 2,
    "governors": ["performance"],
    "mhz": [1000.0, 2000.0],
    "load_before": 0.1,
    "load_after": 0.9,
    "others_busy": 0.01,
}
MEMORY = {"before_bytes": 30_000_000, "loaded_bytes": 40_000_000, "peak_bytes": 50_000_000}
SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 3]}],
}
QUICK = {"window_s": 0.01, "faster": 0.5, "warm_up_most_s": 0.1, "calls": 3, "seconds": 0.01, "most_s": 5.0}


def process(*ms, **said):
    about = {"launcher": "local", "cpu": "a processor (avx2)"}
    given = {"load_ms": 3.0, "first_ms": 2.0, "warm_up_calls": 7, "steady": True, "seconds": 1.0, "memory": MEMORY}
    given |= {"machine": MACHINE, "engine": "fake 1", "timed": "invoke", "calls": len(ms), **said}
    return Times(ms=np.array(ms, np.float64), about=about, **given)


def latency(*medians, long_run=None, **said):
    return Latency(tuple(process(each, **said) for each in medians), 1, rule_of(), long_run)


def test_the_interval_is_that_of_the_processes_whatever_their_calls_agree_on():
    """A million calls of one process are one moment and one layout of memory."""
    processes = [process(*[level] * 1000) for level in (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)]

    found = Latency(tuple(processes), 1, rule_of())

    assert found.median_ms == pytest.approx(1.25)
    assert found.interval_ms == (1.0, 1.5)
    assert found.confidence == 0.96875
    assert found.is_noisy


def test_as_many_processes_measure_as_an_interval_needs():
    """Whatever the file of numbers says: without an interval nothing would be judged."""
    rule = rule_of()

    assert 1 - 2 * 0.5**rule.processes.count >= rule.confidence.level


def test_percentiles_are_given_where_enough_calls_lie_beyond_them():
    few, enough = latency(*range(1, 7)), Latency((process(*range(1, 1001)),) * 6, 1, rule_of())

    assert (few.percentile_ms(0.95), few.percentile_ms(0.99)) == (None, None)
    assert (enough.percentile_ms(0.95), enough.percentile_ms(0.99)) == (950.0, 990.0)
    assert enough.min_ms == 1.0


def test_too_few_processes_leave_the_interval_open():
    """So no budget passes by it."""
    found = latency(1.0, 1.0, 1.0)

    assert found.interval_ms == (0.0, math.inf)
    assert found.is_noisy
    (spent,) = spent_of(found, Budget(latency_ms=100.0))
    assert spent.status == "inconclusive"
    assert json.loads(json.dumps(report.json_documents.plain_json(found.to_json())))["interval_ms"] == [0.0, "inf"]


@pytest.mark.parametrize(
    ("limit", "status"),
    [(1.6, "passed"), (1.5, "passed"), (1.4, "inconclusive"), (1.0, "inconclusive"), (0.9, "failed")],
)
def test_a_budget_is_judged_by_the_interval(limit, status):
    (spent,) = spent_of(latency(1.0, 1.1, 1.2, 1.3, 1.4, 1.5), Budget(latency_ms=limit))

    assert (spent.status, spent.passed) == (status, status == "passed")


def test_a_budget_that_a_disturbed_measurement_exceeds_is_open():
    """The time that other programs took is in it; where it is within the limit all the same, it passes."""
    disturbed = latency(*[1.0] * 6, machine={**MACHINE, "others_busy": 0.5})

    (over,) = spent_of(disturbed, Budget(latency_ms=0.9))
    (within,) = spent_of(disturbed, Budget(latency_ms=1.1))

    assert (over.status, within.status) == ("inconclusive", "passed")
    assert [found.code for found in findings_of(disturbed)] == ["latency-disturbed"]


def test_the_most_memory_of_any_process_counts():
    processes = [process(1.0, memory={**MEMORY, "peak_bytes": bytes_}) for bytes_ in (5, 9, 7)]

    (spent,) = spent_of(Latency(tuple(processes), 1, rule_of()), Budget(peak_memory_bytes=8))

    assert (spent.spent, spent.status) == (9, "failed")


def test_memory_that_one_process_does_not_tell_is_not_known():
    """And a budget for it leaves the verdict open, rather than passing by the others."""
    found = Latency((process(1.0), process(1.0, memory=None)), 1, rule_of())
    budget = Budget(peak_memory_bytes=10**12)

    assert found.memory is None
    assert list(spent_of(found, budget)) == []
    assert [each.severity for each in memory_not_known(found, budget)] == ["inconclusive"]
    assert list(memory_not_known(found, Budget())) == []


def test_a_device_that_gets_slower_in_use_is_called_so():
    """The parts are of equally many calls, and the first and the last are held against each other."""
    calls = [1.0] * 50 + [1.5] * 50

    throttled = latency(*[1.0] * 6, long_run=process(*calls, seconds=30.0))
    cool = latency(*[1.0] * 6, long_run=process(*[1.0] * 100))

    assert throttled.parts_ms == [1.0] * 5 + [1.5] * 5
    assert (throttled.slowdown, throttled.is_throttled) == (1.5, True)
    assert [found.code for found in findings_of(throttled)] == ["latency-throttled"]
    assert (cool.slowdown, cool.is_throttled, list(findings_of(cool))) == (1.0, False, [])
    assert latency(1.0).slowdown is None


def test_calls_that_still_got_faster_are_told():
    found = Latency((process(1.0, steady=False), *[process(1.0)] * 5), 1, rule_of())

    (finding,) = findings_of(found)

    assert finding.code == "latency-not-steady"
    assert "in 1 of 6 processes" in finding.message


def test_a_line_says_what_was_measured_and_where():
    """The number alone is none: what is inside, what was left out, how sure it is, and on what."""
    text = " ".join(line for _, line in latency_lines(latency(1.0, 1.01, 1.02, 1.03, 1.04, 1.05)))

    for said in (
        "1.025 ms a call [1, 1.05]",
        "6 processes",
        "96.9% interval",
        "invoke alone",
        "first call 2",
        "loading 3",
    ):
        assert said in text
    for said in ("warm-up", "1 thread of 2 cores", "performance", "1000 to 2000 MHz", "load 0.10 before, 0.90 after"):
        assert said in text
    assert "50 MB resident at the peak, 20 MB more than before" in text


def test_its_json_has_the_fields_that_are_read_again():
    assert fits(json.loads(json.dumps(latency(*[1.0] * 6).to_json())), SHAPE)


# The jobs


ASKED = LatencyRequest(asked=True)


def jobs(tmp_path, request=ASKED, launcher="local", **told):
    with ShardWriter(tmp_path / "samples") as writer:
        writer.add({"x": np.zeros((1, 2), np.float32)})
        writer.add({"x": np.ones((1, 2), np.float32)})
    (tmp_path / "model.fake").write_text(json.dumps({"signature": SIGNATURE, **told}))
    execution = Execution(Engine("dataset", launcher, {"cpu": "cortex-a72"} if launcher == "qemu" else {}), "fake")
    return timing_jobs(tmp_path / "model.fake", tmp_path / "samples", execution, request, Limits())


def quick(made):
    """Return the jobs with a rule that takes no time."""
    shorter = [dataclasses.replace(job, options={**job.options, "rule": QUICK}) for job in made.processes]
    return dataclasses.replace(made, processes=tuple(shorter))


def test_each_process_is_measured_anew_and_alone(tmp_path):
    """None is taken from the store, neither of this command nor of another, and none replaces another there."""
    settings = Settings(home=tmp_path / "home", offline=True)
    seen = []
    with LocalExecutor(settings, lambda job, what, _: seen.append((job.title, what))) as executor:
        first, again = quick(jobs(tmp_path)), quick(jobs(tmp_path))
        entries = executor.run(*first.all)
        found = first.latency(entries)
        executor.run(*again.all)

    timed = [what for title, what in seen if title.startswith("timing") and what != "progress"]
    assert timed == ["started", "finished"] * 12
    assert len({entry.key for entry in entries}) == 6
    assert all(job.alone and not job.cached for job in first.all)
    assert (len(found.processes), found.threads) == (6, 1)
    assert found.memory is None or found.memory["peak_bytes"] >= found.memory["before_bytes"] > 0
    assert {times.timed for times in found.processes} == {"call"}


def test_what_a_call_takes_is_in_it_and_a_slow_start_is_not(tmp_path):
    """The fake engine sleeps: at least so long, whatever else the machine does."""
    settings = Settings(home=tmp_path / "home", offline=True)
    made = quick(jobs(tmp_path, slow=[[0, 200], [1, 60], [2, 20]]))
    with LocalExecutor(settings) as executor:
        times = times_of(executor.run(made.processes[0])[0])

    assert times.first_ms >= 200
    assert times.warm_up_calls >= 2
    assert times.ms.min() >= 20
    assert times.calls >= 3


def test_a_sustained_run_has_as_much_more_time(tmp_path):
    """A job has a limit of its own, which is for what takes no longer than usual."""
    made = jobs(tmp_path, LatencyRequest(asked=True, sustained_s=1000.0))

    assert made.long_run.limits.timeout_s == Limits().timeout_s + 1000
    assert made.long_run.options["rule"]["seconds"] == made.long_run.options["rule"]["most_s"] == 1000
    assert made.all[-1] is made.long_run


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 1e9])
def test_a_sustained_run_takes_seconds(seconds):
    with pytest.raises(RequestError, match="--sustained"):
        LatencyRequest(asked=True, sustained_s=seconds)


@pytest.mark.parametrize("launcher", ["qemu", "chromium", "lavapipe", "qnn"])
def test_what_is_not_the_device_is_never_timed(tmp_path, launcher):
    """Nobody gets a number of it, by whatever way it is asked for."""
    with pytest.raises(RequestError, match=f"latency cannot be measured of fake with the launcher {launcher}"):
        jobs(tmp_path, launcher=launcher)


def test_what_stands_in_for_a_microcontroller_is_never_timed(tmp_path):
    """TFLite Micro runs on this machine's processor, and its targets name the launcher of this machine."""
    with pytest.raises(RequestError, match="latency cannot be measured of tflm with the launcher local"):
        timing_jobs(tmp_path / "m.tflite", tmp_path, Execution(Engine("tflite_micro"), "tflm"), ASKED, Limits())


@pytest.mark.parametrize("target", ["raspberry-pi-4", "arduino-nano-33-ble"])
@pytest.mark.parametrize("name", ["latency_ms = 5.0", "peak_memory_bytes = 1000"])
def test_a_profile_of_an_emulated_target_has_no_budget_that_needs_a_device(tmp_path, name, target):
    """It could only be ignored, or judged by the emulator."""
    path = tmp_path / "board.toml"
    path.write_text(f'name = "board"\nabout = "a"\nextends = "{target}"\n[budget]\n{name}\n')

    with pytest.raises(InvalidConfig, match=f"{name.split()[0]} cannot be judged: the target is e") as caught:
        profiles.runnable(str(path))

    assert "ssh" in caught.value.problem
    path.write_text(f'name = "board"\nabout = "a"\nextends = "host"\n[budget]\n{name}\n')
    assert profiles.runnable(str(path)).budget.is_measured


def test_a_computer_over_ssh_is_no_microcontroller(tmp_path):
    """TFLite Micro runs on it as it does here: its time and its memory are not those of the board that the profile names."""
    path = tmp_path / "mine.toml"
    text = 'name = "mine"\nabout = "of a test"\nextends = "stm32h743"\n[runtime]\nlauncher = "ssh"\noptions = { host = "pi" }\n'
    path.write_text(text)

    how = profiles.runnable(str(path)).verification

    assert (how.timed, how.stands_in) == (False, True)
    assert "not the device" in str(how)
    path.write_text(f"{text}[budget]\nlatency_ms = 5.0\n")
    with pytest.raises(InvalidConfig, match="latency_ms cannot be judged"):
        profiles.runnable(str(path))


@pytest.mark.parametrize("limit", ["0.0", "-1.0", "nan", "inf", "true"])
def test_a_limit_of_latency_is_a_number_above_nothing(tmp_path, limit):
    path = tmp_path / "board.toml"
    path.write_text(f'name = "board"\nabout = "a"\nextends = "host"\n[budget]\nlatency_ms = {limit}\n')

    with pytest.raises(InvalidConfig, match=r"budget\.latency_ms"):
        profiles.runnable(str(path))


# What a board may answer


def entry(folder: Path, ms=(1.0, 2.0), **said) -> Entry:
    (folder / "out").mkdir()
    np.save(folder / "out" / "call_ms.npy", np.array(ms))
    result = {"engine": "fake 1", "timed": "call", "load_ms": 1.0, "first_ms": 1.0, "warm_up_calls": 2, "steady": True}
    result |= {"calls": len(ms), "every": 1, "seconds": 1.0, "memory": MEMORY, "machine": MACHINE, **said}
    return Entry("k" * 64, folder, result, "d", 1.0, {"title": "timing", "launcher": "ssh"})


def test_a_sound_answer_is_read(tmp_path):
    assert times_of(entry(tmp_path)).median_ms == 1.5


@pytest.mark.parametrize(
    "said",
    [
        {"load_ms": -1.0},
        {"load_ms": "1"},
        {"first_ms": None},
        {"calls": 3},
        {"calls": -1},
        {"every": 0, "calls": 5},
        {"timed": "mean"},
        {"steady": 1},
        {"memory": {"peak_bytes": 1}},
        {"memory": {**MEMORY, "peak_bytes": 0}},
        {"machine": {}},
        {"ms": ()},
        {"ms": (1.0, -1.0)},
        {"ms": (0.0, 0.0, 1.0)},
        {"ms": (1.0, math.nan)},
        {"ms": (1.0, math.inf)},
        {"ms": ("a", "b")},
        {"ms": (1, 2)},
        {"ms": ((1.0,), (2.0,))},
    ],
    ids=str,
)
def test_an_answer_that_is_none_is_a_lie(tmp_path, said):
    """A board is somebody else's: a number that is none must not become a latency."""
    with pytest.raises(WorkerLied, match=r"^timing: "):
        times_of(entry(tmp_path, **said))


def test_processes_of_two_engines_have_no_latency_together(tmp_path):
    """A board whose packages are replaced meanwhile: some of the numbers are of what was never judged."""
    made = jobs(tmp_path)
    entries = []
    for place in range(len(made.all)):
        (tmp_path / str(place)).mkdir()
        entries.append(entry(tmp_path / str(place), engine="fake 2" if place == 3 else "fake 1"))

    with pytest.raises(WorkerLied, match=r"^timing: by fake 2; expected fake 1"):
        made.latency(entries)
    with pytest.raises(WorkerLied, match=r"^timing: by fake 1; expected fake 3"):
        made.latency(entries[:3] + entries[:3], engine="fake 3")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array", bytes(1000)])
def test_durations_that_are_no_array_are_a_lie(tmp_path, content):
    made = entry(tmp_path)
    (made.out / "call_ms.npy").write_bytes(content)

    with pytest.raises(WorkerLied, match="cannot be read"):
        times_of(made)


def test_an_array_that_announces_more_than_it_has_asks_for_no_memory(tmp_path):
    made = entry(tmp_path, calls=1 << 50)
    header = np.lib.format.magic(1, 0), "{'descr': '<f8', 'fortran_order': False, 'shape': (1125899906842624,), }"
    text = header[1].ljust(117) + "\n"
    (made.out / "call_ms.npy").write_bytes(header[0] + len(text).to_bytes(2, "little") + text.encode() + bytes(64))

    with pytest.raises(WorkerLied, match="cannot be read"):
        times_of(made)
