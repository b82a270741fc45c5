"""What a job answered, as the host reads it: every way to break it has its own error."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from toolkit.errors import WorkerCrashed, WorkerLied, WorkerOutOfMemory, WorkerWroteTooMuch
from toolkit.jobs.job_response import read_response
from toolkit.settings import Limits
from toolkit.wire.request import write_request, write_response


@pytest.fixture
def answered(tmp_path):
    """Return a folder as a worker leaves it, with the event that says so."""
    folder = tmp_path / "job"
    (folder / "out").mkdir(parents=True)
    write_request(folder, {"module": "execution.infer", "call": "run", "options": {}, "inputs": {}})
    (folder / "out" / "file").write_bytes(b"content")
    write_response(folder, "ok", {"answer": 1}, 0.5)
    return folder, {"event": "ended", "id": 1, "status": 0, "killed_for": None, "peak_bytes": 1}


def test_an_answer_counts_only_with_exit_status_0(answered):
    """A response was written, and then the process died: that is no answer."""
    folder, event = answered

    answer, seconds, files = read_response("fake on model.fake", Limits(), folder, event)
    assert (answer, seconds) == ({"answer": 1}, 0.5)
    assert files == {"file": (7, hashlib.sha256(b"content").hexdigest())}
    with pytest.raises(WorkerCrashed, match="exited with status 1"):
        read_response("fake on model.fake", Limits(), folder, {**event, "status": 1})


def test_a_response_to_another_request_is_a_lie(answered):
    """A response that lay there from before is never taken."""
    folder, event = answered
    (folder / "request").write_bytes((folder / "request").read_bytes() + b" ")

    with pytest.raises(WorkerLied, match="answers another request"):
        read_response("fake on model.fake", Limits(), folder, event)


@pytest.mark.parametrize("length", [0, 7, 8, 40, -1])
def test_a_response_cut_short_is_a_lie(answered, length):
    """Wherever it was cut: its length does not fit its header."""
    folder, event = answered
    (folder / "response").write_bytes((folder / "response").read_bytes()[:length])

    with pytest.raises(WorkerLied, match="cannot be read"):
        read_response("fake on model.fake", Limits(), folder, event)


@pytest.mark.parametrize(
    "change",
    [
        lambda out: (out / "file").write_bytes(b"CONTENT"),
        lambda out: (out / "file").write_bytes(b"contents"),
        lambda out: (out / "file").unlink(),
        lambda out: (out / "more").write_bytes(b""),
    ],
)
def test_files_that_are_not_what_the_response_says_are_a_lie(answered, change):
    """Changed, of another size, missing, or one too many."""
    folder, event = answered
    change(folder / "out")

    with pytest.raises(WorkerLied):
        read_response("fake on model.fake", Limits(), folder, event)


@pytest.mark.parametrize("said", [["7", "0" * 64], [7, "0" * 63], [7, 0], [7], {"size": 7}, None, "7"])
def test_what_a_response_says_of_a_file_is_its_size_and_hash(answered, said):
    folder, event = answered
    with safe_open(folder / "response", framework="np") as file:
        metadata = file.metadata()
    save_file({"": np.zeros(0, np.uint8)}, folder / "response", {**metadata, "files": json.dumps({"file": said})})

    with pytest.raises(WorkerLied, match="file is not what its response says"):
        read_response("fake on model.fake", Limits(), folder, event)


@pytest.mark.parametrize(
    ("printed", "status", "error"),
    [
        (
            "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
            -6,
            WorkerOutOfMemory,
        ),
        (
            "std::bad_alloc\nFatal Python error: Aborted\n\nThread 0x1:\n  File engine.py" + 20 * "\n  File more.py",
            -6,
            WorkerOutOfMemory,
        ),
        ("mmap: Cannot allocate memory", 1, WorkerOutOfMemory),
        ("File size limit exceeded", -25, WorkerWroteTooMuch),
        ("something else", -6, WorkerCrashed),
    ],
)
def test_a_death_for_want_of_memory_or_room_is_a_limit(tmp_path, printed, status, error):
    """Who got no memory mostly dies, of whatever it does then: what it said before tells why."""
    (tmp_path / "log").write_text(printed)
    event = {"event": "ended", "id": 1, "status": status, "killed_for": None, "peak_bytes": 1}

    with pytest.raises(error) as caught:
        read_response("engine on model", Limits(30, 2_000_000_000), tmp_path, event)

    assert type(caught.value) is error
    assert printed.splitlines()[-1].strip() in caught.value.hint
    assert ("--memory GB" in caught.value.hint) == (error is WorkerOutOfMemory)


def test_no_response_is_a_crash(answered):
    """Even with exit status 0."""
    folder, event = answered
    (folder / "response").unlink()

    with pytest.raises(WorkerCrashed, match="without a response"):
        read_response("fake on model.fake", Limits(), folder, event)
