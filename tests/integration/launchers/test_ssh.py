"""Boards over ssh: a real OpenSSH server on loopback, in another root, with an engine's packages that were copied there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.integration.launchers.loopback_board import HOST, LoopbackBoard, board_in, make_key, reachable, tampered
from toolkit import launchers
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, WorkerLied
from toolkit.execution.latency import LatencyRequest
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.execution.timing_jobs import times_of, timing_jobs
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.store import Entry
from toolkit.launchers import ssh
from toolkit.launchers.boards import bringing, line
from toolkit.settings import Limits, Settings
from toolkit.wire.request import sha256
from toolkit.wire.shards import ShardWriter

CHECKOUT = Path(launchers.__file__).parents[2]
SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
    "outputs": [
        {"name": "y", "dtype": "float32", "shape": [1, 3]},
        {"name": "z", "dtype": "float32", "shape": [1, 2]},
    ],
}
MACHINE = os.uname().machine
OTHER = "aarch64" if MACHINE == "x86_64" else "x86_64"


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """Return the board of this file; each test may break its connection, and none what was copied there."""
    board = board_in(tmp_path_factory.mktemp("board"))
    with reachable(board):
        yield board
    board.stop()


@pytest.fixture
def jobs(tmp_path):
    """Return a maker of a chain of jobs in an engine: samples of samples, and a fake model over them."""
    with ShardWriter(tmp_path / "samples") as writer:
        for value in range(5):
            writer.add({"x": np.full((1, 2), value, np.float32)})

    def make(engine: Engine, do: str = "answer", **told: object) -> tuple[Job, Job]:
        (tmp_path / "model.fake").write_text(json.dumps({"signature": SIGNATURE, "do": do, **told}))
        samples = Job("first", "wire.subset", "first", engine, {"count": 3}, {"samples": tmp_path / "samples"})
        return samples, run_job(tmp_path / "model.fake", samples.output("samples"), Execution(engine, "fake"))

    return make


def on(**options: object) -> Engine:
    """Return the engine that runs fake models, on the board."""
    return Engine("dataset", "ssh", {"host": HOST, **options})


def settings(home: Path, said: list[str] | None = None) -> Settings:
    return Settings(home=home, say=(lambda line: None) if said is None else said.append)


def done(home: Path, *wanted: Job) -> list[Entry]:
    with LocalExecutor(settings(home)) as executor:
        return executor.run(*wanted)


def given(entry: Entry) -> dict[str, str]:
    """Return the hashes of what a job wrote, without the durations that it measured."""
    files = [path for path in entry.out.rglob("*") if path.is_file() and path.name != "call_ms.npy"]
    return {path.relative_to(entry.out).as_posix(): sha256(path) for path in files}


def left(board: LoopbackBoard) -> list[str]:
    """Return the folders of jobs that are still there."""
    return os.listdir(board.home / "edge-toolkit/jobs")


def test_a_job_on_a_board_gives_the_same_bytes_as_here(board, jobs, fresh_home, tmp_path):
    """And nothing of it stays there."""
    here = done(fresh_home, *jobs(Engine("dataset")))
    there = done(fresh_home, *jobs(on()))

    assert [given(entry) for entry in there] == [given(entry) for entry in here]
    assert [entry.key for entry in there] != [entry.key for entry in here]
    about = there[1].about
    assert (about["launcher"], about["machine"]) == ("ssh", MACHINE)
    assert {"cpu", "processor", "kernel", "python", "board"} <= set(about)
    assert about["confined"] == here[1].about["confined"].replace(", PID namespace", "")
    assert left(board) == []


def test_calls_are_timed_on_the_board(board, jobs, fresh_home, tmp_path):
    """By its own clock, in its own process: the way there and back is in no call."""
    samples, _ = jobs(on(), slow=[[0, 50], [1, 20]])
    asked = LatencyRequest(asked=True)
    made = timing_jobs(tmp_path / "model.fake", samples.output("samples"), Execution(on(), "fake"), asked, Limits())
    rule = {"window_s": 0.05, "faster": 0.5, "warm_up_most_s": 0.2, "calls": 3, "seconds": 0.05, "most_s": 60.0}

    (entry,) = done(fresh_home, replace(made.processes[0], options={**made.processes[0].options, "rule": rule}))

    times = times_of(entry)
    assert times.about["launcher"] == "ssh"
    assert times.first_ms >= 50
    assert times.ms.min() >= 20
    assert times.memory["peak_bytes"] >= times.memory["before_bytes"] > 0
    assert times.machine["cores"] >= 1
    assert left(board) == []


def test_nothing_of_this_machine_is_seen_there(board, fresh_home):
    """Else it would not show that what was copied is enough."""
    seen = f"for each in {CHECKOUT} {fresh_home} {Path.home()}/.ssh {Path.home()}/.cache {board.config}; do test -e $each && echo $each; done; pwd"

    assert board.say(seen).split() == ["/home/tester"]


def test_what_is_there_is_not_copied_again(board, fresh_home):
    """And a folder that is not whole is not taken for one that is."""
    first, second, third = [], [], []
    ssh.prepare("dataset", on().options, settings(fresh_home, first))
    ssh.prepare("dataset", on().options, settings(fresh_home, second))
    (folder,) = (board.home / "edge-toolkit/environments").iterdir()
    (folder / "whole").unlink()
    (folder / "numpy/__init__.py").write_text("raise ImportError('half of it')")

    ssh.prepare("dataset", on().options, settings(fresh_home, third))

    assert second == []
    assert [line for line in third if "copying its packages there, once" in line]
    assert "half of it" not in (folder / "numpy/__init__.py").read_text()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


# What is wrong with a board


def refused(home: Path, *, says: str, hints: str = "", engine: str = "dataset", **options: object) -> None:
    """Expect that a launch is refused with these words, and with the documented status of what a machine lacks."""
    with pytest.raises(TargetUnavailable, match=says) as caught:
        ssh.prepare(engine, {"host": HOST, **options}, settings(home))

    assert caught.value.exit_status == 3
    assert caught.value.problem.startswith(f"launcher ssh: {HOST}: ")
    assert hints in (caught.value.hint or "")


@pytest.fixture
def alone(board):
    """Return the board with a configuration that a test may change."""
    yield board
    board.configure()
    board.know()


def test_a_board_that_does_not_answer(alone, home):
    alone.configure(Port=1)
    refused(home, says=r"no ssh server answers at tester@127.0.0.1 port 1", hints="Connection refused")


def test_a_board_that_nobody_knows(alone, home):
    alone.configure(HostName="no-such-board.invalid")
    refused(home, says="no machine of that name is known", hints="Could not resolve hostname")


def test_a_board_that_is_silent(alone, home, monkeypatch):
    """Switched off, or behind a wall: nothing says no."""
    monkeypatch.setattr(
        "toolkit.launchers.boards.line._SETTINGS", ("BatchMode=yes", "LogLevel=ERROR", "ConnectTimeout=1")
    )
    alone.configure(HostName="127.0.0.1", ProxyCommand="sleep 60")
    refused(home, says=r"cannot be reached at|the connection broke", hints="timed out")


def test_a_key_that_is_refused(alone, home, tmp_path):
    make_key(tmp_path / "another")
    alone.configure(IdentityFile=tmp_path / "another")
    refused(home, says="refuses your key", hints="ssh-copy-id board")


@pytest.mark.parametrize("checking", ["yes", "no", "off", "accept-new", "ask"])
def test_a_host_key_that_changed_is_never_accepted(alone, home, tmp_path, checking):
    """Whatever the user's configuration says: another machine would get the model, and its answers would be believed."""
    alone.know(make_key(tmp_path / "another"))
    alone.configure(StrictHostKeyChecking=checking)
    refused(home, says="its host key is not the one that is known", hints=f"ssh-keygen -R '[127.0.0.1]:{alone.port}'")


def test_a_host_key_that_is_not_known(alone, home):
    """Nobody is asked, and nothing is accepted."""
    alone.known_hosts.write_text("")
    alone.configure(StrictHostKeyChecking="ask")
    refused(home, says="its host key is not known yet", hints="`ssh board` once")
    assert alone.known_hosts.read_text() == ""


def test_a_configuration_that_is_none(alone, home):
    alone.config.write_text("Hots board\n")

    with pytest.raises(RequestError, match="ssh does not understand EDGE_TOOLKIT_SSH_CONFIG=") as caught:
        ssh.prepare("dataset", on().options, settings(home))

    assert "Bad configuration option: hots" in caught.value.hint


@pytest.mark.parametrize("option", [{"machine": OTHER}, {"cpu": "cortex-a72" if OTHER == "aarch64" else "haswell"}])
def test_a_board_of_another_architecture_is_refused_before_anything_is_copied(board, home, option):
    refused(home, says=f"is {MACHINE}; the profile says {OTHER}", folder="other-architecture", **option)
    assert not (board.home / "other-architecture").exists()


def test_a_board_without_space(board, home):
    """It is said before anything is copied, and nothing is left."""
    refused(
        home,
        says=r"no space for the engine: \d+ MB of \d+ MB in /small/of",
        hints="the option folder",
        folder="/small/of",
    )


def test_a_board_whose_disk_gets_full(board, home, monkeypatch):
    """Somebody else fills it meanwhile: half a folder is none, and is removed."""
    monkeypatch.setattr(bringing, "_require_space", lambda *asked: None)

    refused(home, says="no space for the engine: not enough in /small/of", folder="/small/of")

    assert board.say("cd /small/of/environments && ls") == ""


def test_a_transfer_that_is_cut_between_two_files_is_none(board, home, monkeypatch):
    """What unpacks it may not notice: the last file tells."""
    monkeypatch.setattr(bringing, "_add_whole", lambda *asked: None)

    refused(home, says="a command there failed", folder="cut")

    assert os.listdir(board.home / "cut/environments") == []


def test_a_folder_that_others_may_write_to(board, home):
    """They could put programs there that would be run."""
    board.say("mkdir -p open && chmod 777 open")
    refused(home, says="others may write to it", hints="chmod go-w /home/tester/open", folder="open")


def test_a_board_without_python(tmp_path, home):
    board = board_in(tmp_path, python=False)
    with reachable(board):
        refused(home, says="it has no Python; expected python3 on the PATH", hints="apt-get install python3")
    board.stop()


def test_an_interpreter_that_is_none(board, home):
    refused(
        home, says="/no/such/python is no Python that starts there", hints="option python", python="/no/such/python"
    )


def pretend(board: LoopbackBoard, name: str, change: str) -> str:
    """Put an interpreter on the board that tells one thing otherwise, by a rule of sed's; return its path there."""
    path = board.home / f"bin/{name}"
    path.write_text(f"#!/bin/sh\npython3 \"$@\" | sed -e '{change}'\n")
    path.chmod(0o755)
    return f"/home/tester/bin/{name}"


def test_a_runtime_without_a_file_for_the_platform(board, home):
    """The package is named, with the platforms that it has files for."""
    musl = pretend(board, "of-musl", 's/"libc": "[^"]*"/"libc": "musl"/')
    says = rf"environment litert for Python 3\.\d+ on {MACHINE} with musl: ai-edge-litert==\S+ has no file for it"
    refused(home, says=says, hints="manylinux", engine="litert", python=musl)


def test_a_processor_that_nothing_is_built_for(board, home):
    odd = pretend(board, "of-riscv", 's/"machine": "[^"]*"/"machine": "armv7l"/')
    refused(home, says="no packages are built for it; expected x86_64 or aarch64", python=odd)


def test_a_python_that_the_engine_does_not_run_on(board, home):
    old = pretend(board, "old", 's/^3[.][0-9.]* 64$/3.8.1 64/;s/"version": "[^"]*"/"version": "3.8.1"/')
    refused(home, says=r"has Python 3\.8\.1; dataset needs >=3\.10 of 64 bits", hints="the option python", python=old)


def test_a_system_of_32_bits_on_a_processor_of_64(board, home):
    """As many a Raspberry Pi has it."""
    short = pretend(board, "short", 's/"bits": 64/"bits": 32/')
    refused(home, says=r"has Python 3\.\S+ of 32 bits; dataset needs .* of 64 bits", python=short)


def test_a_board_that_talks_nonsense(board, home):
    """What it says of itself is read with distrust."""
    for name, change in (("liar", 's/"folder": "[^"]*"/"folder": "$(reboot)"/'), ("mute", 's/{"machine".*/{}/')):
        refused(home, says="makes no sense", python=pretend(board, name, change))


# What comes back from a board


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "in outputs.items()",
            "in list(outputs.items())[:1]",
            r"wrote 3 x \{'y': 'float32'\}, and says 3 x \{'y'.*'z'",
        ),
        ("            writer.add({", "            done > 1 or writer.add({", r"wrote 2 x .*, and says 3 x "),
    ],
    ids=["outputs", "samples"],
)
def test_a_board_that_loses_outputs_or_samples(board, jobs, fresh_home, old, new, says):
    """Its worker says that all is well."""
    done(fresh_home, *jobs(on())[:1])
    undo = tampered(board, "execution/infer.py", old, new)
    try:
        with pytest.raises(WorkerLied, match=says):
            run_of(done(fresh_home, *jobs(on()))[1])
    finally:
        board.say(undo)


_REPLAYED = """\
            import shutil
            kept = Path("/home/tester/yesterday")
            if kept.exists():
                shutil.rmtree(child.folder / "out")
                shutil.copytree(kept / "out", child.folder / "out")
                shutil.copy(kept / "response", child.folder / "response")
            else:
                shutil.copytree(child.folder, kept, symlinks=True)
"""


def test_yesterdays_answer_is_not_taken_for_todays(board, jobs, fresh_home):
    """A model of the same name, the same options, and other content: the board answers what it answered before."""
    samples, yesterday = jobs(on())
    done(fresh_home, samples)
    reaped = '            self.say(\n                {\n                    "event": "ended"'
    undo = tampered(board, "jobs/worker_main.py", reaped, f"{_REPLAYED}{reaped}")
    try:
        done(fresh_home, yesterday)
        _, today = jobs(on(), error=1.0)
        with pytest.raises(WorkerLied, match="its response answers another request"):
            done(fresh_home, today)
    finally:
        board.say(undo)


# A connection that breaks


def during(what: object, begun: object) -> threading.Thread:
    """Do something as soon as a condition holds, while a job runs."""

    def wait_and_do() -> None:
        until = time.monotonic() + 60
        while not begun() and time.monotonic() < until:
            time.sleep(0.02)
        what()

    thread = threading.Thread(target=wait_and_do)
    thread.start()
    return thread


@pytest.fixture
def slow(board, jobs, fresh_home):
    """Return a chain whose second job takes two seconds, and the first of it is done."""
    samples, run = jobs(on(wait_s=60), "wait", at=1)
    done(fresh_home, samples)
    for folder in (board.home / "edge-toolkit/jobs").iterdir():  # of a test that switched the board off
        shutil.rmtree(folder)
    return samples, run


def begun(board: LoopbackBoard) -> list[Path]:
    """Return the jobs that have begun to compute there."""
    return list((board.home / "edge-toolkit/jobs").glob("*/tmp"))


def test_a_connection_that_breaks_is_made_again(board, slow, fresh_home):
    """And the job is done again, in another folder; what was done before is not."""
    broken: list[int] = []
    thread = during(lambda: broken.append(board.break_connections()), lambda: begun(board))

    _, run = done(fresh_home, *slow)
    thread.join()

    assert broken[0] > 0
    assert run_of(run).count == 3
    assert left(board) == []


def test_a_board_that_starts_anew_is_waited_for(board, slow, fresh_home):
    def reboot() -> None:
        board.stop()
        time.sleep(2)
        board.start()

    thread = during(reboot, lambda: begun(board))

    _, run = done(fresh_home, *slow)
    thread.join()

    assert run_of(run).count == 3
    assert left(board) == []


def test_a_board_that_stays_away_is_given_up(board, jobs, fresh_home):
    """After the seconds that the options allow; the message says how it ended, and what ssh said."""
    samples, run = jobs(on(wait_s=2), "wait", at=1)
    done(fresh_home, samples)
    thread = during(board.stop, lambda: begun(board))
    try:
        with pytest.raises(
            EnvironmentUnavailable, match="the connection broke, and there was no other for 2 s"
        ) as caught:
            done(fresh_home, run)
    finally:
        thread.join()
        board.start()

    assert caught.value.exit_status == 3
    assert "Connection refused" in caught.value.hint


def test_a_worker_that_lost_its_host_is_ended_by_the_next(board, slow, fresh_home, monkeypatch):
    """A connection may be silent: the board does not notice, and its worker would compute beside the next one."""
    alive = tuple(text for text in line._SETTINGS if "ServerAlive" not in text)
    monkeypatch.setattr(line, "_SETTINGS", (*alive, "ServerAliveInterval=2", "ServerAliveCountMax=1"))
    silent: list[int] = []

    def fall_silent() -> None:
        silent.extend(board.sessions())
        for number in silent:
            os.kill(number, signal.SIGSTOP)

    thread = during(fall_silent, lambda: begun(board))
    try:
        _, run = done(fresh_home, *slow)
    finally:
        thread.join()
        left_over = board.processes("worker_main.py")
        for number in silent:
            os.kill(number, signal.SIGCONT)

    assert run_of(run).count == 3
    assert silent
    assert left_over == []


def test_what_jobs_left_for_days_is_removed(board, jobs, fresh_home):
    """A board that lost its connection, and a host that was switched off then."""
    old, new = (board.home / "edge-toolkit/jobs" / name for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))

    done(fresh_home, jobs(on())[0])

    assert not old.exists()
    assert new.exists()
    new.rmdir()


def test_a_board_does_one_job_at_a_time(board, jobs, fresh_home, tmp_path):
    """It has the memory and the cores of one; jobs here do not wait for it."""
    samples, _ = jobs(on())
    done(fresh_home, samples)
    runs = []
    for number in range(2):
        _, run = jobs(on(), "wait", at=number)
        (tmp_path / "model.fake").rename(tmp_path / f"model{number}.fake")
        runs.append(replace(run, inputs={**run.inputs, "model": tmp_path / f"model{number}.fake"}))
    seen: list[tuple[str, str]] = []

    with LocalExecutor(settings(fresh_home), lambda job, what, progress: seen.append((job.title, what))) as executor:
        executor.run(samples, *runs)

    told = [what for _, what in seen if what in ("started", "finished")]
    assert told == ["started", "finished", "started", "finished"]
