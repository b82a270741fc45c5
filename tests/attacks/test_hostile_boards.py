"""A board that answers what no board would: its host names the fault at once. No board is needed."""

from __future__ import annotations

import io
import json
import secrets
import tarfile
import tracemalloc
from types import SimpleNamespace

import pytest

from tests.unit.environments.test_transport import SHELL
from tests.unit.jobs.test_broken_lines import breaking, run  # noqa: F401 (a fixture)
from toolkit.environments.transport import by_shell
from toolkit.errors import EnvironmentUnavailable, TargetUnavailable, WorkerLied
from toolkit.jobs.parcel import CarryingFailed, unpack
from toolkit.launchers.boards import probe
from toolkit.launchers.boards.line import Line
from toolkit.launchers.boards.options import BoardOptions
from toolkit.wire.android.adb import Adb, AdbError, Phone

DEEP = 100_000


def long_name(length: int = 512) -> bytes:
    """Return a header that gives the next member a longer name (GNU, type L)."""
    told = tarfile.TarInfo("././@LongLink")
    told.type, told.size = tarfile.GNUTYPE_LONGNAME, length
    return told.tobuf(tarfile.GNU_FORMAT)


def pax(**said: str) -> bytes:
    """Return an archive with one empty member and these words about it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        told = tarfile.TarInfo("out/a")
        told.pax_headers = dict(said)
        archive.addfile(told)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pax(path="out/a\0b"), id="a name that no file can have"),
        pytest.param((long_name() + b"x" * 512) * 2000, id="headers inside each other"),
        pytest.param(pax(size="-100"), id="a negative size"),
    ],
)
def test_an_archive_that_makes_no_sense_is_a_failure_with_a_reason(tmp_path, content):
    """Not an exception that nobody waits for: then the host would wait for hours."""
    with pytest.raises((CarryingFailed, tarfile.TarError)):
        unpack(io.BytesIO(content), tmp_path, 1 << 30)


class Endless:
    """A stream that begins with some bytes, and goes on with zeros."""

    def __init__(self, begin: bytes, most_bytes: int) -> None:
        self._begin, self._left = io.BytesIO(begin), most_bytes

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        content = self._begin.read(size) or bytes(min(size, self._left))
        self._left -= len(content)
        return content


def test_a_name_without_end_takes_no_memory_of_the_host(tmp_path):
    """Python keeps the whole name of a member, and there is a size for it in its header."""
    tracemalloc.start()
    with pytest.raises(CarryingFailed, match="header"):
        unpack(Endless(long_name(1 << 28), 1 << 28), tmp_path, 1 << 40)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1 << 25


def test_large_files_come_back_whole(tmp_path):
    """The limit is one of headers."""
    content = secrets.token_bytes(3 << 20)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("out/a", "other", "out/" + "b" * 200):
            told = tarfile.TarInfo(name)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))
    packed.seek(0)

    unpack(packed, tmp_path, 1 << 30)

    assert [path.read_bytes() == content for path in sorted((tmp_path / "out").iterdir())] == [True, True]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(f"head -c {DEEP} /dev/zero | tr '\\0' '['; echo", id="deeply nested"),
        pytest.param("head -c 3000000 /dev/zero | tr '\\0' x; echo", id="long"),
    ],
)
def test_a_line_that_is_no_event_is_a_lie(run, tmp_path, said):  # noqa: F811
    """It reaches the host, which names it."""
    with pytest.raises(WorkerLied, match="which is no event"):
        run(by_shell(SHELL, str(tmp_path / "there")), said)


def test_a_job_that_is_said_to_have_ended_twice_is_fetched_once(run, tmp_path):  # noqa: F811
    """The host reads the folder after the first time: nothing may change in it then."""
    again = (
        """{ sleep 0.3; echo '{"event": "ended", "id": '$id', "status": 0, "killed_for": null, "peak_bytes": 1}'; } &"""
    )
    line = breaking(by_shell(SHELL, str(tmp_path / "there")), "fetch", f"echo >>{tmp_path}/fetched; sleep 3")

    entry = run(line, again)

    assert entry.result == {"by": "sh"}
    assert (tmp_path / "fetched").read_text() == "\n"


def test_what_a_worker_says_beside_its_events_does_not_fill_the_disk(run, tmp_path):  # noqa: F811
    """The standard error of ssh is a file of the host's, for as long as jobs run."""
    with pytest.raises(EnvironmentUnavailable, match="more than 64 MB came from there on standard error"):
        run(by_shell(SHELL, str(tmp_path / "there")), "head -c 80000000 /dev/zero >&2; sleep 30")


@pytest.mark.parametrize("where", ["", ">&2"])
def test_what_a_board_prints_when_it_is_asked_does_not_fill_the_disk(tmp_path, where):
    """Up to two minutes for a question, up to an hour while packages are copied."""
    flood = tmp_path / "ssh"
    flood.write_text(f"#!/bin/sh\nhead -c 40000000 /dev/zero {where}\n")
    flood.chmod(0o755)
    line = Line((str(flood), "--", "board"), "board", "pi@board port 22", "board")

    for feed in (b"", lambda stream: stream.write(b"packages")):
        with pytest.raises(TargetUnavailable, match="launcher ssh: board: printed more than 16 MiB"):
            line.say("true", feed)


def test_what_a_phone_prints_does_not_fill_the_memory(tmp_path):
    """The client passes on whatever a phone's shell says."""
    flood = tmp_path / "adb"
    flood.write_text("#!/bin/sh\nhead -c 40000000 /dev/zero\n")
    flood.chmod(0o755)

    with pytest.raises(AdbError, match="adb -s: printed more than 16 MiB") as caught:
        Phone(Adb(str(flood)), "A1").properties()
    assert caught.value.stays


@pytest.mark.parametrize("what", ["libc", "version"])
def test_a_number_without_end_is_no_version(what):
    """Python refuses to read it, in words of its own."""
    digits = "9" * 5000
    facts = {
        **dict.fromkeys(("machine", "kernel", "system", "board", "libc", "model"), ""),
        **{name: [] for name in ("parts", "features", "governors", "there")},
        **dict.fromkeys(("landlock", "memory_bytes", "free_bytes"), 0),
        "folder": "/x",
        "of_folder": None,
        "pythons": [{"path": "/x", "version": "3.11.2", "bits": 64}],
    }
    if what == "libc":
        facts["libc"] = f"glibc 2.{digits}"
    else:
        facts["pythons"][0]["version"] = f"3.{digits}"

    def say(command: str, script: bytes) -> str:
        mark = next(word for word in script.decode().split() if word.startswith("'edge-toolkit-")).strip("'")
        return f"{mark} {json.dumps(facts)}\n"

    with pytest.raises(TargetUnavailable, match="makes no sense"):
        probe.ask(SimpleNamespace(say=say, who="launcher ssh: board", host="board"), BoardOptions("board"))
