"""Boards over ssh: what options may say, what ssh's words mean, what a board says of itself. No server, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.environments.requirements import read_requirements
from toolkit.environments.site_packages import WheelPlatform, make_site_packages
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable
from toolkit.launchers import ssh
from toolkit.launchers.boards import facts as board_facts
from toolkit.launchers.boards import probe
from toolkit.launchers.boards.line import CONFIG, Line, reach
from toolkit.launchers.boards.options import BoardOptions
from toolkit.launchers.boards.probe import Board, Interpreter
from toolkit.settings import Settings

HOST = {"host": "pi@board.local"}
PI = Board(
    machine="aarch64",
    kernel="Linux 6.12.47+rpt-rpi-v8",
    system="Debian GNU/Linux 12 (bookworm)",
    name="Raspberry Pi 4 Model B Rev 1.4",
    libc="glibc 2.36",
    model="",
    parts=("0xd08",),
    features=("asimd",),
    governors=("ondemand",),
    landlock=6,
    memory_bytes=4_000_000_000,
    free_bytes=20_000_000_000,
    folder="/home/pi/edge-toolkit",
    closed=True,
    pythons=(Interpreter("/usr/bin/python3", "3.11.2", 64),),
    there=(),
)
TO_PI = Line(("ssh", "--", "pi@board.local"), "pi@board.local", "pi@10.0.0.7 port 22", "10.0.0.7")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "option 'host': missing; it is what ssh is told"),
        ({"host": "-oProxyCommand=reboot"}, r"option 'host': '-oProxyCommand=reboot'; expected a name or an address"),
        ({"host": "pi@board.local; reboot"}, "option 'host': .*; expected a name"),
        ({"host": 7}, "option 'host': 7; expected a text"),
        ({**HOST, "hots": "x"}, "option 'hots': unknown; did you mean 'host'"),
        ({**HOST, "port": 0}, "option 'port': 0; expected a number from 1 to 65535"),
        ({**HOST, "port": "22"}, "option 'port': '22'; expected a number"),
        ({**HOST, "port": True}, "option 'port': True; expected a number"),
        ({**HOST, "folder": "../x"}, r"option 'folder': '\.\./x'; expected a path"),
        ({**HOST, "folder": "a b"}, "option 'folder': 'a b'; expected a path"),
        ({**HOST, "folder": "-rf"}, "option 'folder': '-rf'; expected a path"),
        ({**HOST, "folder": "$(reboot)"}, "option 'folder': .*; expected a path"),
        ({**HOST, "python": "python3 -c pass"}, "option 'python': .*; expected a path"),
        ({**HOST, "wait_s": -1}, "option 'wait_s': -1; expected seconds, from 0 to 3600"),
        ({**HOST, "wait_s": float("nan")}, "option 'wait_s': nan; expected seconds"),
        ({**HOST, "machine": "armv6l"}, "option 'machine': 'armv6l': unknown; known: aarch64, x86_64"),
        ({**HOST, "cpu": "cortex-a73"}, "option 'cpu': 'cortex-a73': unknown; did you mean 'cortex-a7"),
        (
            {**HOST, "cpu": "cortex-a72", "machine": "x86_64"},
            "option 'machine': 'x86_64', and cortex-a72 is of aarch64; leave machine out",
        ),
    ],
)
def test_options_are_checked_before_anything_is_reached(options, says):
    """No word of them is an option of ssh's, and no shell there reads anything into one."""
    for ask in (ssh.prepare, ssh.ready):
        with pytest.raises(RequestError, match=f"launcher ssh: {says}") as caught:
            ask("litert", options, Settings(offline=True))
        assert caught.value.exit_status == 2


def test_all_mistakes_are_told_at_once():
    with pytest.raises(RequestError) as caught:
        BoardOptions.read({"port": 0, "wait_s": "x", "nmae": 1})

    assert [text.split("'")[1] for text in caught.value.problem.splitlines()] == ["nmae", "port", "wait_s", "host"]


@pytest.mark.parametrize("host", ["board", "pi@board.local", "pi@10.0.0.7", "::1", "fe80::1%eth0", "_x", "a-b.c"])
def test_whatever_ssh_takes_for_a_host_is_one(host):
    assert BoardOptions.read({"host": host}).host == host


def test_what_a_profile_says_of_the_processor_is_what_is_expected():
    """So that a profile of a board is converted for as its emulated one is."""
    assert ssh.features({**HOST, "cpu": "cortex-a72"}) == ("aarch64", "fp asimd evtstrm crc32 cpuid".split())
    assert ssh.features({**HOST, "cpu": "haswell"})[0] == "x86_64"
    assert ssh.features({**HOST, "machine": "x86_64"}) == ("x86_64", [])
    assert ssh.features(HOST) == ("", [])


# What ssh says


@pytest.mark.parametrize(
    ("words", "says", "hints"),
    [
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "its host key is not the one that is known",
            "`ssh-keygen -R 10.0.0.7`",
        ),
        ("Host key verification failed.", "its host key is not known yet", "`ssh pi@board.local` once"),
        ("pi@10.0.0.7: Permission denied (publickey,password).", "refuses your key", "ssh-copy-id pi@board.local"),
        ("ssh: Could not resolve hostname board.local: Name or service not known", "no machine of that name", "check"),
        (
            "ssh: connect to host 10.0.0.7 port 22: Connection refused",
            "no ssh server answers at pi@10.0.0.7 port 22",
            "enable",
        ),
        (
            "ssh: connect to host 10.0.0.7 port 22: No route to host",
            "cannot be reached at pi@10.0.0.7 port 22",
            "is it on",
        ),
        ("Connection timed out during banner exchange", "cannot be reached", "is it on"),
        ("kex_exchange_identification: read: Connection reset by peer", "the connection broke", "restart"),
        ("something that nobody has seen yet", "ssh could not connect", "something that nobody has seen yet"),
    ],
)
def test_each_failure_of_ssh_is_one_message(words, says, hints):
    """Who, what, and what to do; with ssh's own words, since ours may be wrong."""
    error = TO_PI.failure(255, words)

    assert error.problem.startswith(f"launcher ssh: pi@board.local: {says}")
    assert hints in error.hint
    assert words.splitlines()[0] in error.hint
    assert error.exit_status == 3


def test_a_command_that_fails_there_is_no_failure_of_the_line():
    error = TO_PI.failure(2, "tar: short read\n")

    assert "a command there failed (exit status 2)" in error.problem
    assert error.hint == "tar: short read"


def fake_ssh(folder: Path, script: str) -> None:
    (folder / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ssh").chmod(0o755)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Return a function that has `ssh` be a script, and the variables that it gets."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return lambda script: fake_ssh(tmp_path, script)


def test_without_ssh_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TargetUnavailable, match="there is no `ssh` on this machine"):
        reach(BoardOptions("board"))
    assert not ssh.ready("litert", HOST, Settings(offline=True))
    assert not ssh.status(Settings(offline=True)).ready


@pytest.mark.parametrize(("checking", "added"), [("true", False), ("ask", False), ("false", True), ("off", True)])
def test_a_configuration_that_accepts_any_key_accepts_only_new_ones(told, checking, added):
    """`StrictHostKeyChecking no` would go on with a key that changed."""
    told(f"echo user pi; echo hostname 10.0.0.7; echo port 2222; echo stricthostkeychecking {checking}")

    found = reach(BoardOptions("pi@board.local", port=2222))

    assert ("StrictHostKeyChecking=accept-new" in found.words) is added
    assert (found.address, found.place) == ("pi@10.0.0.7 port 2222", "[10.0.0.7]:2222")
    assert found.words[-4:] == ("-p", "2222", "--", "pi@board.local")


def test_ssh_gets_the_way_to_the_agent_and_nothing_else(told, tmp_path, monkeypatch):
    """What else the shell says is nobody's business."""
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv(CONFIG, "/my/config")
    told(f'echo "$@" >>{tmp_path}/asked; env >>{tmp_path}/given; echo user pi')

    reach(BoardOptions("board")).say("true")

    assert {"SSH_AUTH_SOCK=/run/agent"} <= set((tmp_path / "given").read_text().splitlines())
    assert not [text for text in (tmp_path / "given").read_text().splitlines() if "SECRET" in text or "PRELOAD" in text]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert all("-F /my/config" in text for text in asked)
    assert "BatchMode=yes" in asked[1]
    assert "ControlPath=none" in asked[1]


def test_no_answer_in_time(told):
    told('case "$*" in *-G*) echo user pi;; *) exec sleep 60;; esac')

    with pytest.raises(TargetUnavailable, match=r"launcher ssh: board: no answer in 0\.3 s"):
        reach(BoardOptions("board")).say("true", timeout_s=0.3)


# What a board says of itself


def facts(tmp_path: Path, *pythons: str, folder: str = "edge-toolkit") -> dict:
    said = subprocess.run(
        [sys.executable, "-", "mark ", folder, *pythons],
        input=Path(board_facts.__file__).read_bytes(),
        capture_output=True,
        check=True,
        cwd=tmp_path,
    )
    return json.loads(said.stdout.decode().removeprefix("mark "))


def test_a_machine_says_what_it_is(tmp_path):
    """This one, as its own system says it."""
    said = facts(tmp_path, sys.executable, "/no/such/python")

    assert said["machine"] == os.uname().machine
    assert said["kernel"].endswith(os.uname().release)
    assert said["libc"].startswith(("glibc 2.", "musl"))
    assert said["folder"] == str(tmp_path / "edge-toolkit")
    assert said["of_folder"] is None
    assert said["free_bytes"] > 0
    assert said["memory_bytes"] > 0
    version = ".".join(map(str, sys.version_info[:3]))
    assert said["pythons"] == [{"path": sys.executable, "version": version, "bits": 64}]


def test_only_whole_folders_are_there(tmp_path):
    """One that lacks its last file, or holds that of another, is none."""
    for name, content in {"a": "a", "b": "", "c": "a", "d.partial-1": "d"}.items():
        (tmp_path / "edge-toolkit/environments" / name).mkdir(parents=True)
        (tmp_path / "edge-toolkit/environments" / name / "whole").write_text(content)
    (tmp_path / "edge-toolkit/code/e").mkdir(parents=True)
    (tmp_path / "edge-toolkit").chmod(0o770)

    said = facts(tmp_path)

    assert said["there"] == ["environments/a"]
    assert said["of_folder"] == {"mine": True, "others_write": True}


def test_the_right_board_is_taken():
    for cpu in ("cortex-a72", None):
        probe.require_as_said(PI, BoardOptions("board", cpu=cpu), TO_PI)
    probe.require_as_said(PI, BoardOptions("board", machine="aarch64"), TO_PI)
    probe.require_as_said(replace(PI, parts=("0xd05", "0xd08")), BoardOptions("board", cpu="cortex-a72"), TO_PI)

    assert PI.cpu == "cortex-a72"
    assert probe.python_for(PI, read_requirements("tflite_runtime"), TO_PI).path == "/usr/bin/python3"


@pytest.mark.parametrize(
    ("board", "options", "says"),
    [
        (PI, {"machine": "x86_64"}, "is aarch64; the profile says x86_64"),
        (PI, {"cpu": "haswell"}, "is aarch64; the profile says x86_64"),
        (
            PI,
            {"cpu": "cortex-a76"},
            r"has cortex-a72 \(aarch64 with NEON, no dot product\); the profile says cortex-a76",
        ),
        (
            replace(PI, features=("asimd", "asimddp")),
            {"cpu": "cortex-a72"},
            r"has cortex-a72 \(aarch64 with dot product\); the profile says cortex-a72",
        ),
        (replace(PI, closed=False), {}, "/home/pi/edge-toolkit there is another user's, or others may write to it"),
    ],
)
def test_another_board_is_refused(board, options, says):
    """What is verified there would be believed of the board that was meant."""
    with pytest.raises(TargetUnavailable, match=f"launcher ssh: pi@board.local: {says}"):
        probe.require_as_said(board, BoardOptions("board", **options), TO_PI)


@pytest.mark.parametrize(
    ("pythons", "says"),
    [
        ((), "has Python none; tflite_runtime needs >=3.10,<3.12 of 64 bits"),
        ((("3.13.1", 64), ("3.11.2", 32)), r"has Python 3\.13\.1, 3\.11\.2 of 32 bits; tflite_runtime needs"),
    ],
)
def test_a_board_without_a_python_that_serves(pythons, says):
    board = replace(PI, pythons=tuple(Interpreter("/python", *each) for each in pythons))

    with pytest.raises(TargetUnavailable, match=says):
        probe.python_for(board, read_requirements("tflite_runtime"), TO_PI)


def test_of_several_pythons_the_first_that_serves_is_taken():
    """The board's own is newer than the engine."""
    pythons = (Interpreter("/usr/bin/python3", "3.13.1", 64), Interpreter("/usr/bin/python3.11", "3.11.9", 64))

    assert probe.python_for(replace(PI, pythons=pythons), read_requirements("tflite_runtime"), TO_PI) == pythons[1]


# The packages


@pytest.mark.parametrize(
    ("platform", "uv"),
    [
        (WheelPlatform("aarch64", "glibc 2.36", "3.11.2"), "aarch64-manylinux_2_36"),
        (WheelPlatform("x86_64", "glibc 2.41", "3.11.2"), "x86_64-manylinux_2_40"),
        (WheelPlatform("aarch64", "glibc 2.30", "3.11.2"), "aarch64-manylinux_2_28"),
        (WheelPlatform("aarch64", "glibc 2.12", "3.11.2"), None),
        (WheelPlatform("aarch64", "musl", "3.11.2"), "aarch64-unknown-linux-musl"),
        (WheelPlatform("aarch64", "", "3.11.2"), None),
        (WheelPlatform("armv7l", "glibc 2.36", "3.11.2"), None),
    ],
)
def test_packages_are_never_for_a_newer_library_than_the_boards(platform, uv):
    """They would not start."""
    assert platform.uv == uv


def test_packages_for_an_unknown_processor_are_refused_before_anything_is_fetched(tmp_path):
    with pytest.raises(
        EnvironmentUnavailable, match=r"litert for Python 3\.11 on armv7l with glibc 2\.36: no packages are built"
    ):
        make_site_packages(
            "litert", WheelPlatform("armv7l", "glibc 2.36", "3.11.2"), Settings(home=tmp_path, offline=True)
        )


def test_without_network_packages_that_are_not_there_are_not_made(tmp_path):
    with pytest.raises(EnvironmentUnavailable, match=r"not made yet, and the network is off \(offline\)"):
        make_site_packages(
            "litert", WheelPlatform("aarch64", "glibc 2.36", "3.11.2"), Settings(home=tmp_path, offline=True)
        )
