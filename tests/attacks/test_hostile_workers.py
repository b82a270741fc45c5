"""What a broken or hostile worker may send and leave behind: each is an error that names it, and never a result, a hang or a crash of the host."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import save

from tests.attacks.edits import edits
from toolkit.errors import DamagedFile, WorkerCrashed, WorkerError, WorkerLied
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.job_response import read_response
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import Launch, local
from toolkit.settings import Limits, Settings
from toolkit.wire.request import read_progress, sha256, write_request, write_response
from toolkit.wire.shards import ShardWriter, read_index

ENDED = {"event": "ended", "id": 1, "status": 0, "killed_for": None, "peak_bytes": 1}
DEEP = "[" * 100_000
NOTHING = {"": np.zeros(0, np.uint8)}


@pytest.fixture
def folder(tmp_path):
    """Return a job's folder as an honest worker leaves it."""
    folder = tmp_path / "job"
    (folder / "out").mkdir(parents=True)
    write_request(folder, {"module": "execution.infer", "call": "run", "options": {}, "inputs": {}})
    (folder / "out" / "file").write_bytes(b"content")
    write_response(folder, "ok", {"answer": 1}, 0.5)
    return folder


def read(folder):
    return read_response("fake", Limits(), folder, ENDED)


def saying(folder, **said):
    """Return a response whose metadata says this, and otherwise what is right."""
    files = json.dumps({"file": [7, sha256(folder / "out" / "file")]})
    right = {"request": sha256(folder / "request"), "status": "ok", "result": "{}", "files": files, "seconds": "0.5"}
    return save(NOTHING, {key: value for key, value in {**right, **said}.items() if value is not None})


def header(text, length=None, data=b""):
    """Return bytes that begin as a safetensors file with this header does."""
    return struct.pack("<Q", len(text) if length is None else length) + text + data


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\0",
        header(b"", 0),
        header(b"{}", 2**63),
        header(b"{}", 2**64 - 1),
        header(b"{}", 2**31),
        header(b"{}", 99_999_999),
        header(b" " * 100_000),
        header(b"\xff" * 64),
        header(b'{"__metadata__": {"request": 1}}'),
        header(b'{"__metadata__": []}'),
        header(b'{"x": {"dtype": "U8", "shape": [9223372036854775807], "data_offsets": [0, 9223372036854775807]}}'),
        header(b'{"x": {"dtype": "U8", "shape": [4], "data_offsets": [4, 0]}}', data=b"1234"),
        header(b'{"x": {"dtype": "U8", "shape": [-1], "data_offsets": [0, 1]}}', data=b"1"),
        header(b'{"x": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 1]}}', data=b"1"),
        header(DEEP.encode()),
        b"\x80\x04\x95" + b"cos\nsystem\n(S'true'\ntR." * 10,
        b"PK\x03\x04" + b"\0" * 100,
    ],
    ids=lambda response: response[:24].hex(),
)
def test_a_response_that_is_none_is_a_lie(folder, response):
    """Headers that promise more than there is, offsets that lead elsewhere, pickles, archives, nothing at all."""
    (folder / "response").write_bytes(response)

    with pytest.raises(WorkerLied, match="its response cannot be read"):
        read(folder)


@pytest.mark.parametrize(
    "said",
    [
        {"result": DEEP},
        {"result": "[" * 3},
        {"result": '{"a": 1, "a": 2}'},
        {"result": '{"a": ' + "9" * 5000 + "}"},
        {"result": '{"a": ' + "[" * 300 + "]" * 300 + "}"},
        {"result": '{"a": "\\ud800"}'},
        {"result": '{"a": 1e999}'},
        {"result": "[]"},
        {"result": "null"},
        {"result": '"text"'},
        {"result": "[1, 2]", "status": "error"},
        {"result": "null", "status": "error"},
        {"files": DEEP},
        {"files": "[]"},
        {"files": "7"},
        {"files": '{"file": null}'},
        {"files": '{"file": [7, "0"]}'},
        {"files": '{"../request": [1, "0"]}'},
        {"files": '{"/etc/passwd": [1, "0"]}'},
        {"seconds": "soon"},
        {"seconds": "nan"},
        {"seconds": "-1"},
        {"seconds": "1e999"},
        {"request": None},
        {"request": "0" * 64},
        {"status": None},
        {"files": None},
    ],
    ids=lambda said: " ".join(f"{key}={str(value)[:12]}" for key, value in said.items()),
)
def test_a_response_that_says_what_makes_no_sense_is_a_lie(folder, said):
    """Well-formed, and yet no answer."""
    (folder / "response").write_bytes(saying(folder, **said))

    with pytest.raises(WorkerLied):
        read(folder)


def test_only_what_is_changed_makes_it_a_lie(folder):
    """Else the other tests here would show nothing."""
    (folder / "response").write_bytes(saying(folder))

    assert read(folder)[:2] == ({}, 0.5)


def test_an_error_of_an_unknown_kind_is_the_engines(folder):
    """A worker names the class of its error; only classes of the tree are taken for one."""
    for kind in ("SystemExit", "EdgeToolkitError", "__import__('os')", ""):
        result = json.dumps({"kind": kind, "problem": "of a kind", "hint": None})
        (folder / "response").write_bytes(saying(folder, status="error", result=result))

        with pytest.raises(WorkerError, match="of a kind"):
            read(folder)


def link_to_a_file(out, outside):
    (out / "file").unlink()
    (out / "file").symlink_to(outside / "file")


def link_to_a_folder(out, outside):
    (out / "more").symlink_to(outside)


def link_in_a_folder(out, outside):
    (out / "deep" / "er").mkdir(parents=True)
    (out / "deep" / "er" / "link").symlink_to(outside)


def link_to_nothing(out, outside):
    (out / "more").symlink_to(outside / "not-there")


def pipe(out, outside):
    os.mkfifo(out / "more")


@pytest.mark.parametrize("change", [link_to_a_file, link_to_a_folder, link_in_a_folder, link_to_nothing, pipe])
def test_what_is_no_plain_file_is_no_output(folder, tmp_path, change):
    """A link's content may change after it was looked at, and a pipe is never read to its end."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"content")
    change(folder / "out", outside)

    with pytest.raises(WorkerLied):
        read(folder)


def test_a_response_that_is_a_pipe_is_none(folder):
    """Opening it would wait for ever."""
    (folder / "response").unlink()
    os.mkfifo(folder / "response")

    with pytest.raises(WorkerCrashed, match="without a response"):
        read(folder)


def without_a_request(folder):
    (folder / "request").unlink()


def with_a_folder_as_request(folder):
    without_a_request(folder)
    (folder / "request").mkdir()


def with_a_pipe_as_request(folder):
    without_a_request(folder)
    os.mkfifo(folder / "request")


def without_out(folder):
    (folder / "out" / "file").unlink()
    (folder / "out").rmdir()


def with_a_pipe_as_log(folder):
    os.mkfifo(folder / "log")
    (folder / "response").write_bytes(b"")


@pytest.mark.parametrize(
    "change", [without_a_request, with_a_folder_as_request, with_a_pipe_as_request, without_out, with_a_pipe_as_log]
)
def test_what_a_job_did_to_its_own_folder_makes_it_a_lie(folder, change):
    """It may write there whatever it likes; the host neither waits for a pipe nor falls over what is gone."""
    change(folder)

    with pytest.raises(WorkerLied):
        read(folder)


@pytest.mark.parametrize("content", [b"1 2", b"%20d %20d\n" % (1, 2)])
def test_progress_is_read_as_it_is_told(tmp_path, content):
    """Two numbers, however they are set."""
    (tmp_path / "progress").write_bytes(content)

    assert read_progress(tmp_path) == (1, 2)


def test_progress_without_end_takes_no_memory_of_the_host(tmp_path):
    """A file of a terabyte costs its writer nothing: none of its blocks is there."""
    with open(tmp_path / "progress", "wb") as file:
        file.write(b"1 2 ")
        file.truncate(10**12)

    assert read_progress(tmp_path) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_progress_that_is_no_file_is_none(tmp_path, make):
    """Nobody waits for a pipe's writer, nor reads a device."""
    make(tmp_path / "progress")

    assert read_progress(tmp_path) is None


@pytest.fixture
def job():
    """Return a job of the environment that is there anyway."""
    return Job("fake job", "samples.draw", "draw", Engine("dataset", preload=False), limits=Limits(300, 10**9))


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Return a function that puts a script in the place of the worker."""

    def become(text):
        (tmp_path / "worker.py").write_text("import json, os, sys, time\n" + text)
        launch = Launch(
            (sys.executable, str(tmp_path / "worker.py")), {}, "fake", {"engine": "fake", "launcher": "local"}
        )
        monkeypatch.setattr(local, "prepare", lambda environment, options, settings: launch)
        return Settings(home=tmp_path / "home", offline=True)

    return become


@pytest.mark.parametrize(
    "said",
    [
        {"event": "ended", "id": 99, "status": 0, "killed_for": None, "peak_bytes": 1},
        {"event": "ended", "id": "1", "status": 0, "killed_for": None, "peak_bytes": 1},
        {"event": "ended", "id": [1], "status": 0, "killed_for": None, "peak_bytes": 1},
        {"event": "ended", "status": 0, "killed_for": None, "peak_bytes": 1},
        {"event": "ended", "id": 1},
        {"event": "ended", "id": 1, "status": "fine", "killed_for": None, "peak_bytes": 1},
        {"event": "ended", "id": 1, "status": 0, "killed_for": "memory", "peak_bytes": "all"},
        {"event": "failed"},
        {"event": ["ended"]},
        {"event": "bye"},
        ["event"],
        7,
    ],
    ids=lambda said: json.dumps(said)[:60],
)
def test_an_event_that_makes_no_sense_is_a_lie(worker, job, said):
    """Another job's number, fields that are missing or of another type: the worker is not to be trusted any more."""
    settings = worker(f"print(json.dumps({said!r}), flush=True)\ntime.sleep(600)")
    began = time.monotonic()

    with LocalExecutor(settings) as executor, pytest.raises(WorkerError):
        executor.run(job)

    assert time.monotonic() - began < 120


def test_a_deeply_nested_event_is_a_lie(worker, job):
    """The parser's stack is not the host's problem."""
    settings = worker("print('[' * 100_000, flush=True)\ntime.sleep(600)")

    with LocalExecutor(settings) as executor, pytest.raises(WorkerLied, match="which is no event"):
        executor.run(job)


def test_a_line_without_end_is_a_lie(tmp_path, worker, job):
    """Megabytes of what never becomes an event do not fill the host's memory."""
    settings = worker("while True:\n    os.write(1, b'x' * 65536)")
    began = time.monotonic()

    with LocalExecutor(settings) as executor, pytest.raises(WorkerLied, match="which is no event"):
        executor.run(job)

    assert time.monotonic() - began < 120


def test_a_flood_of_honest_events_ends_with_the_worker(worker, job):
    """Saying "ready" again and again is no answer, and does not keep the host from its other work."""
    settings = worker("for _ in range(2000):\n    print(json.dumps({'event': 'ready', 'confined': 'no'}), flush=True)")

    with LocalExecutor(settings) as executor, pytest.raises(WorkerCrashed, match="exited with status 0"):
        executor.run(job)


def test_an_index_of_shards_that_makes_no_sense_is_damaged(tmp_path):
    """Whatever is another in it; and a shard is a file of the same folder."""
    with ShardWriter(tmp_path) as writer:
        for number in range(3):
            writer.add({"x": np.full((1, 2), number, np.float32)})
    whole = read_index(tmp_path)

    refused = 0
    for _, content in edits(whole, 150):
        (tmp_path / "index.json").write_text(json.dumps(content))
        with contextlib.suppress(DamagedFile):
            refused += 1
            read_index(tmp_path)
            refused -= 1
    assert refused > 90
