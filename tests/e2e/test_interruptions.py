"""Ctrl-C, kill -9, two at once, damage: nothing finished is lost, nothing half-written is taken for finished, and nothing is left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import toolkit
from tests.e2e.conftest import finished, flip_a_bit, processes_of, sha256, unfinished
from tests.rows import slow
from toolkit import Original, Samples

PHASES = ("inspect", "draw", "canonicalize", "convert", "run")
WAIT_S = 900  # on a machine that does other things
END_S = 60


@pytest.fixture
def start(edge, sample, digits, tmp_path, fresh_home):
    """Return a function that starts a cold build in a process group of its own, as a terminal does."""
    started = []

    def run(out=tmp_path / "dist"):
        arguments = (
            "build",
            sample,
            "--target",
            "host",
            "--scheme",
            "static_wi8_ai8",
            "--calibration",
            digits,
            "--out",
            out,
        )
        started.append(edge.start(*arguments, home=fresh_home, prefix=("setsid",)))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()
    assert processes_of(fresh_home, END_S) == []


def calls(home: Path) -> set[str]:
    """Return what the jobs that are being done call."""
    found = set()
    for request in (home / "store" / "work").glob("*/request"):
        with contextlib.suppress(OSError, ValueError):
            content = request.read_bytes()
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            found.add(json.loads(header["__metadata__"]["job"])["call"])
    return found


def wait_for(process: subprocess.Popen[str], home: Path, call: str) -> None:
    """Return when a job that calls this is being done; fail where the command ends before."""
    deadline = time.monotonic() + WAIT_S
    while call not in calls(home):
        assert process.poll() is None, f"ended before {call!r} was seen"
        assert time.monotonic() < deadline, f"{call!r} was not seen within {WAIT_S} s"
        time.sleep(0.002)


def places(home: Path) -> dict[str, int]:
    """Return the inode of each finished job: another one means that it was done again."""
    return {folder.name: folder.stat().st_ino for folder, _ in finished(home)}


def workers(home: Path) -> list[int]:
    """Return the workers that work with a cache folder, without the children that they forked."""
    found = {}
    for line in processes_of(home, 0):
        pid, _, command = line.partition(" ")
        if "jobs/worker_main.py" in command:
            with contextlib.suppress(OSError):
                found[int(pid)] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return [pid for pid, parent in found.items() if parent not in found]


def test_ctrl_c_ends_everything_in_each_phase_and_the_next_run_goes_on(start, fresh_home, tmp_path):
    """Status 130, no process, no claim and no folder left; what was finished stays finished until the last run passes."""
    kept: dict[str, int] = {}
    for phase in PHASES:
        process = start()
        wait_for(process, fresh_home, phase)

        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=END_S)

        assert process.returncode == 130, (phase, err)
        assert out == ""
        assert (
            err.strip().splitlines()[-1] == "interrupted: finished jobs are kept; the same command resumes from there"
        )
        assert processes_of(fresh_home) == []
        assert unfinished(fresh_home) == []
        assert list(tmp_path.glob("dist/*")) == []
        found = places(fresh_home)
        assert kept.items() <= found.items(), phase
        kept = found

    process = start()
    _, err = process.communicate(timeout=WAIT_S)

    assert process.returncode == 0, err
    assert kept.items() <= places(fresh_home).items()
    assert "inspect" not in err
    assert (tmp_path / "dist" / "host" / "manifest.json").is_file()


@pytest.mark.slow
def test_ctrl_c_while_tensorflow_is_imported_ends_at_once(start, fresh_home, tensorflow_python):
    """There is no job yet whose end could be waited for: it ends long before the import could, on a machine as busy as this one is now."""
    began = time.monotonic()
    subprocess.run([tensorflow_python, "-c", "import tensorflow"], check=True, capture_output=True)
    importing_s = time.monotonic() - began
    process = start()
    wait_for(process, fresh_home, "inspect")
    began = time.monotonic()

    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=END_S)

    assert process.returncode == 130
    assert time.monotonic() - began < importing_s / 2
    assert processes_of(fresh_home) == []


@pytest.mark.parametrize("ending", [signal.SIGTERM, slow(signal.SIGHUP)])
def test_a_request_to_end_is_obeyed(start, fresh_home, ending):
    """As a job scheduler, or a terminal that is closed, asks."""
    process = start()
    wait_for(process, fresh_home, "canonicalize")

    process.send_signal(ending)
    process.communicate(timeout=END_S)

    assert process.returncode in (128 + ending, -ending)
    assert processes_of(fresh_home, END_S) == []


@pytest.mark.slow
def test_kill_9_of_the_host_loses_nothing_that_was_finished(start, fresh_home, tmp_path):
    """Twice, in different jobs: no clean-up ran, and yet the next run goes on, and what was half-done is done again from its beginning."""
    kept: dict[str, int] = {}
    for phase in ("canonicalize", "convert"):
        process = start()
        wait_for(process, fresh_home, phase)

        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=END_S)

        assert process.returncode == -signal.SIGKILL
        assert processes_of(fresh_home, END_S) == []
        assert not (tmp_path / "dist" / "host").exists()
        found = places(fresh_home)
        assert kept.items() <= found.items()
        kept = found
    assert kept

    process = start()
    _, err = process.communicate(timeout=WAIT_S)

    assert process.returncode == 0, err
    assert kept.items() <= places(fresh_home).items()
    assert unfinished(fresh_home) == []
    assert {path.name for path in (tmp_path / "dist").iterdir()} == {"host"}


def test_kill_9_of_a_worker_is_a_clear_error_and_the_next_run_goes_on(start, fresh_home, tmp_path):
    """The system does that for want of memory: the job that was under way is named, the exit status is 3."""
    process = start()
    wait_for(process, fresh_home, "convert")
    kept = places(fresh_home)

    for pid in workers(fresh_home):
        os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=WAIT_S)

    assert process.returncode == 3, (out, err)
    assert "killed by SIGKILL" in out + err
    assert "Traceback" not in out + err
    assert processes_of(fresh_home) == []
    assert not (tmp_path / "dist" / "host" / "model.tflite").exists()
    again = start()
    _, err = again.communicate(timeout=WAIT_S)
    assert again.returncode == 0, err
    assert kept.items() <= places(fresh_home).items()


def test_two_builds_at_once_share_store_and_output(start, fresh_home, tmp_path):
    """Each job is done by one of them, and the bundle that both write is whole."""
    both = [start(), start()]

    ended = [process.communicate(timeout=WAIT_S) for process in both]

    assert [process.returncode for process in both] == [0, 0], ended
    said = "".join(err for _, err in ended)
    for title in ("preparing digits for conversion", "converting to tflite float32"):
        assert said.count(f"{title}: finished") <= 1
    manifest = json.loads((tmp_path / "dist" / "host" / "manifest.json").read_text())
    for name, file in manifest["files"].items():
        assert file["sha256"] == sha256(tmp_path / "dist" / "host" / name)
    assert unfinished(fresh_home) == []
    assert {path.name for path in (tmp_path / "dist").iterdir()} == {"host"}


def test_what_a_killed_build_left_beside_a_bundle_is_removed(sample, digits, executor, tmp_path):
    """What was half-written when its process was killed is nobody's; that of a living process, and what only has such a name, are left alone."""
    left, held, foreign = (tmp_path / f".host.{name}.partial" for name in ("00000001", "00000002", "00000003"))
    for folder in (left, held, foreign):
        (folder / "made").mkdir(parents=True)
    for folder in (left, held):
        (folder / "lock").write_bytes(b"edge-toolkit writes beside this folder\n")
    (foreign / "lock").write_text("a note of the user's")

    with open(held / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcomes = toolkit.build(Original(sample), ["host"], Samples(str(digits)), tmp_path, executor=executor)

    assert outcomes["host"].passed
    assert {path.name for path in tmp_path.iterdir()} == {"host", held.name, foreign.name}


@pytest.mark.parametrize(
    "damage",
    [
        "flip artifact",
        slow("cut artifact"),
        slow("remove artifact"),
        slow("flip manifest"),
        "empty manifest",
        "flip outputs",
    ],
)
def test_a_damaged_store_entry_is_noticed_and_made_again(sample, digits, executor, home, tmp_path, damage):
    """By the hash of every byte; the artifact that is shipped is the one that was verified, bit for bit."""

    def build():
        outcomes = toolkit.build(
            Original(sample), ["host"], Samples(str(digits)), tmp_path, scheme="static_wi8_ai8", executor=executor
        )
        assert outcomes["host"].passed
        return outcomes["host"].artifact.sha256

    expected = build()
    converted = next(folder for folder, manifest in finished(home) if manifest["result"].get("sha256") == expected)
    ran = next(
        folder
        for folder, manifest in finished(home)
        if "call_ms.npy" in str(manifest["files"]) and "reference kernels" in manifest["about"]["title"]
    )
    what, _, which = damage.partition(" ")
    path = {
        "artifact": converted / "out" / "model.tflite",
        "manifest": converted / "manifest.json",
        "outputs": next((ran / "out" / "outputs").glob("*.safetensors")),
    }[which]
    if what == "flip":
        flip_a_bit(path)
    elif what == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:1000] if what == "cut" else b"")

    assert build() == expected

    assert sha256(tmp_path / "host" / "model.tflite") == expected
    assert sha256(converted / "out" / "model.tflite") == expected
