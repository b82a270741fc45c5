"""A program's output and time are limited; what it says within the limits is returned."""

from __future__ import annotations

import subprocess
import sys

import pytest

from toolkit.wire.bounded_output import PrintedTooMuch, run

LONG_S = 600.0


def shell(command: str, **more):
    return run(["sh", "-c", command], **{"timeout_s": LONG_S, **more})


def test_what_is_printed_and_the_status_are_returned():
    ended = shell("cat; echo wrong >&2; exit 3", feed=lambda stream: stream.write(b"fed \xff"))

    assert (ended.status, ended.answer, ended.errors) == (3, "fed \ufffd", "wrong\n")
    assert shell("cat").answer == ""
    assert shell('echo "$A$HOME"', variables={"A": "a", "PATH": "/usr/bin:/bin"}).answer == "a\n"


@pytest.mark.parametrize("where", ["", ">&2"])
@pytest.mark.parametrize("printed", ["yes", "head -c 2000000 /dev/zero"])
def test_a_program_that_prints_too_much_is_ended(printed, where):
    """One that never stops, and one that has ended before anybody looked."""
    with pytest.raises(PrintedTooMuch, match="printed more than 1 MiB"):
        shell(f"exec {printed} {where}", most_bytes=1 << 20)


def test_one_that_takes_too_long_is_ended():
    with pytest.raises(subprocess.TimeoutExpired):
        shell("exec sleep 600", timeout_s=0.2)


def test_one_that_reads_nothing_does_not_hold_its_feeder():
    """The pipe is full after 64 kB."""
    with pytest.raises(subprocess.TimeoutExpired):
        shell("exec sleep 600", timeout_s=0.2, feed=lambda stream: stream.write(bytes(1 << 24)))


def test_one_that_reads_half_says_by_its_status_why():
    assert shell("exit 7", feed=lambda stream: stream.write(bytes(1 << 24))).status == 7


def test_a_feed_that_fails_leaves_no_process():
    def fail(stream):
        raise KeyError("feed")

    with pytest.raises(KeyError, match="feed"):
        shell("exec sleep 600", feed=fail)


def test_a_program_that_is_not_there_cannot_be_started():
    with pytest.raises(FileNotFoundError):
        run([f"{sys.executable}-none"], timeout_s=LONG_S)
