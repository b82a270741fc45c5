"""A job's process that a model has taken over: it reads what the job names, writes its own folder, reaches nobody, and leaves nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.attacks import reaching
from toolkit.access import is_confined
from toolkit.executor import Executor
from toolkit.jobs import Engine, Job
from toolkit.limits import Limits
from toolkit.settings import Settings
from toolkit.worker.confinement import ability
from toolkit.worker.shards import ShardWriter

HERE = Path(__file__).parent
SIGNATURE = {"key": "serving_default", "inputs": [], "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 2]}]}
NEEDS = pytest.mark.skipif(not ability().confines, reason=f"this kernel does not confine: {ability()}")
# What is stopped by the system itself where it has not got it, or where nobody may.
ELSEWHERE = {
    "connects_by_tcp_of_ipv6",
    "marks_a_file",
    "opens_a_ring_of_calls",
    "takes_another_process_over",
    "makes_itself_root_of_a_namespace",
}


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
    unique = f"edge-toolkit-{uuid.uuid4().hex}"
    memory, temporary = Path("/dev/shm") / unique, Path("/tmp") / unique  # noqa: S108 (what a job may not write to)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as path,
        socket.socket(socket.AF_INET6) as tcp6,
    ):
        udp.bind(("127.0.0.1", 0))
        abstract.bind("\0" + unique)
        path.bind(str(outside / "socket"))
        for one in (abstract, path):
            one.listen()
        if socket.has_ipv6:
            tcp6.bind(("::1", 0))
            tcp6.listen()
        yield {
            **{
                name: str(outside / name)
                for name in ("secret", "sibling", "doomed", "movable", "cut", "cut_by_opening", "modes", "socket")
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
            "worker.user_metric",
            "measure",
            Engine("dataset"),
            options={
                "function": f"{code.name}:metric",
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

    with Executor(settings) as executor:
        (entry,) = executor.run(asked)

    assert [name for name, why in what_stopped(entry).items() if why is None] == []
    assert is_confined(entry.about)
    assert Path(places["doomed"], "deep", "file").read_text() == "theirs"
    assert all(
        Path(places[name]).read_text() == "theirs"
        for name in ("secret", "movable", "cut", "cut_by_opening", "modes", "input")
    )
