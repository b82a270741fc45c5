"""How the process ends: with closed and full streams, readers that are gone, too little memory, and libraries that end it.

Exit status 1 is a verdict that is not passed, and nothing else: CI reads it so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
WAYS = {"command": f"{Path(PYTHON).parent / 'edge-toolkit'}", "module": f"{PYTHON} -m toolkit"}
EDGE = WAYS["module"]


def shell(line, **variables):
    """Return (exit status, standard output, standard error) of a line of bash; `edge` in it is the command line."""
    prelude = f'edge() {{ {EDGE} "$@"; }}\n'
    environment = {**os.environ, **variables}
    ended = subprocess.run(
        ["bash", "-c", prelude + line], capture_output=True, env=environment, cwd=ROOT, timeout=300, check=False
    )
    return ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace")


@pytest.fixture
def runs(tmp_path):
    """Return two saved runs that are not alike: comparing them is a verdict that is not passed."""
    np.savez(tmp_path / "a.npz", y=np.zeros((4, 2), np.float32))
    np.savez(tmp_path / "b.npz", z=np.zeros((4, 2), np.float32))
    return f"{tmp_path / 'a.npz'} {tmp_path / 'b.npz'}"


def test_a_verdict_that_is_not_passed_is_1(runs):
    """The one thing that it means."""
    status, out, _ = shell(f"edge compare {runs}")

    assert status == 1
    assert "missing" in out


@pytest.mark.parametrize("asked", ["targets list", "--help", "--version", "targets show host --json", "build --help"])
@pytest.mark.parametrize(("to", "why"), [("> /dev/full", "No space left"), (">&-", "Bad file descriptor")])
def test_a_result_that_was_not_written_is_no_success(asked, to, why):
    """A full disk behind `>`, and no standard output at all."""
    status, _, error = shell(f"edge {asked} {to}")

    assert status == 3
    assert error.splitlines() == [
        f"edge-toolkit: standard output: {error.split(': ')[2].split(';')[0]}; the result was not written"
    ]
    assert why in error


@pytest.mark.parametrize("asked", ["targets list", "--help", "targets show host", "targets show host --json"])
def test_a_reader_that_is_gone_is_told_as_a_shell_tells_it(asked):
    """128 + SIGPIPE, without a word, as `yes | true` ends: neither a success nor a verdict."""
    status, _, error = shell(f"set -o pipefail; {{ sleep 0.2; edge {asked}; }} | true")

    assert status == 141
    assert error == ""


def test_a_verdict_stays_one_where_nobody_reads_it(runs):
    """What is not passed is not passed, whoever hung up; what is asked wrongly is 2."""
    assert shell(f"set -o pipefail; {{ sleep 0.2; edge compare {runs}; }} | true")[0] == 1
    assert shell(f"edge compare {runs} > /dev/full")[0] == 1
    assert shell("edge targets show nothere --json > /dev/full")[0] == 2


def test_a_report_is_written_though_nobody_reads_standard_output(runs, tmp_path):
    """It is what CI has asked for."""
    shell(f"edge compare {runs} --report junit={tmp_path / 'r.xml'} > /dev/full")

    assert "<testsuite" in (tmp_path / "r.xml").read_text()


@pytest.mark.parametrize("to", ["2>&-", "2> /dev/full", "<&- 2>&-"])
def test_messages_that_nobody_gets_change_nothing(to, runs):
    """And never end up in the result."""
    status, out, _ = shell(f"edge targets list {to}")
    assert status == 0
    assert out.startswith("android-arm64")
    assert shell(f"edge targets show nothere {to}")[:2] == (2, "")
    assert shell(f"edge nothere {to}")[:2] == (2, "")
    assert shell(f"edge compare {runs} {to}")[0] == 1


def test_a_file_of_ours_never_becomes_a_standard_stream(runs, tmp_path):
    """With all three closed the next file that is opened would be number 0, 1 or 2, and get what is printed."""
    bounds = tmp_path / "bounds.toml"
    bounds.write_text(
        '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "max_abs"\nunit = "real"\nlimit = 1\nbecause = "test"\n'
    )

    status, *_ = shell(f"edge compare {runs} --bounds {bounds} --report junit={tmp_path / 'r.xml'} <&- >&- 2>&-")

    assert status == 1
    assert (tmp_path / "r.xml").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "utf-16"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX"},
        {"LANG": "nothing.here"},
    ],
    ids=str,
)
def test_what_an_encoding_lacks_is_an_escape(variables, tmp_path):
    """Names are shown in the end, and the status is the verb's."""
    (tmp_path / "größe✅.toml").write_text("name = 5\n", encoding="utf-8")

    status, _, error = shell(f"edge targets check {tmp_path}/*.toml", **variables)

    assert status == 2
    assert "Traceback" not in error
    assert "expected" in error.replace("\0", "") or "LC_ALL=C.UTF-8" in error


@pytest.mark.parametrize("columns", ["0", "1", "-5", "x", "100000"])
def test_a_terminal_of_any_width(columns):
    """Also none."""
    for asked in ("build --help", "targets list", "nothere"):
        status, _, error = shell(f"edge {asked}", COLUMNS=columns, LINES=columns)
        assert status == (2 if asked == "nothere" else 0)
        assert "Traceback" not in error


# Kilobytes of address space; below the first Python itself cannot start, and ends with 1 before a line of ours is read.
@pytest.mark.parametrize(
    "kilobytes", [15_000, 20_000, 24_000, 30_000, 45_000, 60_000, 80_000, 100_000, 130_000, 160_000, 240_000]
)
def test_too_little_memory_is_no_verdict(kilobytes):
    """And no hang: numpy's import may turn for ever there, in OpenBLAS. Where Python itself has no room it may end by a signal."""
    status, _, error = shell(f"ulimit -c 0 -v {kilobytes}; edge targets list")

    assert status in (3, 134, 139)
    assert "Traceback" not in error
    assert kilobytes < 80_000 or "MB of address space; expected 256 MB or more" in error


LIBRARIES = {
    "has a mistake": "1 / 0",
    "is not there": "raise ModuleNotFoundError('no typer')",
    "has no memory": "raise MemoryError",
    "calls sys.exit(1)": "import sys; sys.exit(1)",
    "exits with a text": "raise SystemExit('a text makes it 1')",
    "is without end": "def deeper(): return deeper()\ndeeper()",
    "ends a generator": "raise GeneratorExit",
    "is interrupted": "raise KeyboardInterrupt",
    "cannot be told": "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
}


@pytest.mark.parametrize("library", ["typer", "numpy"])
@pytest.mark.parametrize("what", LIBRARIES)
def test_a_library_that_ends_the_process_gives_no_verdict(library, what, tmp_path):
    """While the command line is imported (typer), and in a verb (numpy)."""
    (tmp_path / f"{library}.py").write_text(LIBRARIES[what])

    status, _, error = shell("edge targets list", PYTHONPATH=str(tmp_path))

    assert status == (130 if what == "is interrupted" else 3)
    assert "Traceback" not in error


def test_c_code_that_exits_gives_no_verdict(tmp_path):
    """As OpenBLAS does for want of memory."""
    (tmp_path / "numpy.py").write_text("import ctypes; ctypes.CDLL(None).exit(1)")

    status, _, error = shell("edge targets list", PYTHONPATH=str(tmp_path))

    assert status == 3
    assert "a library ended the process" in error
    assert shell("edge targets list 2> /dev/full", PYTHONPATH=str(tmp_path))[0] == 3


@pytest.mark.parametrize(
    "at_exit", ["os._exit(1)", "1 / 0", "sys.stdout.close()", "raise SystemExit(1)", "time.sleep(600)"]
)
def test_what_runs_at_exit_has_no_say(at_exit, tmp_path):
    """The status is known by then."""
    lines = ["import atexit, os, sys, time", "def last():", f"    {at_exit}", "atexit.register(last)"]
    (tmp_path / "platformdirs.py").write_text("\n".join([*lines, "def user_cache_path(name): raise OSError", ""]))
    (tmp_path / "sitecustomize.py").write_text("import platformdirs\n")

    assert shell("edge targets list", PYTHONPATH=str(tmp_path))[0] == 0
    assert shell("edge targets show nothere", PYTHONPATH=str(tmp_path))[0] == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_told_as_one(way, number, status, tmp_path):
    """While a library is imported, which takes long."""
    (tmp_path / "typer.py").write_text(
        f"open({str(tmp_path / 'there')!r}, 'w').close()\nimport time\ntime.sleep(600)\n"
    )
    process = subprocess.Popen(
        [*WAYS[way].split(), "targets", "list"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    while not (tmp_path / "there").exists():
        time.sleep(0.01)

    process.send_signal(number)
    _, error = process.communicate(timeout=120)

    assert process.returncode in (status, -number)  # a shell says the latter as the former
    assert b"Traceback" not in error
