"""What a job may reach, bit by bit: the filter of system calls on both processors, the rights of Landlock by version, and the folders."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.confinement import FILTERED, Ability, landlock, places, seccomp
from toolkit.confinement.seccomp import Filter, JobKind
from toolkit.jobs.access import access_of, advice
from toolkit.jobs.job import Engine, Job
from toolkit.settings.permissions import Permissions

MODEL, USER, NETWORK, EMULATED, BROWSER = (
    JobKind(),
    JobKind(user_code=True),
    JobKind(user_code=True, network=True),
    JobKind(emulated=True),
    JobKind(browser=True),
)
GPU = JobKind(gpu=True)
DRIVER = JobKind(memory_files=True)  # a GPU's driver in software
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOWED, KILLED, OWN = 0, "killed", 4242
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
THREAD, FORK, NEW_USERS = 0x3D0F00, 0x01200011, 0x10000011


def answer(found: Filter, machine: str, call: str | int, *arguments: int, architecture: int = 0) -> int | str:
    """Return what the kernel makes of a call under a filter: 0 for allowed, an error's number, "killed", or "done" where it only says so."""
    number = call if isinstance(call, int) else seccomp._NUMBERS[call][list(ARCHITECTURES).index(machine)]
    assert number is not None
    data = {
        0: number,
        4: architecture or ARCHITECTURES[machine],
        **{16 + 8 * place: value for place, value in enumerate(arguments)},
    }
    held, place = 0, 0
    while True:
        step = found.steps[place]
        value = OWN if step.value == -1 else step.value
        place += 1
        if step.code == 0x06:
            return {0x7FFF0000: ALLOWED, 0x80000000: KILLED, 0x00050000: "done"}.get(value, value & 0xFFFF)
        if step.code == 0x20:
            held = data.get(value, 0)
        elif step.code == 0x54:
            held &= value
        else:
            holds = {0x15: held == value, 0x25: held > value, 0x35: held >= value, 0x45: bool(held & value)}[step.code]
            place += step.if_true if holds else step.if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("kind", "call", "arguments", "expected"),
    [
        (MODEL, 600, (), ALLOWED),  # whatever is not named passes
        (MODEL, "socket", (2,), errno.EACCES),
        (MODEL, "socket", (1,), errno.EACCES),
        (USER, "socket", (1,), ALLOWED),
        (USER, "socket", (10,), errno.EACCES),
        (NETWORK, "socket", (10,), ALLOWED),
        (NETWORK, "socket", (17,), errno.EACCES),
        (MODEL, "clone", (THREAD,), ALLOWED),
        (MODEL, "clone", (FORK,), errno.EPERM),
        (USER, "clone", (FORK,), ALLOWED),
        (EMULATED, "clone", (FORK,), ALLOWED),
        (USER, "clone", (NEW_USERS,), errno.EPERM),
        (MODEL, "clone3", (), errno.ENOSYS),
        (MODEL, "kill", (OWN, 9), ALLOWED),
        (MODEL, "kill", (1, 9), errno.EPERM),
        (MODEL, "kill", (0xFFFFFFFF, 9), errno.EPERM),
        (USER, "kill", (1, 9), ALLOWED),  # by whom Landlock sees to
        (MODEL, "prlimit64", (0,), ALLOWED),
        (MODEL, "prlimit64", (OWN,), ALLOWED),
        (MODEL, "prlimit64", (1,), errno.EPERM),
        (MODEL, "setpriority", (0, 0), ALLOWED),
        (MODEL, "setpriority", (0, 1), errno.EPERM),
        (MODEL, "setpriority", (2, 0), errno.EPERM),
        (MODEL, "prctl", (1,), errno.EPERM),
        (MODEL, "prctl", (15,), ALLOWED),
        (EMULATED, "prctl", (1,), ALLOWED),
        (MODEL, "io_uring_setup", (), errno.ENOSYS),
        (MODEL, "socketpair", (1, 0x80801), ALLOWED),  # SOCK_STREAM with flags
        (MODEL, "socketpair", (1, 0x80802), errno.EACCES),
        (MODEL, "socketpair", (1, 5), errno.EACCES),
        (MODEL, "socketpair", (30, 1), errno.EACCES),
        (EMULATED, "socketpair", (1, 2), errno.EACCES),
        (USER, "socketpair", (1, 2), ALLOWED),
        (BROWSER, "socketpair", (1, 0x80801), ALLOWED),
        (BROWSER, "socketpair", (1, 5), ALLOWED),  # SOCK_SEQPACKET stays connected too
        (BROWSER, "socketpair", (1, 2), errno.EACCES),  # a datagram goes to any socket with a path
        (BROWSER, "socketpair", (30, 1), errno.EACCES),
        (BROWSER, "socket", (1, 0x80801), ALLOWED),
        (BROWSER, "socket", (1, 2), errno.EACCES),
        (BROWSER, "socket", (1, 5), errno.EACCES),
        *((BROWSER, "socket", (family, 1), errno.EACCES) for family in (2, 10, 16, 17)),
        (BROWSER, "connect", (5,), errno.EACCES),
        (BROWSER, "clone", (FORK,), ALLOWED),
        (BROWSER, "clone", (NEW_USERS,), errno.EPERM),
        (NETWORK, "socketpair", (30, 2), errno.EACCES),
        (MODEL, "ioctl", (5, 0x5401), ALLOWED),
        (MODEL, "ioctl", (5, 0x5413), ALLOWED),
        (MODEL, "ioctl", (5, 0xC0104600), errno.ENOTTY),
        (MODEL, "ioctl", (5, 0x40086602), errno.ENOTTY),
        (GPU, "ioctl", (5, 0xC0104600), ALLOWED),
        (MODEL, "memfd_create", (0, 0), errno.ENOSYS),
        (DRIVER, "memfd_create", (0, 0), ALLOWED),
        (DRIVER, "ioctl", (5, 0xC0104600), errno.ENOTTY),
        (DRIVER, "socket", (1, 1), errno.EACCES),
        (DRIVER, "clone", (FORK,), errno.EPERM),
        *((kind, "ioctl", (5, 0x40086602), errno.ENOTTY) for kind in (USER, GPU, EMULATED)),
        *((kind, "ioctl", (5, 0x541C), errno.ENOTTY) for kind in (USER, GPU, EMULATED)),
        (USER, "fcntl", (5, 8), errno.EPERM),
        (MODEL, "fcntl", (5, 10), errno.EPERM),
        (MODEL, "fcntl", (5, 1030), ALLOWED),
        (USER, "fallocate", (), errno.EOPNOTSUPP),
        (USER, "getxattr", (), errno.EOPNOTSUPP),
        (MODEL, "sched_setscheduler", (1,), errno.EPERM),
        (MODEL, "sched_setscheduler", (0,), ALLOWED),
        (USER, "clone", (FORK | 0x8000,), errno.EPERM),
        (USER, "ptrace", (), errno.EPERM),
        (USER, "mount", (), errno.EPERM),
        (USER, "file_setattr", (), errno.EPERM),
        (MODEL, "fchmod", (), "done"),
        (MODEL, "truncate", (), ALLOWED),
    ],
)
def test_a_filter_refuses_what_it_should_and_nothing_else(machine, kind, call, arguments, expected):
    """As the kernel's own machine reads it; the number of a call depends on the processor."""
    assert answer(Filter(kind, landlock=7, machine=machine), machine, call, *arguments) == expected


@pytest.mark.parametrize(
    ("flags", "expected"), [(0o1000, errno.EPERM), (0o1001, ALLOWED), (0o1002, ALLOWED), (0, ALLOWED)]
)
def test_a_landlock_that_knows_not_of_cut_off_files_is_helped(flags, expected):
    """Before its third version a file that was opened for reading could be cut off by that."""
    early = Filter(MODEL, landlock=2, machine="x86_64")

    assert answer(early, "x86_64", "openat", 0, 0, flags) == expected
    assert answer(early, "x86_64", "open", 0, flags) == expected
    assert answer(early, "x86_64", "truncate") == errno.EPERM


def test_calls_of_another_set_of_numbers_are_refused():
    """A process of 64 bits may speak to the kernel as one of 32 does, whose numbers mean other calls."""
    found = Filter(USER, landlock=7, machine="x86_64")

    assert answer(found, "x86_64", 11, architecture=0x40000003) == KILLED
    assert answer(found, "x86_64", 0x40000000 + 41) == errno.EPERM


@pytest.mark.parametrize("kind", [MODEL, USER, NETWORK, EMULATED, GPU, DRIVER])
@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("version", [0, 1, 7])
def test_a_filter_is_one_that_the_kernel_takes(kind, machine, version):
    """Jumps have 8 bits, and a program at most 4096 instructions; no jump leads beyond its end."""
    steps = Filter(kind, landlock=version, machine=machine).steps

    assert len(steps) < 4096
    for place, step in enumerate(steps):
        assert max(step.if_true, step.if_false) <= 255
        assert place + 1 + max(step.if_true, step.if_false) < len(steps) or step.code == 0x06


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_processors_with_a_filter_are_those_that_are_said_to_have_one(machine):
    """An ability that is said is one that is there."""
    assert Filter(MODEL, landlock=7, machine=machine).steps
    assert set(FILTERED) == set(ARCHITECTURES)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_numbers_are_the_kernels(machine):
    """Of the headers that are here; calls that are newer than these are left out."""
    if not HEADERS[machine].is_file():
        pytest.skip(f"no kernel headers here: {HEADERS[machine]}")
    text = HEADERS[machine].read_text()
    known = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}

    ours = {name: numbers[list(ARCHITECTURES).index(machine)] for name, numbers in seccomp._NUMBERS.items()}

    assert {name: number for name, number in ours.items() if name in known and known[name] != number} == {}
    assert len(set(ours) & set(known)) > 80


def test_a_version_of_landlock_handles_what_it_knows():
    """What a version does not know it would refuse to be asked."""
    assert landlock.handled(0) == 0
    assert [landlock.handled(version).bit_length() for version in range(1, 10)] == [13, 14, 15, 15, 16, 16, 16, 16, 17]


@pytest.mark.parametrize(
    ("ability", "confines", "says"),
    [
        (Ability(7, True, True), True, "Landlock ABI 7, seccomp, PID namespace"),
        (Ability(7, True, False), True, "Landlock ABI 7, seccomp"),
        (Ability(1, True), True, "Landlock ABI 1, seccomp"),
        (Ability(0, True, True), False, "not confined: this kernel has no Landlock"),
        (Ability(7, False, True), False, "not confined: no filter of system calls"),
    ],
)
def test_an_ability_is_said_in_words(ability, confines, says):
    """Both have to be there."""
    assert ability.confines == confines
    assert str(ability).startswith(says)
    assert bool(ability.missing) == (ability != Ability(7, True, True))


def test_no_folder_that_holds_the_users_home_is_the_engines(tmp_path, monkeypatch):
    """An interpreter may lie in the home folder, and the home folder may be on its path; only what is its own is read then."""
    home = tmp_path / "home"
    (home / "venv").mkdir(parents=True)
    (home / "elsewhere").mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{home}{os.pathsep}{home / 'elsewhere'}{os.pathsep}{tmp_path}{os.pathsep}/")
    monkeypatch.setattr("sys.prefix", str(home / "venv"))

    found = places.of_engine(Path("/package"), home)

    assert {str(home / "venv"), str(home / "elsewhere"), "/package", "/usr"} <= set(found)
    assert not {str(home), str(tmp_path), "/"} & set(found)


def test_packages_that_are_links_are_read_where_they_lie(tmp_path, monkeypatch):
    """As whole folders, and file by file."""
    cache, installed = tmp_path / "cache", tmp_path / "venv" / "site-packages"
    for name in ("one", "other"):
        (cache / name).mkdir(parents=True)
        (cache / name / "__init__.py").write_text("")
    (installed / "other").mkdir(parents=True)
    (installed / "one").symlink_to(cache / "one")
    (installed / "other" / "__init__.py").symlink_to(cache / "other" / "__init__.py")
    monkeypatch.setattr("sys.path", [str(installed)])

    found = places.of_engine(Path("/package"), tmp_path / "home")

    assert {str(cache / "one"), str(cache / "other")} <= set(found)


@pytest.fixture
def job() -> Job:
    builder = {"function": "build.py:net", "file": "/project/build.py", "folder": "/project", "arguments": {}}
    return Job(
        "open", "source.reference", "open_", Engine("tensorflow"), {"builder": builder, "trust": False}, user_code=True
    )


def test_what_the_user_allows_holds_for_his_own_code_alone(job):
    """A builder has its folder and what is allowed; a model's job has its inputs."""
    allowed = Permissions(network=True)
    allowed = replace(allowed, read=(Path("/tmp"),))  # noqa: S108 (a folder that is there)

    his = access_of(job, [Path("/model")], allowed)
    models = access_of(replace(job, user_code=False), [Path("/model")], allowed)
    trusted = access_of(replace(job, user_code=False, options={"trust": True}), [Path("/model")], allowed)

    assert his.network
    assert set(his.reads) == {"/model", "/project", "/project/build.py", "/tmp"}  # noqa: S108
    assert (set(models.reads), models.network) == ({"/model"}, False)
    assert (set(trusted.reads), trusted.network) == ({"/model", "/tmp"}, True)  # noqa: S108


def test_links_in_a_set_are_followed_and_links_in_a_model_are_not(job, tmp_path):
    """Sets are often made of links; what reads them is the toolkit's own code, while a model's files are its maker's."""
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    (tmp_path / "set" / "class").mkdir(parents=True)
    (tmp_path / "set" / "class" / "1.png").symlink_to(tmp_path / "one.png")
    (tmp_path / "set" / "others").symlink_to(tmp_path / "pictures")
    (tmp_path / "pictures" / "deep" / "round").symlink_to(tmp_path / "set")
    whole = {str(tmp_path / name) for name in ("set", "one.png", "pictures")}

    of_set = access_of(Job("draw", "samples.draw", "draw", Engine("dataset")), [tmp_path / "set"], Permissions())
    of_model = access_of(replace(job, user_code=False), [tmp_path / "set"], Permissions())

    assert set(of_set.reads) == whole
    assert set(of_model.reads) == {str(tmp_path / "set")}


def test_a_function_in_the_home_folder_does_not_open_it(job, tmp_path, monkeypatch):
    """Hidden files stay closed, where keys and passwords are."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (".ssh", "project", "build.py"):
        (tmp_path / name).mkdir()
    builder = {**job.options["builder"], "folder": str(tmp_path), "file": None}

    found = access_of(replace(job, options={"builder": builder}), [], Permissions())

    assert set(found.reads) == {str(tmp_path / "project"), str(tmp_path / "build.py")}


def test_a_link_that_leads_out_of_a_model_is_named(job, tmp_path):
    """The job is refused what it leads to, and a person sees why."""
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "link").symlink_to(tmp_path / "elsewhere")
    asked = replace(job, user_code=False)
    access = access_of(asked, [tmp_path / "model"], Permissions())

    said = advice(asked, access, f"PermissionDeniedError: {tmp_path / 'model' / 'link'}; Permission denied")

    assert f"a link in {tmp_path / 'model'} leads there" in said
    assert advice(asked, access, "a shape does not fit") is None
