"""The contract between host and worker: every way to break it has its own error, which names who and what."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from toolkit.errors import (
    EnvironmentUnavailable,
    RequestError,
    WorkerCrashed,
    WorkerLied,
    WorkerOutOfMemory,
    WorkerRefused,
    WorkerTimeout,
)
from toolkit.execution.run import Execution, Run, run_job, run_of
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.worker_process import Worker
from toolkit.launchers import Launch
from toolkit.settings import Limits, Settings
from toolkit.settings.environment_variables import by_engines
from toolkit.wire.shards import ShardWriter, read_all

ENGINE = Engine("dataset")
FAKE = Execution(ENGINE, "fake")
SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
    "outputs": [
        {"name": "y", "dtype": "float32", "shape": [1, 3]},
        {"name": "z", "dtype": "float32", "shape": [1, 2]},
    ],
}


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", offline=True)


@pytest.fixture
def job(tmp_path):
    """Return a maker of jobs that run the fake engine, doing as told, over five samples."""
    with ShardWriter(tmp_path / "samples") as writer:
        for value in range(5):
            writer.add({"x": np.full((1, 2), value, np.float32)})

    def make(do: str, limits: Limits | None = None, **told: object) -> Job:
        model = tmp_path / "model.fake"
        model.write_text(json.dumps({"signature": SIGNATURE, "do": do, **told}))
        made = run_job(model, tmp_path / "samples", FAKE)
        return dataclasses.replace(made, title=f"fake on {model.name}", limits=limits or Limits(300, 10**9))

    return make


@pytest.fixture
def other(tmp_path, job):
    """Return the run of a second fake model, which answers, over the same samples."""
    (tmp_path / "other.fake").write_text(json.dumps({"signature": SIGNATURE}))
    return run_job(tmp_path / "other.fake", tmp_path / "samples", FAKE)


def ran(settings: Settings, job: Job) -> Run:
    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(job)
        return run_of(entry)


def test_an_honest_answer_is_read_back(settings, job):
    """The names, the number of samples and the values are those of the fake model."""
    run = ran(settings, job("answer"))

    assert run.count == 5
    assert run.engine == "fake 1"
    np.testing.assert_array_equal(read_all(run.outputs, "y")[3], [[3, 4, 5]])
    assert read_all(run.outputs, "z").shape == (5, 1, 2)


@pytest.mark.parametrize(
    ("do", "error", "says"),
    [
        ("segfault", WorkerCrashed, "killed by SIGSEGV"),
        ("abort", WorkerCrashed, "killed by SIGABRT"),
        ("exit", WorkerCrashed, "exited with status 3"),
        ("leave", WorkerRefused, "SystemExit: 3"),
        ("hang", WorkerTimeout, "no answer in 1 s"),
        ("allocate", WorkerOutOfMemory, "more than its limit of 300 MB"),
        ("ask", WorkerOutOfMemory, "asked for more memory than it was given; its limit is 300 MB"),
        ("raise", WorkerRefused, "op FOO is not supported <- ImportError: numpy.core.multiarray failed to import"),
        ("drop", WorkerLied, r"missing \['z'\], unexpected \[\]"),
        ("rename", WorkerLied, r"missing \['y', 'z'\], unexpected \['y_', 'z_'\]"),
        ("reshape", WorkerLied, r"output 'y' is float32 \[1, 3, 1\], the signature says float32 \[1, 3\]"),
        ("retype", WorkerLied, "output 'y' is float64"),
    ],
)
@pytest.mark.parametrize("at", [0, 3])
def test_misbehaviour_is_an_error_that_names_runtime_and_model(settings, job, do, error, says, at):
    """From the first sample or after some that went well: it is the same error."""
    limits = Limits(1, 10**9) if do == "hang" else Limits(300, 300_000_000)

    with pytest.raises(error, match=says) as caught:
        ran(settings, job(do, limits, at=at))

    assert type(caught.value) is error
    assert caught.value.problem.startswith("fake on model.fake: ")
    assert caught.value.exit_status == 3


def test_a_segfault_tells_which_line_called_the_engine(settings, job):
    """The last words of the process are in the hint, and the folder where the job can be run again."""
    with pytest.raises(WorkerCrashed) as caught:
        ran(settings, job("segfault"))

    assert "fake.py" in caught.value.hint
    folder = Path(caught.value.hint.rpartition("kept in ")[2])
    assert {"request", "log"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("first", [[], ["answer"]], ids=["never imported", "imported for another job"])
def test_code_that_is_not_in_a_jobs_key_is_not_there_for_it(settings, job, first):
    """A runtime that no plugin of the job names: a change of it would let an old result be taken for the new one."""
    forgotten = dataclasses.replace(job("answer", at=1), plugins=())

    with LocalExecutor(settings) as executor:
        executor.run(*(job(do) for do in first))
        with pytest.raises(WorkerRefused, match=r"toolkit\.execution\.runtimes is not part of this job's code"):
            executor.run(forgotten)


def test_garbage_on_standard_output_is_not_taken_for_an_event(settings, job):
    """The engine printed what looks like the worker's own event, and bytes that are no text; all of it goes to the log."""
    run = ran(settings, job("print"))

    assert run.count == 5
    assert b"garbage" in (run.outputs.parent.parent / "log").read_bytes()


def test_a_job_that_fails_does_not_end_the_others(settings, job, tmp_path):
    """One worker, two jobs, one of them killed by a signal: the other one's answer arrives."""
    bad = job("segfault")
    other = tmp_path / "other.fake"
    other.write_text(json.dumps({"signature": SIGNATURE}))
    good = run_job(other, tmp_path / "samples", FAKE)

    with LocalExecutor(settings) as executor:
        outcomes = executor.outcomes([bad, good])

    assert isinstance(outcomes[0].error, WorkerCrashed)
    assert run_of(outcomes[1].entry).count == 5


def test_a_finished_job_is_not_run_again(settings, job):
    """The second time the answer comes from the store, and no process is started."""
    told = []
    ran(settings, job("answer"))

    with LocalExecutor(settings, lambda job, what, progress: told.append(what)) as executor:
        executor.run(job("answer"))

    assert told == ["reused"]


def test_a_job_is_run_again_when_its_input_changes(settings, job, tmp_path):
    """The key is the content, not the name."""
    ran(settings, job("answer"))
    with ShardWriter(tmp_path / "samples") as writer:
        writer.add({"x": np.full((1, 2), 9, np.float32)})

    assert ran(settings, job("answer")).count == 1


@pytest.mark.parametrize("gone", [False, True])
def test_an_input_that_changes_while_it_is_read_gives_no_answer(settings, job, tmp_path, gone):
    """What was read may be the new file: an answer kept for the old one would be believed by every later command."""
    asked = job("answer")
    model = tmp_path / "model.fake"
    before = model.read_text()
    other = json.dumps({"signature": {**SIGNATURE, "outputs": SIGNATURE["outputs"][:1]}})

    def change(_job: Job, what: str, _progress: object) -> None:
        if what == "started":
            model.unlink() if gone else model.write_text(other)

    with (
        LocalExecutor(settings, change) as executor,
        pytest.raises(
            (RequestError, WorkerRefused),
            match=r"fake on model.fake: .*changed|model\.fake: cannot be read|No such file",
        ),
    ):
        executor.run(asked)

    model.write_text(before)
    assert read_all(ran(settings, job("answer")).outputs, "z").shape == (5, 1, 2)


@pytest.mark.parametrize("where", ["out/outputs/00000.safetensors", "manifest.json", "out/call_ms.npy"])
def test_a_damaged_store_entry_is_made_again(settings, job, where):
    """One flipped bit is found by its hash; the entry is not used."""
    run = ran(settings, job("answer"))
    damaged = run.outputs.parent.parent / where
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    told = []

    with LocalExecutor(settings, lambda job, what, progress: told.append(what)) as executor:
        (entry,) = executor.run(job("answer"))

    assert told[-1] == "finished"
    np.testing.assert_array_equal(read_all(entry.out / "outputs", "y")[3], [[3, 4, 5]])


@pytest.mark.parametrize("part", ["result", "key", "files"])
def test_a_manifest_that_was_changed_is_not_believed(settings, job, part):
    """Still JSON, and every file as it says: but it is not what the job gave, or another job gave it."""
    run = ran(settings, job("answer"))
    path = run.outputs.parent.parent / "manifest.json"
    manifest = json.loads(path.read_text())
    changed = {"result": {**manifest["result"], "count": 4}, "key": "0" * 64, "files": {}}
    path.write_text(json.dumps({**manifest, part: changed[part]}))
    told = []

    with LocalExecutor(settings, lambda job, what, progress: told.append(what)) as executor:
        (entry,) = executor.run(job("answer"))

    assert told[-1] == "finished"
    assert entry.result["count"] == 5


def script(tmp_path: Path, text: str) -> tuple[str, ...]:
    """Return a command that runs `text` where a worker is expected."""
    (tmp_path / "worker.py").write_text(text)
    return (sys.executable, str(tmp_path / "worker.py"))


def listen(worker: Worker) -> None:
    end = time.monotonic() + 120
    try:
        while time.monotonic() < end:
            list(worker.events())
            time.sleep(0.01)
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("print('Segmentation fault'); import time; time.sleep(600)", WorkerLied, "which is no event"),
        (
            "import os; os.write(1, bytes(range(128, 256)) + b'\\n'); import time; time.sleep(600)",
            WorkerLied,
            "which is no event",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", WorkerCrashed, "killed by SIGKILL"),
        ("raise SystemExit(7)", WorkerCrashed, "exited with status 7"),
        (
            'print(\'{"event": "failed", "problem": "ImportError: no tensorflow"}\')',
            EnvironmentUnavailable,
            "no tensorflow",
        ),
    ],
)
def test_a_worker_that_is_none(tmp_path, text, error, says):
    """What sits at the other end of the pipe may be anything."""
    worker = Worker("fake", Launch(script(tmp_path, text), {}, "", {}), (), tmp_path / "log")

    with pytest.raises(error, match=says):
        listen(worker)


@pytest.mark.parametrize("said", [None, "3"])
@pytest.mark.parametrize(
    ("variable", "usual"),
    [
        ("TF_NUM_INTRAOP_THREADS", str(max(1, len(os.sched_getaffinity(0)) // 2))),
        ("OPENBLAS_NUM_THREADS", "1"),
    ],
)
def test_engines_have_few_threads_unless_the_user_says(tmp_path, monkeypatch, variable, usual, said):
    """TensorFlow half of the cores; numpy one, so that its sums are the same on each number of cores."""
    monkeypatch.delenv(variable, raising=False)
    if said is not None:
        monkeypatch.setenv(variable, said)
    text = f"import os, sys; sys.stderr.write(os.environ['{variable}'])"
    worker = Worker("tensorflow", Launch(script(tmp_path, text), by_engines(), "", {}), (), tmp_path / "log")

    with pytest.raises(WorkerCrashed) as caught:
        listen(worker)

    assert caught.value.hint == (said or usual)
    worker.close()


def processes(text: str) -> list[str]:
    """Return the command lines of this user's live processes that hold `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if text in command and state != "Z":
                found.append(command)
    return found


def test_a_hanging_job_leaves_no_process(settings, job):
    """Neither after its time limit, nor when the executor is left."""
    with pytest.raises(WorkerTimeout):
        ran(settings, job("hang", Limits(1, 10**9)))

    assert not [command for command in processes("toolkit/jobs/worker_main.py") if str(settings.home) in command]
    assert not list((settings.home / "store" / "work").iterdir())


HOST = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts in the background ignore it
sys.path.insert(0, {root!r})
from pathlib import Path
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.job import Engine
from toolkit.settings import Limits
from toolkit.execution.run import Execution, run_job
from toolkit.settings import Settings

folder = Path({folder!r})
with LocalExecutor(Settings(home=folder / "home", offline=True), lambda job, what, progress: print(job.title, what, flush=True)) as executor:
    executor.run(*(run_job(folder / name, folder / "samples", Execution(Engine("dataset"), "fake")) for name in {models!r}))
"""


def host(tmp_path: Path, *models: str) -> subprocess.Popen[str]:
    text = HOST.format(root=str(Path(__file__).parents[3]), folder=str(tmp_path), models=models)
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_kill_9_keeps_what_was_finished_and_the_next_run_goes_on(tmp_path, settings, job):
    """One job finished, one at work: after SIGKILL nothing half-written is taken for finished, no process stays, and only the open job is run."""
    job("answer")
    (tmp_path / "done.fake").write_text(json.dumps({"signature": SIGNATURE}))
    (tmp_path / "slow.fake").write_text(json.dumps({"signature": SIGNATURE, "do": "hang"}))
    process = host(tmp_path, "done.fake", "slow.fake")
    for line in process.stdout:
        if "done.fake on fake finished" in line:
            break
    time.sleep(0.3)

    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert not left_of(tmp_path)
    (tmp_path / "slow.fake").write_text(json.dumps({"signature": SIGNATURE, "do": "answer", "again": True}))
    told = []
    with LocalExecutor(settings, lambda job, what, progress: told.append((job.title.split()[1], what))) as executor:
        executor.run(*(run_job(tmp_path / name, tmp_path / "samples", FAKE) for name in ("done.fake", "slow.fake")))
    assert ("done.fake", "reused") in told
    assert ("slow.fake", "finished") in told
    assert not list((settings.home / "store" / "work").iterdir())


def children_of(tmp_path: Path) -> list[str]:
    """Return worker processes whose files are under `tmp_path`, found by what they have open."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                opened = [os.readlink(link) for link in (entry / "fd").iterdir()]
            except OSError:
                continue
            if any(path.startswith(str(tmp_path)) for path in opened):
                found.append(entry.name)
    return found


def left_of(tmp_path: Path) -> list[str]:
    """Return which of those processes are there after a minute: a child ends by the signal of its parent's death, a moment later."""
    deadline = time.monotonic() + 60
    while (left := children_of(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_two_processes_share_a_store(tmp_path, job):
    """Both ask for the same job at once: both get the answer, and it is done once."""
    job("answer")
    both = [host(tmp_path, "model.fake") for _ in range(2)]

    outputs = [process.communicate(timeout=300) for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    said = sorted(
        line.split()[-1]
        for output, _ in outputs
        for line in output.splitlines()
        if line.split()[-1] in ("finished", "reused")
    )
    assert said in (["finished", "reused"], ["reused", "reused"])


def test_an_interrupt_ends_everything_at_once(tmp_path, job):
    """Ctrl-C while an engine hangs: the host ends, its workers too, and the claim on the job is given back."""
    job("hang")
    process = host(tmp_path, "model.fake")
    for line in process.stdout:
        if "started" in line:
            break
    time.sleep(0.3)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)  # of the hour for which the engine hangs, or the 15 minutes that a job may take

    assert not list((tmp_path / "home" / "store" / "work").iterdir())
    assert not left_of(tmp_path)


def test_a_job_that_hangs_does_not_hold_up_the_others(settings, job, other):
    """With more than one core, the second job is finished before the first one's time is over."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: jobs run one after the other")
    slow, quick, told = job("hang", Limits(300, 10**9)), other, []

    class Enough(Exception):
        """What was waited for has happened."""

    def tell(job, what, progress):
        told.append((job, what))
        if told[-1] == (quick, "finished"):
            raise Enough

    with pytest.raises(Enough), LocalExecutor(settings, tell) as executor:
        executor.outcomes([slow, quick])

    assert (slow, "started") in told
    assert (slow, "failed") not in told


def test_what_was_begun_goes_on_beside_what_is_waited_for(settings, job, other):
    """An answer does not wait for it, and whoever asks for it later gets it from the same run."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: jobs run one after the other")
    slow, quick, told = job("hang", Limits(8, 10**9)), other, []

    with LocalExecutor(settings, lambda job, what, progress: told.append((job, what))) as executor:
        executor.begin([slow])
        (answered,) = executor.outcomes([quick])
        before = [what for who, what in told if who is slow]
        (failed,) = executor.outcomes([slow])

    assert run_of(answered.entry).count == 5
    assert before[0] == "started"
    assert "failed" not in before
    assert isinstance(failed.error, WorkerTimeout)
    assert [what for who, what in told if who is slow].count("started") == 1


def test_what_is_asked_for_while_it_runs_is_not_run_again(settings, job, tmp_path):
    """Also where its answer is never kept."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: jobs run one after the other")
    (tmp_path / "slow.fake").write_text(json.dumps({"signature": SIGNATURE, "do": "wait"}))
    slow = dataclasses.replace(run_job(tmp_path / "slow.fake", tmp_path / "samples", FAKE), cached=False)
    told = []

    with LocalExecutor(settings, lambda job, what, progress: told.append((job, what))) as executor:
        executor.begin([slow])
        executor.outcomes([job("answer")])
        before = [what for who, what in told if who is slow]
        (answered,) = executor.outcomes([slow])

    assert "finished" not in before
    assert run_of(answered.entry).count == 5
    assert [what for who, what in told if who is slow and what != "progress"] == ["started", "finished"]


def test_what_was_begun_and_never_asked_for_ends_with_the_executor(settings, job, other, tmp_path):
    slow, quick, told = job("hang", Limits(600, 10**9)), other, []

    with LocalExecutor(settings, lambda job, what, progress: told.append((job, what))) as executor:
        executor.begin([quick, slow])
        executor.outcomes([quick])

    assert (slow, "failed") not in told
    assert not list((tmp_path / "home" / "store" / "work").iterdir())
    assert not children_of(tmp_path)
