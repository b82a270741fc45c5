"""A job's process that a model has taken over: it reads what the job names, writes its own folder, reaches nobody, and leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.attacks import reaching
from toolkit.confinement import ability
from toolkit.confinement.processes import enclosable
from toolkit.errors import EdgeToolkitError, LimitReached, RequestError, WorkerOutOfMemory, WorkerWroteTooMuch
from toolkit.jobs.access import is_confined
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import chromium, qemu
from toolkit.samples.dataset import whole_set_job
from toolkit.settings import Limits, Settings
from toolkit.settings.permissions import Permissions
from toolkit.wire.shards import ShardWriter

HERE = Path(__file__).parent
MEMORY = Path("/dev/shm")  # noqa: S108 (a file system in memory)
SIGNATURE = {"key": "serving_default", "inputs": [], "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 2]}]}
NEEDS = pytest.mark.skipif(not ability().confines, reason=f"this kernel does not confine: {ability()}")
# What is stopped by the system itself where it has not got it, or where nobody may.
ELSEWHERE = {
    "connects_by_tcp_of_ipv6",
    "marks_a_file",
    "opens_a_ring_of_calls",
    "takes_another_process_over",
    "makes_itself_root_of_a_namespace",
    "changes_the_flags_of_its_input",  # file systems that have not these three
    "reads_what_is_noted_beside_a_file",
    "takes_the_disk_by_a_command",
}
# What the worker itself needs, for it is confined with its job: all of it ends with the job.
IN_AN_EMULATOR = {"becomes_two", "starts_a_program", "signals_its_parent", "keeps_memory_that_no_limit_counts"}

# Pairs of packets (SOCK_SEQPACKET): they stay connected to one another, whatever address they are told to send to.
BESIDE_A_BROWSER = {"sends_by_a_pair_of_another_type"}


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", offline=True)


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def places(tmp_path, victim) -> Iterator[dict]:
    """Return what lies outside of a job: files, sockets that listen, and a process."""
    outside = tmp_path / "outside"
    (outside / "doomed" / "deep").mkdir(parents=True)
    (outside / "named").mkdir()
    for name in ("secret", "sibling", "doomed/deep/file", "movable", "cut", "cut_by_opening", "modes", "named/input"):
        (outside / name).write_text("theirs")
    with contextlib.suppress(OSError):  # a file system without such notes
        os.setxattr(outside / "secret", "user.noted", b"https://theirs")
    unique = f"edge-toolkit-{uuid.uuid4().hex}"
    memory, temporary = Path("/dev/shm") / unique, Path("/tmp") / unique  # noqa: S108 (what a job may not write to)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as path,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_INET6) as tcp6,
    ):
        udp.bind(("127.0.0.1", 0))
        abstract.bind("\0" + unique)
        path.bind(str(outside / "socket"))
        datagrams.bind(str(outside / "datagrams"))
        for one in (abstract, path):
            one.listen()
        if socket.has_ipv6:
            tcp6.bind(("::1", 0))
            tcp6.listen()
        yield {
            **{
                name: str(outside / name)
                for name in (
                    "secret",
                    "sibling",
                    "doomed",
                    "movable",
                    "cut",
                    "cut_by_opening",
                    "modes",
                    "socket",
                    "datagrams",
                )
            },
            "input": str(outside / "named" / "input"),
            "temporary": str(temporary),
            "memory": str(memory),
            "tcp": tcp.getsockname()[1],
            "tcp6": tcp6.getsockname()[1],
            "udp": udp.getsockname()[1],
            "abstract": unique,
            "victim": victim.pid,
        }
    for left in (memory, temporary):
        left.unlink(missing_ok=True)


@pytest.fixture
def job(tmp_path):
    """Return a maker of jobs in whose process the code of a file runs, with these arguments."""
    with ShardWriter(tmp_path / "outputs") as writer:
        writer.add({"y": np.zeros((1, 2), np.float32)})
    np.save(tmp_path / "labels.npy", np.zeros(1, np.int64))

    def make(
        code: Path,
        *,
        user_code: bool,
        inputs: dict[str, Path] | None = None,
        limits: Limits | None = None,
        **arguments: str,
    ) -> Job:
        return Job(
            f"{code.name}:metric",
            "comparison.user_metric",
            "measure",
            Engine("dataset"),
            options={
                "function": f"{code.name}:metric",
                "file": str(code),
                "folder": str(code.parent),
                "arguments": arguments,
                "signature": SIGNATURE,
            },
            inputs={
                "outputs": tmp_path / "outputs",
                "labels": tmp_path / "labels.npy",
                "function": code,
                **(inputs or {}),
            },
            cached=False,
            user_code=user_code,
            limits=limits,
        )

    return make


def what_stopped(entry: object) -> dict[str, str | None]:
    return dict(json.loads((entry.out / "tried.json").read_text()))


def test_each_attempt_goes_too_far_where_nothing_stops_it(places, tmp_path):
    """Else nothing is shown by what a job could not do."""
    home = tmp_path / "tmp"
    home.mkdir()

    subprocess.run(
        [sys.executable, HERE / "reaching.py", json.dumps(places), tmp_path / "tried.json"],
        env={**os.environ, "TMPDIR": str(home)},
        check=True,
    )

    stopped = {name for name, why in json.loads((tmp_path / "tried.json").read_text()).items() if why is not None}
    assert stopped <= ELSEWHERE
    assert len(reaching.ATTEMPTS) >= 35


@NEEDS
def test_a_model_reaches_nothing_that_its_job_does_not_name(settings, places, job):
    """Every attempt is stopped, and everything outside is as it was."""
    asked = job(
        HERE / "reaching.py", user_code=False, inputs={"named": Path(places["input"])}, places=json.dumps(places)
    )

    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(asked)

    assert [name for name, why in what_stopped(entry).items() if why is None] == []
    assert is_confined(entry.about)
    assert Path(places["doomed"], "deep", "file").read_text() == "theirs"
    assert all(
        Path(places[name]).read_text() == "theirs"
        for name in ("secret", "movable", "cut", "cut_by_opening", "modes", "input")
    )


@NEEDS
@pytest.mark.engines
def test_a_model_on_an_emulated_processor_reaches_nothing_either(home, places, job):
    """Its worker is confined from outside, with the emulator. It may start processes and signal them, which end with it; they are as confined."""
    asked = job(
        HERE / "reaching.py", user_code=False, inputs={"named": Path(places["input"])}, places=json.dumps(places)
    )
    engine = Engine("tflite_runtime", "qemu", {"cpu": "cortex-a72"})
    settings = Settings(home=home)
    if not qemu.ready(engine.environment, engine.options, settings):
        pytest.skip("no emulation here: edge-toolkit setup qemu makes it")

    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(replace(asked, engine=engine))

    assert {name for name, why in what_stopped(entry).items() if why is None} <= IN_AN_EMULATOR
    assert is_confined(entry.about)
    assert Path(places["doomed"], "deep", "file").read_text() == "theirs"


@NEEDS
@pytest.mark.engines
def test_a_model_beside_a_browser_reaches_nothing_either(home, places, job):
    """Its worker is confined from outside, with the browser that it may start: that gets no network either, and no socket of another program."""
    asked = job(
        HERE / "reaching.py", user_code=False, inputs={"named": Path(places["input"])}, places=json.dumps(places)
    )
    engine = Engine("litert", "chromium", {"accelerator": "wasm"})
    settings = Settings(home=home)
    if not chromium.ready(engine.environment, engine.options, settings):
        pytest.skip(f"NOT TESTED, no browser here: {chromium.status(settings).problem}")

    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(replace(asked, engine=engine))

    assert {name for name, why in what_stopped(entry).items() if why is None} <= IN_AN_EMULATOR | BESIDE_A_BROWSER
    assert is_confined(entry.about)
    assert Path(places["doomed"], "deep", "file").read_text() == "theirs"


def code(tmp_path: Path, body: str, name: str = "mine.py") -> Path:
    """Write a metric with this body into a folder of its own, and return its file."""
    (tmp_path / "project").mkdir(exist_ok=True)
    file = tmp_path / "project" / name
    file.write_text(
        "import os, socket, subprocess, sys, time\ndef metric(outputs, labels, **said):\n    "
        + body.replace("\n", "\n    ")
    )
    return file


def failure(settings: Settings, asked: Job) -> EdgeToolkitError:
    with LocalExecutor(settings) as executor, pytest.raises(EdgeToolkitError) as caught:
        executor.run(asked)
    return caught.value


@NEEDS
@pytest.mark.parametrize(
    ("body", "flag"),
    [
        ("open(said['secret']).read(); return 1.0", "--allow-read {secret}"),
        ("socket.create_connection(('127.0.0.1', int(said['tcp']))); return 1.0", "--allow-"),
    ],
)
def test_the_users_own_code_is_told_what_allows_it(settings, places, job, tmp_path, body, flag):
    """It reads its own folder, and is refused the rest with the flag that would allow it."""
    asked = job(code(tmp_path, body), user_code=True, secret=places["secret"], tcp=str(places["tcp"]))

    error = failure(settings, asked)

    assert isinstance(error, RequestError)
    assert "PermissionError" in error.problem
    assert flag.format(**places) in error.hint


@NEEDS
def test_the_users_own_code_reaches_what_is_allowed(settings, places, job, tmp_path):
    """Its own folder, a file that is named, the network, and processes of its own that hand over what they computed."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "beside.py").write_text("NUMBER = 1.0")
    body = """from beside import NUMBER
open(said['secret']).read()
socket.create_connection(('127.0.0.1', int(said['tcp']))).close()
import multiprocessing
with multiprocessing.get_context('fork').Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
subprocess.run([sys.executable, '-c', 'print(1)'], check=True)
return NUMBER"""
    allowing = replace(settings, permissions=Permissions((Path(places["secret"]),), network=True))

    with LocalExecutor(allowing) as executor:
        (entry,) = executor.run(
            job(code(tmp_path, body), user_code=True, secret=places["secret"], tcp=str(places["tcp"]))
        )

    assert entry.result["score"] == 1.0


def running(text: str) -> list[int]:
    """Return the processes whose command holds this text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if text.encode() in (entry / "cmdline").read_bytes().split(b"\0") and state != "Z":
                    found.append(int(entry.name))
    return found


DAEMON = """
def daemon():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execvp('sleep', ['sleep', said['seconds']])
for _ in range(5):
    daemon()
subprocess.Popen(['sleep', said['seconds']], start_new_session=True)
time.sleep(0.3)
"""


@pytest.fixture
def seconds() -> str:
    """Return a number of seconds to sleep that nobody else sleeps."""
    return f"3600.{uuid.uuid4().int % 10**12:012}"


LIMIT_S = {"return 1.0": 300, "os.abort()": 300, "time.sleep(600)": 6}


@pytest.mark.parametrize("ends", LIMIT_S)
def test_what_a_job_started_ends_with_it(settings, job, tmp_path, seconds, ends):
    """Sessions of their own, and orphans: when the executor has the job's end, none is left, however it ended."""
    asked = job(code(tmp_path, DAEMON + ends), user_code=True, limits=Limits(timeout_s=LIMIT_S[ends]), seconds=seconds)

    with LocalExecutor(settings) as executor:
        (outcome,) = executor.outcomes([asked])
        left = running(seconds)

    assert left == []
    assert (outcome.error is not None) == (ends != "return 1.0")


def test_a_job_has_nothing_open_of_its_workers(settings, job, tmp_path):
    """Pipes to the host, or the list of what the worker waits for, which a job could add to."""
    body = """def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
return float(sum(map(is_open, range(3, 1024))))"""

    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(job(code(tmp_path, body), user_code=False))

    assert entry.result["score"] == 0.0


HOST = """
import pickle, sys
from toolkit.samples.dataset import whole_set_job
from toolkit.errors import EdgeToolkitError, LimitReached, RequestError, WorkerOutOfMemory, WorkerWroteTooMuch
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings
home, job = pickle.loads(sys.stdin.buffer.read())
with LocalExecutor(Settings(home=home, offline=True)) as executor:
    executor.run(job)
"""


def worker_of(host: int) -> int:
    (pid,) = (int(each) for each in Path(f"/proc/{host}/task/{host}/children").read_text().split())
    return pid


@pytest.mark.skipif(
    not enclosable(), reason="no namespace of processes here: what a killed worker's job started may stay"
)
@pytest.mark.parametrize("killed", ["host", "worker", "first of the namespace"])
def test_nothing_is_left_when_nobody_can_clean_up(settings, job, tmp_path, seconds, killed):
    """SIGKILL, which no process sees coming."""
    asked = job(code(tmp_path, DAEMON + "time.sleep(600)"), user_code=True, seconds=seconds)
    (tmp_path / "asked").write_bytes(pickle.dumps((settings.home, asked)))
    with open(tmp_path / "asked", "rb") as told:
        host = subprocess.Popen([sys.executable, "-c", HOST], stdin=told, stderr=subprocess.DEVNULL)
    until(lambda: len(running(seconds)) >= 6)
    victims = {"host": host.pid, "worker": worker_of(host.pid)}
    victims["first of the namespace"] = worker_of(victims["worker"])

    os.kill(victims[killed], signal.SIGKILL)

    until(lambda: not running(seconds))
    host.wait(300)
    assert killed == "host" or host.returncode != 0


def until(is_so: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_processes_without_number_are_few(settings, job, tmp_path, seconds):
    """A job that does nothing but start others is ended, with all of them."""
    body = "while True:\n    if os.fork() == 0:\n        os.execvp('sleep', ['sleep', said['seconds']])"

    error = failure(settings, job(code(tmp_path, body), user_code=True, limits=Limits(timeout_s=100), seconds=seconds))

    assert isinstance(error, LimitReached)
    assert running(seconds) == []


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ("bytearray(10**11); return 1.0", WorkerOutOfMemory, "its limit is 200 MB"),
        ("return float(sum(map(len, [bytearray(10**8) for _ in range(100)])))", WorkerOutOfMemory, "limit"),
        (
            "open('large', 'wb').write(bytes(5 * 10**7)); return 1.0",
            WorkerWroteTooMuch,
            "File too large|more than its limit",
        ),
        (
            "for name in range(10**6):\n    open(str(name), 'wb').write(bytes(10**6))",
            WorkerWroteTooMuch,
            "more than its limit of 40 MB",
        ),
    ],
)
def test_a_job_cannot_take_the_machine_before_anybody_looks(settings, job, tmp_path, body, error, says):
    """Memory that is asked for at once is refused at once, and so is a large file; many small files end the job."""
    limits = Limits(timeout_s=600, memory_bytes=200_000_000, written_bytes=40_000_000)

    raised = failure(settings, job(code(tmp_path, body), user_code=False, limits=limits))

    assert type(raised) is error
    assert re.search(says, raised.problem)


@pytest.mark.skipif(not os.access(MEMORY, os.W_OK), reason="NOT TESTED: no file system in memory here")
def test_what_is_written_to_memory_counts_too(job, tmp_path):
    """A file system in memory tells the kernel nothing of what is written to a disk, as there is none."""
    limits = Limits(timeout_s=60, memory_bytes=200_000_000, written_bytes=40_000_000)
    body = "for name in range(500):\n    open(str(name), 'wb').write(bytes(10**6))\nreturn 1.0"

    with tempfile.TemporaryDirectory(dir=MEMORY) as home:
        raised = failure(
            Settings(home=Path(home) / "home", offline=True),
            job(code(tmp_path, body), user_code=False, limits=limits),
        )

    assert type(raised) is WorkerWroteTooMuch


def test_a_limit_beyond_any_machine_is_one(settings, job, tmp_path):
    """More than the kernel can say is as much as it can."""
    limits = Limits(memory_bytes=10**21, written_bytes=10**21)

    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(job(code(tmp_path, "return 1.0"), user_code=False, limits=limits))

    assert entry.result["score"] == 1.0


@pytest.mark.parametrize("said", ["inf", "nan", "0"])
def test_memory_that_is_not_finite_is_no_limit(said):
    """It is refused as a wrong request."""
    ended = subprocess.run(
        [sys.executable, "-m", "toolkit", "inspect", HERE, "--memory", said],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "--memory" in ended.stderr


def as_without_landlock(*command: object) -> subprocess.CompletedProcess[str]:
    before = [sys.executable, HERE / "without_landlock.py"]
    return subprocess.run([*map(str, (*before, *command))], capture_output=True, text=True, timeout=300, check=False)


ASKING = """
import pickle, sys
from toolkit.jobs.access import is_confined
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings
home, job = pickle.loads(open(sys.argv[1], "rb").read())
with LocalExecutor(Settings(home=home, offline=True)) as executor:
    (entry,) = executor.run(job)
print(is_confined(entry.about), entry.about["confined"])
"""


def test_a_kernel_without_landlock_is_said_to_have_none(settings, job, tmp_path):
    """The job is done, and by what it is known nobody takes it for confined."""
    asked = tmp_path / "asked"
    asked.write_bytes(pickle.dumps((settings.home, job(code(tmp_path, "return 1.0"), user_code=False))))

    ended = as_without_landlock(sys.executable, "-c", ASKING, asked)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("False not confined: this kernel has no Landlock")


def test_doctor_says_how_jobs_are_confined_here(tmp_path):
    """And what is missing where they are not."""
    asking = (sys.executable, "-m", "toolkit", "doctor", "--json")

    here = json.loads(subprocess.run(asking, capture_output=True, text=True, check=True).stdout)
    without = json.loads(as_without_landlock(*asking).stdout)

    rows = [next(row for row in each if row["kind"] == "jobs") for each in (here, without)]
    assert rows[0]["ready"] == ability().confines
    assert rows[0]["about"].startswith(str(ability()))
    assert not rows[1]["ready"]
    assert "no Landlock" in rows[1]["problem"]


def test_a_set_of_links_is_read(settings, tmp_path):
    """Pictures that lie elsewhere, one by one and a folder of them."""
    for folder in ("elsewhere/some", "set"):
        (tmp_path / folder).mkdir(parents=True)
    for place in ("elsewhere/a.png", "elsewhere/some/b.png"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / place)
    (tmp_path / "set" / "a.png").symlink_to("../elsewhere/a.png")
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "elsewhere" / "some" / "b.png")
    signature = {"inputs": [{"name": "x", "dtype": "uint8", "shape": [1, 4, 4, 3]}]}

    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(whole_set_job(str(tmp_path / "set"), signature))

    assert entry.result["verification"]["count"] == 2
